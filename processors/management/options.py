"""What is typed for an option: numbers, seconds, times. Each says what it wants instead."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError

from processors.management.terminal import SHOWN, WRONG_USAGE
from processors.storable import BadJson, parsed

MOST_DIGITS = 30
YEAR_SECONDS = 366 * 24 * 3600
LONGEST_LENGTH = 8  # characters of a length such as 2h
FARTHEST = timedelta(days=36_525)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def whole_number(smallest: int, largest: int) -> Callable[[str], int]:
    """An option's type: a whole number within limits."""

    def parse(text: str) -> int:
        is_short = len(text) <= MOST_DIGITS  # Python itself reads no more than some thousand
        if text.isascii() and text.isdigit() and is_short and smallest <= int(text) <= largest:
            return int(text)
        raise ArgumentTypeError(
            f"give a whole number from {smallest} to {largest}, not '{text[:SHOWN]}'"
        )

    return parse


def seconds(text: str) -> float:
    """An option's type: seconds above 0, at most a year, fractions allowed."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if 0 < number <= YEAR_SECONDS:
        return number
    raise ArgumentTypeError(
        f"give seconds above 0, at most {YEAR_SECONDS} (366 days), not '{text[:SHOWN]}'"
    )


def assignment(text: str) -> tuple[str, Any]:
    """An option's type: `NAME=VALUE`, where the value is JSON or else a text."""
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise ArgumentTypeError(f"give NAME=VALUE, not '{text[:SHOWN]}'")
    try:
        return name, parsed(value)
    except BadJson:
        return name, value


def with_assigned(known: Mapping[str, Any], given: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """`known` with what was given instead; null leaves it to the default. Raises CommandError."""
    found = dict(known)
    for name, value in given:
        if [one for one, _ in given].count(name) > 1:
            raise CommandError(f"--option {name[:SHOWN]} comes twice.", returncode=WRONG_USAGE)
        if value is None:
            found.pop(name, None)
        else:
            found[name] = value
    return found


def parse_time(option: str, text: str, now: datetime, *, ahead: bool = False) -> datetime:
    """`90s`, `30m`, `2h`, `7d` before or `ahead` of now, or an ISO 8601 time with a zone.

    Raises CommandError.
    """
    is_length = text[:-1].isascii() and text[:-1].isdigit() and text[-1:] in UNITS
    try:
        if is_length and len(text) <= LONGEST_LENGTH:
            length = timedelta(**{UNITS[text[-1]]: int(text[:-1])})
            moment = now + length if ahead else now - length
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        said = (
            f"{option}: '{text[:SHOWN]}' is neither a length such as 2h nor a time such as "
            "2026-11-25T10:00:00+01:00."
        )
        raise CommandError(said, returncode=WRONG_USAGE) from error
    if moment.tzinfo is None:
        said = f"{option}: give a time zone, e.g. 2026-11-25T10:00:00+01:00."
        raise CommandError(said, returncode=WRONG_USAGE)
    if abs(moment - now) > FARTHEST:  # databases and time zones end before Python's years do
        said = f"{option}: '{text[:SHOWN]}' is more than a hundred years away."
        raise CommandError(said, returncode=WRONG_USAGE)
    return moment
