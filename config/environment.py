"""Reads settings from the environment; a value that makes no sense is refused by its name.

Three places are looked at, the first that has a name wins: the process's environment, the file
`.env` of the clone, and `var/local.env`, which `make run` and `make demo` write.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off", ""}


class BadSetting(ImproperlyConfigured):
    """A variable is missing or makes no sense; the message names it and says what to write."""


class NamedQueues(dict[str, Any]):
    """The settings of each queue by its name; `rqworker` looks up what it was given."""

    def __missing__(self, name: str) -> Any:
        raise BadSetting(f"There is no queue '{name}': QUEUES has {', '.join(self)}.")


class Environment:
    """Named values with a type. Every reader raises BadSetting that names the variable."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    @classmethod
    def of_process(cls, root: Path) -> "Environment":
        """The environment of this process, filled up from the files of the clone at `root`."""
        if os.environ.get("RECORDMILL_TESTING"):
            # A test run must not depend on what a developer keeps in his files.
            return cls(os.environ)
        values = _read_file(root / ".env") | dict(os.environ)
        if values.get("SECRET_KEY"):
            # A key was given, so this is an installation of its own: the local run's relaxed
            # values must not leak into it.
            return cls(values)
        var = Path(values.get("VAR_DIR") or root / "var")
        return cls(_read_file(var / "local.env") | values)

    def text(self, name: str, default: str = "") -> str:
        return self._values.get(name, "").strip() or default

    def reader(self, *, refusing: Collection[str]) -> Callable[[str], str | None]:
        """A function that gives the value of a variable, None where it is unset or refused."""
        return lambda name: None if name in refusing else self._values.get(name) or None

    def given(self, *, refusing: Collection[str]) -> frozenset[str]:
        """The names of the variables that the reader would give a value for."""
        return frozenset(name for name, value in self._values.items() if value) - set(refusing)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """1/0, true/false, yes/no, on/off in any case."""
        word = self._values.get(name, str(int(default))).strip().lower()
        if word in TRUE_WORDS:
            return True
        if word in FALSE_WORDS:
            return False
        raise BadSetting(f"{name} is '{word}': write 1 or 0.")

    def integer(self, name: str, default: int, *, minimum: int, maximum: int | None = None) -> int:
        word = self.text(name, str(default))
        try:
            number = int(word)
        except ValueError:
            raise BadSetting(f"{name} is '{word}': write a whole number.") from None
        if number < minimum or (maximum is not None and number > maximum):
            limit = f"at least {minimum}" + (f", at most {maximum}" if maximum is not None else "")
            raise BadSetting(f"{name} is {number}: it must be {limit}.")
        return number

    def names(self, name: str, default: Sequence[str]) -> list[str]:
        """Words between commas, in their order, each once. Given but empty means none."""
        if name not in self._values:
            return list(default)
        words = (word.strip() for word in self._values[name].split(","))
        return list(dict.fromkeys(word for word in words if word))

    def choice(self, name: str, default: str, choices: Sequence[str]) -> str:
        word = self.text(name, default).upper()
        if word not in choices:
            raise BadSetting(f"{name} is '{word}': write one of {', '.join(choices)}.")
        return word

    def apps(self, name: str, default: Sequence[str]) -> list[str]:
        """Importable Django apps; one that cannot be found is named."""
        apps = self.names(name, default)
        for app in apps:
            if not _can_be_found(app):
                raise BadSetting(
                    f"{name} names '{app}', which cannot be imported: install it, or put the "
                    "directory that holds it on PYTHONPATH."
                )
        return apps

    def starting_with(self, prefix: str) -> dict[str, str]:
        """The values whose names go on after `prefix`, keyed by the rest of the name."""
        return {
            name.removeprefix(prefix): self._values[name]
            for name in sorted(self._values)
            if name.startswith(prefix) and name != prefix and self._values[name].strip()
        }


def _read_file(path: Path) -> dict[str, str]:
    values = dotenv_values(path, interpolate=False) if path.is_file() else {}
    return {name: value for name, value in values.items() if value is not None}


def _can_be_found(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):
        return False
