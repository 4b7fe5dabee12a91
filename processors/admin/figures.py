"""A run beside those before it: its length and its counters, and what these usually are."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from processors.admin import looks
from processors.admin.charts import whisker
from processors.models import Run
from processors.spread import Spread, is_slow, spread_of
from processors.states import RunState
from processors.wording import duration, rate_words

RUNS = 200  # before a run that it is compared with


def whole(value: float) -> str:
    """Records; a mean with one decimal where it is small."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def pace(run: Run) -> float:
    """Records a second."""
    seconds = looks.seconds_of(run)
    return run.settled / seconds if seconds > 0 else 0.0


def figures() -> list[tuple[str, Callable[[Run], float], Callable[[float], str]]]:
    """What is compared: its name, how it is read off a run, how it is written."""
    return [
        (_("Duration"), looks.seconds_of, duration),
        (_("Records"), lambda run: run.settled, whole),
        (_("Succeeded"), lambda run: run.done, whole),
        (_("Failed"), lambda run: run.dead + run.parked, whole),
        (_("To be retried"), lambda run: run.retried, whole),
        (_("Records per second"), pace, rate_words),
    ]


@dataclass(frozen=True)
class Line:
    """One figure of a run, and of those before it."""

    name: str
    value: str
    spread: Spread
    chart: SafeString
    write: Callable[[float], str]
    is_slow: bool = False
    is_high: bool = False

    @property
    def numbers(self) -> list[str]:
        """Least, mean, median, 95 of a hundred, most, standard deviation."""
        told = self.spread
        of_all = (told.least, told.mean, told.median, told.high, told.most, told.deviation)
        return [self.write(value) for value in of_all]


def beside_others(run: Run) -> list[Line]:
    """An ended run's figures; empty where too few ended by themselves before it. One query."""
    if not run.has_ended:
        return []
    before = list(runs_before(run))
    lines = []
    for name, read, write in figures():
        spread = spread_of([read(one) for one in before])
        if spread is None:
            return []
        if spread.most or read(run):  # what is always nothing tells nothing
            lines.append(line(run, name, read, write, spread))
    return lines


def runs_before(run: Run) -> QuerySet[Run]:
    """Those of the last RUNS before it that ended by themselves; found by their numbers."""
    return Run.objects.filter(
        processor=run.processor_id,
        seq__range=(run.seq - RUNS, run.seq - 1),
        state=RunState.FINISHED,
    ).defer("config", "reason")


def line(
    run: Run,
    name: str,
    read: Callable[[Run], float],
    write: Callable[[float], str],
    spread: Spread,
) -> Line:
    """A figure with its drawing: around the mean, one standard deviation to either side."""
    value = read(run)
    low, high = spread.mean - spread.deviation, spread.mean + spread.deviation
    return Line(
        name=name,
        value=write(value),
        spread=spread,
        chart=whisker(spread.least, low, high, spread.most, value),
        write=write,
        is_slow=read is looks.seconds_of and is_slow(value, spread.median),
        is_high=value > spread.high,
    )
