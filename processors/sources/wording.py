"""Names and numbers in sentences for people."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from django.utils.translation import gettext as _

SHOWN_NAME_CHARACTERS = 80
BETWEEN_PARTS = re.compile(r"[\W_]+")
LIKE_A_PART = 0.75  # of 1: two letters of four may have changed places, as in `paly`
LEAST_CONTAINED = 3  # characters; fewer are in too many names


def shown(name: object) -> str:
    """A name somebody typed, short enough for a sentence."""
    text = str(name)
    return text if len(text) <= SHOWN_NAME_CHARACTERS else text[:SHOWN_NAME_CHARACTERS] + "…"


def close(name: str, known: Iterable[str], count: int = 1) -> list[str]:
    """The known names most like this one, whatever their case.

    Else those of which a part is, as `stock-levels` for `stokc`; else those that contain it.
    """
    typed = shown(name).casefold()
    wholes = {each.casefold(): each for each in known}
    parts = {part: whole for fold, whole in wholes.items() for part in BETWEEN_PARTS.split(fold)}
    found = [wholes[fold] for fold in get_close_matches(typed, wholes, n=count)]
    found = found or [parts[part] for part in get_close_matches(typed, parts, count, LIKE_A_PART)]
    if len(typed) < LEAST_CONTAINED:
        return found
    return found or [whole for fold, whole in wholes.items() if typed in fold][:count]


def meant(name: object, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name."""
    found = close(str(name), known)
    return _(". Did you mean '%(found)s'?") % {"found": found[0]} if found else "."
