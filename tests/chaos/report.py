"""Writes the newest figures into docs/reliability.md."""

from collections.abc import Callable, Iterable
from itertools import groupby
from statistics import median
from typing import Any

from tests.chaos import results
from tests.servers import ROOT

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
FAILPOINT = "failpoint"
WAYS = (
    "kill -9 between two steps",
    "an error between two steps",
    "all threads stand still for three leases",
)
DATABASES = ("postgres", "sqlite")
HEADS = {
    "matrix": ["", "fault", "times", "records", "lost", "doubled", "seconds", "test"],
    "failpoint": [
        *("failpoint", "times", "records", "lost", "doubled"),
        *("seconds after a death", "an error", "a sleep"),
    ],
    "soup": ["", "fault", "times", "records", "lost", "doubled", "seconds", "longest"],
    "soak": ["", "first third", "last third"],
}


def write() -> None:
    """Replace what stands between the page's markers."""
    text = PAGE.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{body()}\n{END}{after}")


def body() -> str:
    """A section for every kind of results that was kept."""
    parts = []
    for database in DATABASES:
        if kept := results.newest(f"matrix-{database}"):
            parts += [matrix(database, kept["figures"]), origin(kept), ""]
    for database in DATABASES:
        if seeds := results.every(f"soup-{database}"):
            parts += [soup(database, [kept["figures"] for kept in seeds]), origin(seeds[-1]), ""]
    if kept := results.newest("outage-postgres"):
        parts += [outage(kept["figures"]), origin(kept), ""]
    for database in DATABASES:
        if kept := results.newest(f"soak-{database}"):
            parts += [soak(database, kept["figures"]), origin(kept), ""]
    return "\n".join(parts)


def matrix(database: str, lines: list[dict[str, Any]]) -> str:
    """Faults tried one by one, and every action at every failpoint."""
    single = [line for line in lines if line["fault"] != FAILPOINT]
    places = [line for line in lines if line["fault"] == FAILPOINT]
    command = f"`python -m tests.chaos matrix --database {database}`"
    return "\n".join(
        [
            f"### One by one, {database} ({command})\n",
            *as_table(HEADS["matrix"], grouped(single, by_number, one_fault)),
            f"\n### Every action at every failpoint, {database} (the same command)\n",
            *as_table(HEADS["failpoint"], grouped(places, by_place, one_place)),
        ]
    )


def by_number(line: dict[str, Any]) -> tuple[int, str, str]:
    return int(line["fault"][1:]), line["what"], line.get("test", "")


def by_place(line: dict[str, Any]) -> str:
    return str(line["what"].partition(":")[0])


def grouped(
    lines: list[dict[str, Any]], key: Callable[..., Any], row: Callable[..., list[Any]]
) -> list[list[Any]]:
    """A row for every kind."""
    return [row(list(group)) for _, group in groupby(sorted(lines, key=key), key)]


def one_fault(group: list[dict[str, Any]]) -> list[Any]:
    """One kind of fault: `seconds` is the median."""
    first = group[0]
    test = first["test"].partition("::")[2]
    return [first["fault"], first["what"], *sums(group), waited(group), f"`{test}`"]


def one_place(group: list[dict[str, Any]]) -> list[Any]:
    """A failpoint, with the seconds by what happened there."""
    ways = [waited([line for line in group if line["what"].endswith(f": {way}")]) for way in WAYS]
    return [f"`{by_place(group[0])}`", *sums(group), *ways]


def sums(group: list[dict[str, Any]]) -> list[int]:
    """Times tried, records at stake, lost, doubled."""
    return [
        len(group),
        *(sum(line[name] for line in group) for name in ("records", "lost", "doubled")),
    ]


def waited(group: list[dict[str, Any]]) -> str:
    """The median of the seconds."""
    waits = [line["seconds"] for line in group if line["seconds"] is not None]
    return f"{median(waits):.1f}" if waits else "-"


def soup(database: str, seeds: list[dict[str, Any]]) -> str:
    """Everything at once: a paragraph for each seed, a table for all of them."""
    lines = [line for figures in seeds for line in figures["rows"]]
    lost, doubled = (sum(figures[name] for figures in seeds) for name in ("lost", "doubled"))
    rows = grouped(lines, by_number, lambda group: one_of_soup(group, lost, doubled))
    told = [heading("soup", database, figures) for figures in seeds]
    table = as_table(HEADS["soup"], rows)
    return "\n".join([f"### All at once, soup, {database}\n", *told, *table])


def one_of_soup(group: list[dict[str, Any]], lost: int, doubled: int) -> list[Any]:
    """One kind of fault in all the seeds: the median of their medians, the longest of all."""
    first = group[0]
    times, records = (sum(line[name] for line in group) for name in ("times", "records"))
    medians = [line["median_seconds"] for line in group if line["median_seconds"] is not None]
    longest = [line["longest_seconds"] for line in group if line["longest_seconds"] is not None]
    seconds = [round(median(medians), 2) if medians else None, max(longest, default=None)]
    return [first["fault"], first["what"], times, records, lost, doubled, *seconds]


def outage(figures: dict[str, Any]) -> str:
    """The database away for long."""
    told = (
        "`python -m tests.chaos outage --seconds {seconds:g}`: with {records} records waiting, "
        "Postgres is shut down under three workers and two schedulers. {pages} pages were asked "
        "for meanwhile: each was answered with 503, the slowest after {longest_page_ms} ms. All "
        "processes together took {cpu_percent} % of one core and wrote {lines_a_minute} lines a "
        "minute (with a lease of 4 s). {recovered_after} s after its start everything was through; "
        "lost {lost}, doubled {doubled}, attempts burnt {blamed}."
    )
    minutes = figures["seconds"] / 60
    return f"### F33: Postgres away for {minutes:g} minutes\n\n{told.format(**figures)}"


def soak(database: str, figures: dict[str, Any]) -> str:
    """The gauges; the faults are those of the soup."""
    told = heading("soak", database, figures)
    table = as_table(HEADS["soak"], figures["gauges"])
    return "\n".join([f"### All at once, soak, {database}\n", told, *table])


def heading(kind: str, database: str, figures: dict[str, Any]) -> str:
    """What was run, and its sums."""
    sums = (
        "`python -m tests.chaos {kind} --database {database} --seconds {seconds:g} --seed {seed}`: "
        "{records} records, {runs} runs, {clicks} clicks of operators, {faults} faults, {deaths} "
        "processes ended, {killed_in_hand} of them killed with records in hand, as their history "
        "says; lost {lost}, doubled {doubled}; {repeated_outside} calls outside were "
        "repeated under the same key; {set_aside} innocent records were killed three times and "
        "retried by a person; all was through {recovered_after} s after the last fault."
    )
    return f"{sums.format(**figures, kind=kind)}\n"


def as_table(head: list[str], rows: Iterable[list[Any]]) -> list[str]:
    """Markdown."""
    lines = [in_line(head), in_line(["---"] * len(head))]
    return [*lines, *(in_line(["-" if cell is None else cell for cell in row]) for row in rows)]


def in_line(cells: Iterable[Any]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def origin(kept: dict[str, Any]) -> str:
    """When, of which commit, on what machine."""
    machine = kept["machine"]
    return (
        f"\n*{kept['date'][:10]}, commit {kept['commit']}; {machine['cpu']}, {machine['memory']}, "
        f"Python {machine['python']}, Postgres {machine['postgres']}.*"
    )
