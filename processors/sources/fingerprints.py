"""What failures of one kind have in common, whatever differs from record to record."""

import hashlib
import re

from processors.handlers.outcomes import Outcome

QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|«[^»]*»")
# All there is of a KeyError: the name of what is missing, and so the kind of error.
ONE_WORD = re.compile(r"(['\"])(?:[^\W\d]|[.-]){1,40}\1")
IDENTIFIER = re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b\w*\d[\w.,-]*")


def normalised(message: str) -> str:
    """A message without what differs from record to record: quoted values, numbers, ids.

    What was normalised stays as it is, and so does a message that is nothing but a quoted word.
    """
    first = message.strip().split("\n", 1)[0]
    if ONE_WORD.fullmatch(first):
        return first
    return IDENTIFIER.sub("#", QUOTED.sub("…", first))[:500].strip()


def fingerprint(outcome: Outcome) -> str:
    """What attempts with the same kind of error have in common; empty without an error."""
    if not outcome.error_type and not outcome.message:
        return ""
    text = f"{outcome.error_type}\n{normalised(outcome.message)}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
