"""Writes the newest results into docs/performance.md and draws docs/images/performance.svg."""

from typing import Any

from benchmarks.findings import Finding, as_markdown, newest
from benchmarks.picture import draw
from tests.servers import ROOT

PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "images" / "performance.svg"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
SECTIONS = {
    "drain": "Drain",
    "perrecord": "One commit for each record",
    "publish": "Publish",
    "latency": "Latency",
    "growth": "Growth",
    "memory": "Memory",
    "pages": "Pages",
}

Kept = tuple[dict[str, Any], Finding]


class NoResults(Exception):
    """There is nothing to report yet."""


def write() -> None:
    """Replace what stands between the page's markers. Raises NoResults."""
    kept = newest()
    if not kept:
        raise NoResults("There are no results in benchmarks/results/: run `make bench` first.")
    text = PAGE.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{picture(kept)}{body(kept)}\n{END}{after}")


def picture(kept: list[Kept]) -> str:
    """Draw the drain with the most contenders; the line that shows it on the page."""
    drains = [each for each in kept if each[1].measure == "drain" and each[1].ratios]
    if not drains:
        return ""
    _, widest = max(drains, key=lambda each: (len(each[1].ratios), each[0]["date"]))
    title = "Records per second as a share of a bare loop"
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw(title, widest.title, widest.ratios))
    return f"![{title}](images/{PICTURE.name})\n\n"


def body(kept: list[Kept]) -> str:
    """A section for each measurement, in the order of SECTIONS."""
    parts = []
    for measure, heading in SECTIONS.items():
        of_this = [each for each in kept if each[1].measure == measure]
        if of_this:
            parts.append(f"### {heading}\n")
            parts += [f"{as_markdown(finding)}\n\n{origin(head)}\n" for head, finding in of_this]
    return "\n".join(parts)


def origin(head: dict[str, Any]) -> str:
    """When, of which commit, on what machine."""
    machine = head["machine"]
    return (
        f"*{head['date'][:10]}, commit {head['commit']}; {machine['cpu']}, {machine['memory']}, "
        f"{machine['system']}, Python {machine['python']}, Postgres {machine['postgres']}.*"
    )
