"""How a table is claimed: mode A, B or C, by what the table can do; and the same in words."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from processors.sources.catalogue import Column
from processors.sources.marks import BATCH_DIGITS, PROCESSOR_DIGITS, mark_length

SAMPLE = "0" * (PROCESSOR_DIGITS + BATCH_DIGITS)


def mode_by_catalogue(source: Mapping[str, Any], status: Column, default_word: str) -> str:
    """The best mode that the definition and the column's type allow; a trial may lower B to C.

    A definition that was tried before says itself that it is C.
    """
    if source.get("database", "default") == "default":
        return "A"
    words = source.get("words")
    word = (words if isinstance(words, Mapping) else {}).get("claimed", default_word)
    if source.get("mode") == "C" or status.kind != "text" or word in (None, ""):
        return "C"
    fits = status.length is None or mark_length(str(word)) <= status.length
    return "B" if fits else "C"


def sample_mark(word: str) -> str:
    """What a mark looks like, for a trial."""
    return f"{word}:{SAMPLE}"


def in_words(source: Mapping[str, Any]) -> str:
    """A sentence for people: how records are taken, and what that means for their owner."""
    if source.get("kind") != "table":
        topic = source.get("topic")
        return _("An inbox, topic %(topic)s.") % {"topic": topic} if topic else _("An inbox.")
    mode, status = source["mode"], source["status"]
    if mode == "A":
        return _(
            "Mode A: the table is in Recordmill's own database, so a row's status and "
            "Recordmill's books change in one commit."
        )
    word = source["words"].get("claimed")
    if mode == "B":
        return _(
            "Mode B: a row in hand is marked '%(word)s:' and a token in '%(status)s', "
            "and is written only while that mark stands: what its owner changes "
            "meanwhile is never overwritten."
        ) % {"word": word, "status": status}
    needed = mark_length(str(word or "TAKEN"))
    return _(
        "Mode C: a row in hand keeps the word for new, and is written once, when its "
        "outcome is known. (Mode B, which marks rows in hand, needs a word for that, "
        "and a text column '%(status)s' that takes any word of %(needed)s "
        "characters.)"
    ) % {"status": status, "needed": needed}
