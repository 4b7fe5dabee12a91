"""What JSON may hold so that every database stores it alike, whoever sends it."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.utils.translation import gettext as _

DEEPEST = 50
LONGEST_NUMBER = 1_000  # digits


class BadJson(ValueError):
    """JSON that is not usable; the text is a sentence, with its place first where it is known."""


def parsed(text: str) -> Any:
    """The value of a JSON text, strict where Python is lenient. Raises BadJson."""
    try:
        value, end = DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        end = None
    if end == len(text):
        return value
    with told_strictly():  # which costs as much as the rest: not for what is in order
        return DECODER.decode(text)


def parsed_at(text: str, at: int) -> tuple[Any, int]:
    """The value that begins at a place of a longer text, and where it ends. Raises BadJson."""
    with told_strictly():
        return DECODER.raw_decode(text, at)


@contextmanager
def told_strictly() -> Iterator[None]:
    """The decoder's errors as sentences. Raises BadJson."""
    try:
        yield
    except json.JSONDecodeError as error:
        raise BadJson(
            _("line %(lineno)s, column %(colno)s: %(msg)s.")
            % {"lineno": error.lineno, "colno": error.colno, "msg": error.msg}
        ) from error
    except RecursionError as error:
        raise BadJson(_("nested too deeply.")) from error
    except BadJson:
        raise
    except ValueError as error:
        raise BadJson(_("a number is too long.")) from error


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; Python alone would keep the last of two equal names without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise BadJson(_("%(repeated)r is given twice in one object.") % {"repeated": repeated})
    return found


def refuse_constant(name: str) -> Any:
    """NaN and Infinity: Python reads them, JSON does not know them."""
    raise BadJson(_("%(name)s is not JSON.") % {"name": name})


# One for all texts: `json.loads` with options makes a new one at every call.
DECODER = json.JSONDecoder(object_pairs_hook=without_repeats, parse_constant=refuse_constant)


def first_trouble(value: Any, path: str, depth: int = 1) -> str | None:
    """The first thing in a value that cannot be stored, with its place; None without one."""
    if not isinstance(value, Mapping | list | tuple):
        return scalar_trouble(value, path)
    if depth > DEEPEST:
        return _("The %(path)s is nested deeper than %(deepest)s levels.") % {
            "path": path.partition(".")[0],
            "deepest": DEEPEST,
        }
    inner = value.items() if isinstance(value, Mapping) else enumerate(value)
    for name, part in inner:
        trouble = name_trouble(name, path) or first_trouble(part, f"{path}.{name}", depth + 1)
        if trouble:
            return trouble
    return None


def name_trouble(name: Any, path: str) -> str | None:
    """The same for a name in an object."""
    if isinstance(name, str) and "\x00" in name:
        return _("The character U+0000 can't be stored (a name in %(path)s).") % {"path": path}
    if isinstance(name, str) and has_half_character(name):
        return _("Half a character (a lone surrogate) can't be stored (a name in %(path)s).") % {
            "path": path
        }
    return None


def scalar_trouble(value: Any, path: str) -> str | None:
    """The same for a single value."""
    if isinstance(value, float) and not math.isfinite(value):
        name = "NaN" if math.isnan(value) else "Infinity"
        return _("%(name)s is not JSON (at %(path)s).") % {"name": name, "path": path}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**LONGEST_NUMBER:
        return _("Number too long (%(path)s).") % {"path": path}
    if isinstance(value, str) and "\x00" in value:
        return _("The character U+0000 can't be stored (%(path)s).") % {"path": path}
    if isinstance(value, str) and has_half_character(value):
        return _("Half a character (a lone surrogate) can't be stored (%(path)s).") % {"path": path}
    return None


def is_name(text: str) -> bool:
    """Whether anything can be named so: of what cannot be stored, no database may be asked."""
    return bool(text) and scalar_trouble(text, "") is None


def has_half_character(text: str) -> bool:
    """Whether a text holds a lone surrogate, which is in no encoding."""
    if text.isascii():
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
