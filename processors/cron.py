"""The five fields of a cron line: what may be written, and what it says in words. Pure.

Entry points: `parsed` and `describe`. When a line is due is for `schedules` to say.
"""

# ruff: noqa: RUF001 - ranges in messages for people have an en dash

import re
from calendar import month_name
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cron_descriptor  # type: ignore[import-untyped]
from cron_descriptor import (
    ExpressionDescriptor,
    FormatError,
    Options,
)
from django.utils.translation import get_language, gettext_lazy, to_locale
from django.utils.translation import gettext as _

LONGEST_EXPRESSION = 200
_FIVE_FIELDS = gettext_lazy(
    "Use five fields: minute hour day month weekday. “30 6 * * 1-5” is 06:30 from Monday to Friday."
)
WORDS_IN = Path(cron_descriptor.__file__).parent / "locale"
_PART = re.compile(r"(?:(\*)|([0-9A-Z]+)(?:-([0-9A-Z]+))?)(?:/([0-9]+))?")
_LAST_DAY = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


class InvalidSchedule(ValueError):
    """A schedule that cannot be used; the message is a sentence for the person who wrote it."""


@dataclass(frozen=True)
class _Field:
    label: Any  # translated when it is shown
    lowest: int
    highest: int
    names: tuple[str, ...] = ()

    def values(self, text: str) -> frozenset[int]:
        """All values the field's text allows, such as 0, 20, 40 for `*/20`."""
        return frozenset(value for part in text.split(",") for value in self._span(part))

    def _span(self, part: str) -> range:
        match = _PART.fullmatch(part)
        if match is None:
            raise self._refusal(part, str(_FIVE_FIELDS))
        star, first, last, step = match.groups()
        if star:
            return range(self.lowest, self.highest + 1, self._step(step))
        low = self._number(first)
        if step and not last:
            meant = f"{low}-{self.highest}/{step}"
            raise InvalidSchedule(
                _("%(label)s %(part)s needs a range before the step, e.g. %(meant)s.")
                % {"label": self.label, "part": part, "meant": meant}
            )
        high = self._number(last) if last else low
        if self.names == _WEEKDAYS and high == 0 < low:
            high = 7  # FRI-SUN: a week may end with a Sunday
        if high < low:
            raise InvalidSchedule(
                _("%(label)s range %(part)s runs backwards; write it as two ranges with a comma.")
                % {"label": self.label, "part": part}
            )
        return range(low, high + 1, self._step(step))

    def _number(self, word: str) -> int:
        if word in self.names:
            return self.lowest + self.names.index(word)
        if not word.isdigit():
            raise self._refusal(word, str(_FIVE_FIELDS))
        if not self.lowest <= int(word) <= self.highest:
            raise self._refusal(word)
        return int(word)

    def _step(self, digits: str | None) -> int:
        step = int(digits) if digits else 1
        if not (digits is None or 1 <= step <= self.highest):
            raise InvalidSchedule(
                _("%(label)s step must be 1–%(highest)s, got %(digits)s.")
                % {"label": self.label, "highest": self.highest, "digits": digits}
            )
        return step

    def _refusal(self, got: str, hint: str = "") -> InvalidSchedule:
        names = f" or {self.names[0]}–{self.names[-1]}" if self.names else ""
        allowed = f"{self.lowest}–{self.highest}{names}"
        said = _("%(label)s must be %(allowed)s, got %(got)s.") % {
            "label": self.label,
            "allowed": allowed,
            "got": got or _("nothing"),
        }
        return InvalidSchedule(f"{said} {hint}".rstrip())


_FIELDS = (
    _Field(gettext_lazy("Minute"), 0, 59),
    _Field(gettext_lazy("Hour"), 0, 23),
    _Field(gettext_lazy("Day"), 1, 31),
    _Field(gettext_lazy("Month"), 1, 12, _MONTHS),
    _Field(gettext_lazy("Weekday"), 0, 7, _WEEKDAYS),
)


@dataclass(frozen=True)
class Pattern:
    """A line that was understood."""

    text: str  # as the person wrote it: single spaces, capitals
    readings: str  # for croniter: plain lists of numbers, so that nothing is left to interpret
    is_sub_daily: bool


@lru_cache(maxsize=1024)
def parsed(expression: str) -> Pattern:
    """What a line means. InvalidSchedule names the field at fault."""
    if len(expression) > LONGEST_EXPRESSION:
        raise InvalidSchedule(
            _("Write it in at most %(longest)s characters.") % {"longest": LONGEST_EXPRESSION}
        )
    texts = expression.upper().split()
    if len(texts) != len(_FIELDS):
        raise InvalidSchedule(str(_FIVE_FIELDS))
    values = [field.values(text) for field, text in zip(_FIELDS, texts, strict=True)]
    _minutes, hours, days, months, _weekdays = values
    if _is_any(texts[4]):  # with a weekday too, either of the two is enough
        _refuse_dates_that_never_come(days, months)
    lists = (
        "*" if _is_any(text) else ",".join(map(str, sorted(allowed)))
        for text, allowed in zip(texts, values, strict=True)
    )
    return Pattern(" ".join(texts), " ".join(lists), is_sub_daily=len(hours) == 24)


def _is_any(text: str) -> bool:
    return text in ("*", "*/1")


def _refuse_dates_that_never_come(days: frozenset[int], months: frozenset[int]) -> None:
    """Only the day can be impossible: 29 February comes, if not before four or eight years."""
    day = min(days)
    if all(day > _LAST_DAY[month - 1] for month in months):
        raise InvalidSchedule(
            _("This never happens: there is no %(day)s %(month)s.")
            % {"day": day, "month": month_name[min(months)]}
        )


def describe(expression: str) -> str:
    """The pattern in English words, times in 24 hours: "At 02:30". InvalidSchedule if bad.

    Where there are no words for it, as for `*,5 * * * *`, the expression itself.
    """
    text = parsed(expression).text
    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = cron_locale(get_language() or "en")
    try:
        return str(ExpressionDescriptor(text, options).get_description())
    except FormatError:
        return text


def cron_locale(language: str) -> str:
    """Of the languages that the words are there in the one that is asked for, else English."""
    wanted = to_locale(language).partition("_")[0]
    known = sorted(path.stem for path in WORDS_IN.glob(f"{wanted}_*.mo"))
    return known[0] if wanted != "en" and known else "en_US"
