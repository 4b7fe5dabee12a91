"""What a run found, told at its end and kept for docs/reliability.md."""

from dataclasses import asdict
from typing import Any

from tests.chaos import logs, table
from tests.chaos.reckoning import Reckoning
from tests.chaos.soak import Soak
from tests.chaos.soup import Soup
from tests.handling.models import Effect


def tell(soup: Soup, reckoning: Reckoning) -> dict[str, Any]:
    """Print it; the figures as data. `broken` in them is empty where all is well."""
    effects_at = sorted(Effect.objects.values_list("begun_at", flat=True))
    rows = table.rows(soup.striker.history, effects_at)
    broken = all_broken(soup, reckoning)
    figures = {
        "seed": soup.plan.seed,
        "seconds": soup.plan.seconds,
        "database": soup.plan.database,
        "rows": table.as_data(rows),
        "faults": len(soup.striker.history),
        "deaths": sum(post.deaths for post in soup.crew.posts),
        "clicks": sum(person.clicks for person in soup.operators),
        "killed_in_hand": len(soup.striker.scene.killed.batches),
        "recovered_after": round(soup.recovered_after, 1),
        "broken": broken,
        **asdict(reckoning),
    }
    print(table.shown(rows, reckoning.lost, reckoning.doubled))
    print(summary(figures))
    print("\n".join(broken) or "nothing lost, nothing doubled, every counter exact")
    return figures


def all_broken(soup: Soup, reckoning: Reckoning) -> list[str]:
    """Whatever is not as it must be, a line each."""
    surprises = logs.surprises(soup.crew.logs())
    return [
        *reckoning.wrong,
        *soup.breaches,
        *(f"{person.name} ended: {person.fault!r}" for person in soup.people if person.fault),
        *(f"{times} tracebacks: {line}" for line, times in surprises.items()),
    ]


def summary(figures: dict[str, Any]) -> str:
    """In a few lines."""
    return (
        "{records} records, {runs} runs, {clicks} clicks, {faults} faults, {deaths} processes "
        "ended, {killed_in_hand} killed with records in hand\nlost {lost}, doubled {doubled}, "
        "repeated outside under the same key {repeated_outside}, crashes noted {crashes}, "
        "set aside and retried {set_aside}\n"
        "all through {recovered_after} s after the last fault"
    ).format(**figures)


def tell_gauges(soak: Soak) -> list[tuple[str, str, str]]:
    """The gauges of a soak: first third, last third."""
    figures = soak.figures()
    width = max(len(name) for name, _, _ in figures)
    print(f"\n{'':<{width}}  {'first third':>14}  {'last third':>18}")
    for name, first, last in figures:
        print(f"{name:<{width}}  {first:>14}  {last:>18}")
    return figures
