"""What two definitions say differently, field by field."""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

DEEPEST = 3  # a field of a part of the source is a line of its own; what is deeper is JSON
SHORT_CHARACTERS = 60


@dataclass(frozen=True)
class Difference:
    """One field; None where a definition does not give it."""

    path: str
    before: Any
    after: Any

    @property
    def name(self) -> str:
        """The field as people read it: `trigger pause seconds`."""
        return self.path.replace("_", " ").replace(".", " ")

    @property
    def is_short(self) -> bool:
        """Whether both values fit into a sentence."""
        values = (self.before, self.after)
        return all(is_flat(value) for value in values) and all(
            len(in_words(value)) <= SHORT_CHARACTERS for value in values
        )

    @property
    def old(self) -> str:
        """The value before, for people."""
        return in_words(self.before)

    @property
    def new(self) -> str:
        """The value after, for people."""
        return in_words(self.after)

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Of long values and of JSON: "-", "+" or " ", and the line."""
        compared = difflib.ndiff(as_lines(self.before), as_lines(self.after))
        return [(line[0], line[2:]) for line in compared if line[0] != "?"]

    def __str__(self) -> str:
        return f"{self.name}: {self.old} → {self.new}" if self.is_short else self.name


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """The fields whose values differ, in the order of the later definition."""
    old, new = dict(fields(before)), dict(fields(after))
    return [
        Difference(path, old.get(path), new.get(path))
        for path in {**new, **old}
        if old.get(path) != new.get(path)
    ]


def difference_words(found: Iterable[Difference]) -> str:
    """`batch size: 500 → 50, options`: fields, and values where they are short."""
    return ", ".join(map(str, found))


def fields(given: Mapping[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, Any]]:
    """Each value with its path."""
    for name, value in given.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and depth < DEEPEST:
            yield from fields(value, f"{path}.", depth + 1)
        else:
            yield path, value


def is_flat(value: Any) -> bool:
    """Whether it is a single value, or a list of some."""
    if isinstance(value, list):
        return not any(isinstance(one, list | dict) for one in value)
    return not isinstance(value, dict)


def in_words(value: Any) -> str:
    """A value in a sentence."""
    if value is None or value == "":
        return _("nothing")
    if isinstance(value, list) and is_flat(value):
        return ", ".join(in_words(one) for one in value) or _("nothing")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def as_lines(value: Any) -> list[str]:
    """A value as text over lines; nothing as no line."""
    if value is None:
        return []
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return text.splitlines()
