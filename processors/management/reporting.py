"""What `processor list`, `show` and `run` tell: the shapes of their JSON, and the same as text."""

from datetime import UTC, datetime
from math import isinf
from typing import Any

from processors import backlog, explain
from processors.circumstances import Known
from processors.management.terminal import in_columns
from processors.models import Batch, Processor, Record, Run
from processors.outlook import outlook
from processors.protocol.set_times import next_start
from processors.sources.modes import in_words
from processors.states import COUNTERS
from processors.wording import rate_words, roughly

RUNS_SHOWN = 100
BACKLOG_CAP = 1_000_000  # beyond this it is not counted


def overview(processor: Processor, now: datetime) -> dict[str, Any]:
    """Where a processor stands: slug, state, why, backlog, current_run, next_run_at.

    `why` is a sentence or null, `backlog` a number or null where its source cannot be asked.
    """
    found = backlog.count(processor, BACKLOG_CAP)
    run = Run.objects.active_of(processor.pk)
    start = None if run else next_start(processor, found.records)
    known = Known(troubles={processor.pk: found.trouble}, starts={processor.pk: start})
    return {
        "slug": processor.slug,
        "state": str(processor.state),
        "why": explain.why(processor, now, known),
        "backlog": found.records,
        "current_run": run_report(run) if run else None,
        "next_run_at": stamp(start),
    }


def report(processor: Processor, now: datetime, runs: int = RUNS_SHOWN) -> dict[str, Any]:
    """The overview, how its source is read, and its last runs, newest first.

    `untold`: how many outcomes a table in another database has not heard yet. `forecast`: see
    `forecast`.
    """
    found = overview(processor, now)
    newest = Run.objects.filter(processor=processor).order_by("-seq")[:runs]
    return {
        **found,
        "forecast": forecast(processor, found["backlog"], now),
        "source": in_words(processor.source),
        "untold": Record.objects.filter(processor=processor).untold().count_to(BACKLOG_CAP),
        "runs": [run_report(run) for run in newest],
    }


def forecast(processor: Processor, waiting: int | None, now: datetime) -> dict[str, Any]:
    """Records a second that arrive, and that as many workers handle as may work at once.

    Null where it is not known; `seconds_to_empty` also where more arrives than is handled, and
    where limits by a key hold records back: it is then empty `not_before` a time.
    """
    seen = outlook(processor, waiting, BACKLOG_CAP, now)
    seconds = seen.seconds_to_empty(processor.parallelism)
    is_told = not seen.is_capped and seen.not_before is None
    return {
        "arriving_per_second": rounded(seen.paces.arriving),
        "handling_per_second": rounded(seen.paces.handling(processor.parallelism)),
        "seconds_to_empty": rounded(seconds if is_told else None),
        "not_before": stamp(seen.earliest_end(processor.parallelism, now)),
    }


def rounded(value: float | None) -> float | None:
    """To a thousandth; what has no end is null."""
    return None if value is None or isinf(value) else round(value, 3)


def run_report(run: Run) -> dict[str, Any]:
    """A run with its counters; those of an active one are the sums over its batches now."""
    counters = (
        {name: getattr(run, name) for name in COUNTERS}
        if run.has_ended
        else Batch.objects.filter(run=run).counters()
    )
    return {
        "id": run.pk,
        "seq": run.seq,
        "state": str(run.state),
        "trigger": str(run.trigger),
        "started_at": stamp(run.started_at),
        "ended_at": stamp(run.ended_at),
        **counters,
    }


def stamp(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


# The same for people


def overview_lines(found: dict[str, Any]) -> list[str]:
    """An overview, a fact to a line."""
    run = found["current_run"]
    facts = [
        ["State", found["state"]],
        ["Why", found["why"] or "all is well"],
        ["Backlog", shown_backlog(found["backlog"])],
        ["Current run", f"{run['seq']} ({run['state']})" if run else "none"],
        ["Next run", found["next_run_at"] or "none is due"],
    ]
    if "forecast" in found:
        facts.append(["Forecast", forecast_words(found["forecast"])])
    if "source" in found:
        facts.append(["Source", found["source"]])
    if found.get("untold"):
        facts.append(["Untold", f"{found['untold']} outcomes that its table has not heard yet"])
    return [found["slug"], *in_columns([[f"  {name}", value] for name, value in facts])]


def forecast_words(found: dict[str, Any]) -> str:
    """Paces and the end, as far as they are known."""
    arriving, handling = found["arriving_per_second"], found["handling_per_second"]
    if arriving is None or handling is None:
        return "not known: too little was handled in the last 24 h"
    seconds = found["seconds_to_empty"]
    end = f"empty in about {roughly(seconds)} of work" if seconds else "empty now"
    if seconds is None:
        end = "no end to be seen"
    if found["not_before"]:
        end = f"empty not before {found['not_before']}, for limits by a key hold records back"
    return f"{rate_words(arriving)} arrive, {rate_words(handling)} are handled: {end}"


def overview_table(found: list[dict[str, Any]]) -> list[str]:
    """Overviews, a processor to a line."""
    head = ["SLUG", "STATE", "BACKLOG", "RUN", "NEXT RUN", "WHY"]
    rows = [
        [
            each["slug"],
            each["state"],
            shown_backlog(each["backlog"]),
            str(each["current_run"]["seq"]) if each["current_run"] else "-",
            each["next_run_at"] or "-",
            each["why"] or "-",
        ]
        for each in found
    ]
    return in_columns([head, *rows])


def run_table(found: list[dict[str, Any]]) -> list[str]:
    """Runs, one to a line."""
    columns = ("seq", "state", "trigger", "started_at", "ended_at", *COUNTERS)
    rows = [["-" if run[name] is None else str(run[name]) for name in columns] for run in found]
    return in_columns([[name.upper() for name in columns], *rows])


def run_line(found: dict[str, Any]) -> str:
    """One run in a sentence: `Run 3 finished: 50 claimed, 48 done, 2 dead.`"""
    counts = [f"{found[name]} {name}" for name in COUNTERS if found[name] or name == "claimed"]
    return f"Run {found['seq']} {found['state']}: {', '.join(counts)}."


def shown_backlog(number: int | None) -> str:
    """A number, or why there is none."""
    if number is None:
        return "unknown"
    return f"{BACKLOG_CAP} or more" if number >= BACKLOG_CAP else str(number)
