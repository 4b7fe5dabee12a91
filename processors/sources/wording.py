"""Names and numbers in sentences for people."""

import difflib
from collections.abc import Iterable

from django.utils.translation import gettext as _

SHOWN_NAME_CHARACTERS = 80


def shown(name: object) -> str:
    """A name somebody typed, short enough for a sentence."""
    text = str(name)
    return text if len(text) <= SHOWN_NAME_CHARACTERS else text[:SHOWN_NAME_CHARACTERS] + "…"


def close(name: str, known: Iterable[str], count: int = 1) -> list[str]:
    """The known names most like this one, whatever their case."""
    by_fold = {each.casefold(): each for each in known}
    found = difflib.get_close_matches(shown(name).casefold(), by_fold, n=count)
    return [by_fold[fold] for fold in found]


def meant(name: object, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name."""
    found = close(str(name), known)
    return _(". Did you mean '%(found)s'?") % {"found": found[0]} if found else "."
