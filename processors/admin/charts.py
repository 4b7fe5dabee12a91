"""Charts as SVG, drawn here: x in per cent, which makes them fluid; y in pixels, as text wants it.

No script, no inline style; colours come from the stylesheet. Each chart says in one sentence what
it shows, and each bar its own value.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from statistics import median

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from processors.wording import DAY, compact

HEIGHT = 132  # pixels between the base line and the top line
TOP = 8
FOOT = 22
GUTTER = 44  # pixels for the numbers at the left, more where these are longer
LETTER = 7  # pixels
MARKS = 6  # labels under a chart
FEWEST = 12  # bars that a chart has room for; fewer stand at its left, no wider than these
STEPS = (1, 2, 2.5, 5, 10)
# Seconds, minutes and hours, each with a half that reads as well: `1 min` over `30 s`.
TIMES = (
    0.2, 0.4, 1, 2, 4, 10, 20, 30, 60, 120, 240, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 28_800,
    43_200, DAY,
)  # fmt: skip

Label = Callable[[float], str]


@dataclass(frozen=True)
class Bar:
    """One bar: its parts from the bottom up as (colour, value), and what it says."""

    parts: Sequence[tuple[str, float]]
    title: str
    mark: str = ""

    @property
    def total(self) -> float:
        """How high it is."""
        return sum(value for _, value in self.parts)


def bars(
    given: Sequence[Bar],
    summary: str,
    label: Label = compact,
    *,
    top: float | None = None,
    line: float | None = None,
) -> SafeString:
    """Bars beside each other, of counts unless `top` says else; `line` is drawn dashed."""
    top = top or even(max((bar.total for bar in given), default=0))
    width = 100 / max(FEWEST, len(given))
    drawn = format_html_join(
        "", "{}", ((bar_of(bar, at * width, width, top),) for at, bar in enumerate(given))
    )
    across = "" if line is None else level(line, top, "median")
    marks = [((at + 0.5) * width, bar.mark) for at, bar in enumerate(given)]
    return framed(format_html("{}{}", drawn, across), top, marks, summary, label)


def bar_of(bar: Bar, x: float, width: float, top: float) -> SafeString:
    """The parts on top of each other; the smallest can still be seen."""
    rects, base = [], float(TOP + HEIGHT)
    for look, value in bar.parts:
        if value <= 0:
            continue
        height = max(2.0, HEIGHT * value / top)
        base -= height
        rects.append(
            (f"{x + width * 0.1:.2f}%", f"{base:.1f}", f"{width * 0.8:.2f}%", f"{height:.1f}", look)
        )
    drawn = format_html_join(
        "", '<rect x="{}" y="{}" width="{}" height="{}" class="fill-{}"/>', rects
    )
    return format_html("<g>{}<title>{}</title></g>", drawn, bar.title)


def area(
    values: Sequence[float],
    marks: Sequence[str],
    summary: str,
    label: Label = compact,
    *,
    top: float | None = None,
) -> SafeString:
    """A line with its area below, from left to right; what is above `top` is cut off."""
    top = nice(max(values, default=0) if top is None else top)
    last = max(1, len(values) - 1)
    points = [
        (100 * at / last, 100 - 100 * min(1.0, value / top)) for at, value in enumerate(values)
    ]
    path = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    drawn = format_html(
        '<svg y="{}" width="100%" height="{}" viewBox="0 0 100 100" preserveAspectRatio="none">'
        '<polygon class="area" points="0,100 {} 100,100"/>'
        '<polyline class="line" points="{}"/></svg>',
        TOP, HEIGHT, path, path,
    )  # fmt: skip
    return framed(
        drawn, top, [(x, mark) for (x, _), mark in zip(points, marks, strict=True)], summary, label
    )


def framed(
    drawn: SafeString, top: float, marks: Sequence[tuple[float, str]], summary: str, label: Label
) -> SafeString:
    """Grid lines with their numbers at the left, marks below."""
    levels = [0.0, top / 2, top]
    gutter = max(GUTTER, 12 + LETTER * max(len(label(each)) for each in levels))
    numbers = format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="end">{}</text>',
        ((gutter - 8, f"{height_of(each, top) + 4:.1f}", label(each)) for each in levels),
    )
    grid = format_html_join("", "{}", ((level(each, top, "grid"),) for each in levels))
    return format_html(
        '<div class="chart" role="img" aria-label="{0}">'
        '<svg class="axis" width="{1}" height="{2}" aria-hidden="true">{3}</svg>'
        '<svg class="plot" height="{2}" aria-hidden="true">{4}{5}{6}</svg></div>',
        summary, gutter, TOP + HEIGHT + FOOT, numbers, grid, drawn, marks_of(marks),
    )  # fmt: skip


def marks_of(marks: Sequence[tuple[float, str]]) -> SafeString:
    """The labels below, no more than can be read."""
    worded = [(x, mark) for x, mark in marks if mark]
    step = max(1, ceil(len(worded) / MARKS))
    return format_html_join(
        "",
        '<text x="{}%" y="{}" text-anchor="{}">{}</text>',
        (
            (
                f"{x:.2f}",
                TOP + HEIGHT + 17,
                "start" if x < 4 else "end" if x > 96 else "middle",
                mark,
            )
            for x, mark in worded[step // 2 :: step]
        ),
    )


def level(value: float, top: float, look: str) -> SafeString:
    """A line from side to side."""
    y = f"{height_of(value, top):.1f}"
    return format_html('<line x1="0" x2="100%" y1="{0}" y2="{0}" class="{1}"/>', y, look)


def height_of(value: float, top: float) -> float:
    """Where a value lies, in pixels from above."""
    return TOP + HEIGHT * (1 - min(1.0, value / top))


def whisker(least: float, low: float, high: float, most: float, here: float) -> SafeString:
    """A line from the least to the most, a box around what is usual, and a dot for one of them.

    Without words: the numbers stand beside it.
    """
    top = max(most, here) or 1.0
    line, box, dot = (f"{100 * value / top:.2f}%" for value in (least, max(least, low), here))
    return format_html(
        '<svg class="whisker" width="100%" height="20" aria-hidden="true">'
        '<line x1="{}" x2="{}" y1="10" y2="10" class="reach"/>'
        '<rect x="{}" y="5" width="{}" height="10" rx="2" class="box"/>'
        '<circle cx="{}" cy="10" r="5" class="dot"/></svg>',
        line, f"{100 * most / top:.2f}%", box,
        f"{max(0.5, 100 * (min(most, high) - max(least, low)) / top):.2f}%", dot,
    )  # fmt: skip


def nice(value: float) -> float:
    """The next round number that is not smaller; 1 for none."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in STEPS if step * power >= value * 0.999)


def round_time(seconds: float) -> float:
    """The next length of time that is not smaller, and whose half is as round."""
    return next((time for time in TIMES if time >= seconds), DAY * even(seconds / DAY))


def even(count: float) -> float:
    """The next round number for a count whose half is a count as well; 2 for none."""
    if count <= 10:
        return max(2, 2 * ceil(count / 2))
    top = nice(count)
    return top if top % 2 == 0 else nice(top + 1)


def middle(values: Sequence[float]) -> float | None:
    """The median; None of nothing."""
    return median(values) if values else None
