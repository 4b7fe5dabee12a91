"""The numbers of a chart as a table, for who cannot see it or wants to copy them."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

Row = TypeVar("Row")
MOST = 24  # rows of a line's table: every so many of its points


def with_numbers(
    chart: SafeString, what: str, heads: Sequence[str], rows: Iterable[Sequence[object]]
) -> SafeString:
    """The chart, and below it what it shows, to be opened; the first cell of a row names it.

    `what` is what screen readers call the table.
    """
    body = format_html_join("", "<tr>{}</tr>", ((cells(row),) for row in rows))
    if not body:
        return chart
    first, *others = heads
    rest = format_html_join("", '<th scope="col" class="num">{}</th>', ((one,) for one in others))
    head = format_html('<th scope="col">{}</th>{}', first, rest)
    return format_html(
        '{}<details class="numbers"><summary>{}</summary>'
        '<div class="scroll" tabindex="0" role="region" aria-label="{}">'
        "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div></details>",
        chart, _("As a table"), what, head, body,
    )  # fmt: skip


def cells(row: Sequence[object]) -> SafeString:
    """One row."""
    rest = format_html_join("", '<td class="num">{}</td>', ((one,) for one in row[1:]))
    return format_html('<th scope="row">{}</th>{}', row[0], rest)


def thinned(rows: Sequence[Row]) -> Sequence[Row]:
    """At most MOST of them, evenly chosen, the last among them."""
    step = -(-len(rows) // MOST) or 1
    return rows[::-step][::-1]
