"""Charts over hours and days: what runs came to, of one processor or of all."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import QuerySet, Sum
from django.db.models.functions import TruncDay
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors.admin.chart_table import with_numbers
from processors.admin.charts import Bar, bars
from processors.models import Processor, RunHour
from processors.wording import number

RANGES = {
    "24h": (24, gettext_lazy("24 h")),
    "7d": (7, gettext_lazy("7 days")),
    "30d": (30, gettext_lazy("30 days")),
    "90d": (90, gettext_lazy("90 days")),
}
USUAL = "30d"
FRESH_SECONDS = 30
SUMS = ("succeeded", "with_failures", "failed", "stopped", "records", "failed_records")
LOOKS = (("succeeded", "ok"), ("with_failures", "warn"), ("failed", "bad"), ("stopped", "idle"))


@dataclass(frozen=True)
class Slot:
    """An hour or a day, and what ended in it."""

    start: datetime
    title: str
    mark: str
    sums: dict[str, int]


@dataclass(frozen=True)
class History:
    """A range of slots, the oldest first."""

    span: str
    slots: list[Slot]

    @property
    def words(self) -> Any:
        """The range."""
        return RANGES[self.span][1]

    @property
    def totals(self) -> dict[str, int]:
        """Over the whole range."""
        return {name: sum(slot.sums[name] for slot in self.slots) for name in SUMS}

    @property
    def runs(self) -> int:
        """How many ended."""
        return sum(self.totals[name] for name, _look in LOOKS)

    @property
    def bad_runs(self) -> int:
        """How many failed or had failures."""
        return self.totals["with_failures"] + self.totals["failed"]

    @property
    def success_rate(self) -> int | None:
        """Per cent of the runs that ended by themselves; None without any."""
        totals = self.totals
        judged = totals["succeeded"] + totals["with_failures"] + totals["failed"]
        return int(100 * totals["succeeded"] / judged) if judged else None

    def runs_chart(self) -> SafeString:
        """How runs ended."""
        totals = self.totals
        summary = _(
            "Runs: %(runs)s; %(ok)s succeeded, %(warn)s with failures, %(bad)s failed, %(idle)s "
            "stopped."
        ) % {"runs": number(self.runs), **{look: number(totals[name]) for name, look in LOOKS}}
        drawn = [Bar(runs_parts(slot.sums), self.runs_of(slot), slot.mark) for slot in self.slots]
        heads = [
            _("When"),
            _("Runs"),
            _("Succeeded"),
            _("With failures"),
            _("Failed"),
            _("Stopped"),
        ]
        return with_numbers(bars(drawn, summary), _("Runs in numbers"), heads, self.runs_rows())

    def runs_rows(self) -> Iterator[list[str]]:
        """Of each slot in which runs ended."""
        for slot in self.slots:
            parts = [slot.sums[name] for name, _look in LOOKS]
            if any(parts):
                yield [slot.title, *map(number, [sum(parts), *parts])]

    def runs_of(self, slot: Slot) -> str:
        """What a bar says."""
        ended = sum(slot.sums[name] for name, _look in LOOKS)
        failed = slot.sums["with_failures"] + slot.sums["failed"]
        return _("%(when)s: %(runs)s runs, %(failed)s with failures or failed") % {
            "when": slot.title, "runs": number(ended), "failed": number(failed),
        }  # fmt: skip

    def records_chart(self) -> SafeString:
        """Records with a final outcome."""
        totals = self.totals
        summary = _("Records: %(records)s; %(failed)s failed.") % {
            "records": number(totals["records"]), "failed": number(totals["failed_records"]),
        }  # fmt: skip
        drawn = [
            Bar(records_parts(slot.sums), records_title(slot), slot.mark) for slot in self.slots
        ]
        heads = [_("When"), _("Records"), _("Failed")]
        rows = [
            [slot.title, number(slot.sums["records"]), number(slot.sums["failed_records"])]
            for slot in self.slots
            if slot.sums["records"]
        ]
        return with_numbers(bars(drawn, summary), _("Records in numbers"), heads, rows)


def runs_parts(sums: dict[str, int]) -> list[tuple[str, float]]:
    """Successes at the bottom."""
    return [(look, sums[name]) for name, look in LOOKS]


def records_parts(sums: dict[str, int]) -> list[tuple[str, float]]:
    """Handled well at the bottom, failed on top."""
    failed = sums["failed_records"]
    return [("run", sums["records"] - failed), ("bad", failed)]


def records_title(slot: Slot) -> str:
    """What a bar says."""
    return _("%(when)s: %(records)s records, %(failed)s failed") % {
        "when": slot.title,
        "records": number(slot.sums["records"]),
        "failed": number(slot.sums["failed_records"]),
    }


def span_of(request: HttpRequest) -> str:
    """The range that was asked for."""
    asked = request.GET.get("span", USUAL)
    return asked if asked in RANGES else USUAL


def links(span: str) -> list[dict[str, Any]]:
    """The ranges to choose from."""
    return [
        {"url": f"?span={name}", "word": word, "is_here": name == span}
        for name, (_count, word) in RANGES.items()
    ]


def of(
    processor: Processor | None, span: str, now: datetime, hidden: Sequence[int] = ()
) -> History:
    """Of one processor, or of all but the `hidden`; some seconds old, once there is any."""
    which = processor.pk if processor else f"all-{zlib.crc32(repr(hidden).encode())}"
    key = f"history:{which}:{span}:{timezone.get_current_timezone_name()}"
    found: History | None = cache.get(key)
    if found is None:
        rows = RunHour.objects.exclude(processor__in=hidden)
        found = read(rows.filter(processor=processor) if processor else rows, span, now)
        if found.runs:  # who has just begun looks for the first ones
            cache.set(key, found, FRESH_SECONDS)
    return found


def read(hours: QuerySet[RunHour], span: str, now: datetime) -> History:
    """One query over the hours."""
    count, _word = RANGES[span]
    is_hourly = span == "24h"
    starts = slot_starts(now, count, is_hourly=is_hourly)
    rows = hours.filter(hour__gte=starts[0]).order_by()
    keyed: Any = rows.values("hour") if is_hourly else rows.values(day=TruncDay("hour"))
    summed = {
        row["hour" if is_hourly else "day"]: row
        for row in keyed.annotate(**{f"sum_{name}": Sum(name) for name in SUMS})
    }
    return History(span, [slot(start, summed.get(start), is_hourly=is_hourly) for start in starts])


def slot_starts(now: datetime, count: int, *, is_hourly: bool) -> list[datetime]:
    """When each slot begins, in the zone of who looks."""
    local = timezone.localtime(now)
    if is_hourly:
        hour = now.replace(minute=0, second=0, microsecond=0)
        return [hour - timedelta(hours=back) for back in reversed(range(count))]
    days = [local.date() - timedelta(days=back) for back in reversed(range(count))]
    zone = timezone.get_current_timezone()
    return [datetime(day.year, day.month, day.day, tzinfo=zone) for day in days]


def slot(start: datetime, row: dict[str, Any] | None, *, is_hourly: bool) -> Slot:
    """One slot with its words."""
    local = timezone.localtime(start)
    title = date_format(local, "j N, H:i") if is_hourly else date_format(local, "D j N")
    mark = f"{local:%H:%M}" if is_hourly else date_format(local, "j N")
    return Slot(start, title, mark, {name: row[f"sum_{name}"] if row else 0 for name in SUMS})
