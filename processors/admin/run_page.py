"""What the page of a run shows."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Max, Min, QuerySet, Sum
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from processors import control, dead_letters
from processors.admin import asking, columns, figures, live, looks, reports, run_columns, throughput
from processors.admin.buttons import Button, buttons, to_run_once
from processors.admin.chart_table import thinned, with_numbers
from processors.admin.charts import area
from processors.admin.run_filters import parts_of
from processors.admin.stretches import stretches_of
from processors.definitions import options_changed
from processors.models import Attempt, Batch, Event, Record, Run
from processors.states import NEEDS_ATTENTION
from processors.wording import duration, number, rate_words

BATCHES = 50
FAILURES = 15
ERRORS = 8
SAMPLE = 1_000  # failed attempts that the groups of errors are made from
FAILED = ("dead", "parked")
TIMELINE = 100
STRIP = (15, 5)  # runs before and after
LIVE_MS = 2_000
CHART_SECONDS = 10  # between two drawings of what goes on
YOUNG = timedelta(seconds=20)
CARDS = ("card", "card nothing")


def facts(run: Any, request: HttpRequest, now: datetime) -> dict[str, Any]:
    """What the page renews."""
    looks.with_counters([run], request)
    says = chart_says(run, now)
    is_drawn = is_due(run, request, now, "throughput", says)
    work = throughput.stretches([run], now) if is_drawn else None
    throughput.with_rates([run], now, work)
    events = list(run_events(run)[:TIMELINE])
    failed = run.dead + run.parked
    failures = failed_attempts(run) if failed else []
    may_manage = request.user.has_perm(dead_letters.MANAGE_DEAD)
    return {
        "run": run,
        "other_options": options_changed(run.config),
        "report": reports.of_run(run, request),
        "now": now,
        "why": why(run, request),
        "is_stuck": not run.has_ended
        and (run.hands.overdue > 0 or not (run.in_hand or run.is_moving)),
        "buttons": offered(run, request),
        "may_repeat": may_repeat(run, request),
        "counters": counters(run),
        "holders": [] if run.has_ended else holders(run),
        **({} if work is None else throughput_card(run, says, work, now)),
        **errors_card(run, request, now),
        "failures": failures,
        "failed": number(failed) if failed else "",
        "is_sample": len(failures) < failed,
        "may_manage": may_manage and needs_somebody(failures),
        "to_retry": to_retry(run, failures) if may_manage else "",
        "stretches": stretches_of(run, events, opened_at(run), now),
        "events": sorted([*events, *batch_events(run)], key=lambda event: event.pk),
        "live_ms": 0 if run.has_ended else LIVE_MS,
    }


def why(run: Any, request: HttpRequest) -> str:
    """What an active run waits for; `run` has its counters."""
    if run.has_ended:
        return ""
    if not run.in_hand:  # its table may be why
        looks.backlogs([run.processor], asking.now(request))
    return looks.whys([run.processor], [run], request)[run.processor_id]


def heavy_facts(run: Run) -> dict[str, Any]:
    """What is read for a person, and once more when the run has ended: not with every poll."""
    batches = Batch.objects.filter(run=run).defer("keys", "remaining").order_by("-id")
    return {
        "workers": workers(run),
        "batches": batches[:BATCHES],
        "batch_cap": BATCHES,
        "neighbours": neighbours(run),
        "config": columns.as_json(run.config),
        "figures": figures.beside_others(run),
        "figures_of": run,
    }


def offered(run: Run, request: HttpRequest) -> list[Button]:
    """The buttons act on the processor: those of its active run; else another one, if it can."""
    if not run.has_ended:
        return buttons(run.processor, run, request)
    return to_run_once(run.processor, Run.objects.active_of(run.processor_id), request)


def may_repeat(run: Run, request: HttpRequest) -> bool:
    """Whether to offer its other options for another run: “Run once” has the definition's."""
    rights = (control.OPERATE, control.CHANGE)
    return run.has_ended and run.has_other_options and request.user.has_perms(rights)


def counters(run: Run) -> list[tuple[str, str, str]]:
    """Label, number and colour of each counter; those that say nothing are left out."""
    always = (
        (_("Succeeded"), run.done, ""),
        (_("Failed"), run.dead + run.parked, "bad-text"),
    )
    sometimes = (
        (_("Skipped"), run.skipped, ""),
        (_("To be retried"), run.retried, "warn-text"),
        (_("Worker lost"), run.crashed, "bad-text"),
        (_("Given back"), run.released, ""),
    )
    shown = [*always, *(each for each in sometimes if each[1])]
    return [(label, number(count), look if count else "") for label, count, look in shown]


def holders(run: Run) -> list[dict[str, Any]]:
    """Which workers have records in hand, and when each was last heard of."""
    lease = timedelta(seconds=settings.LEASE_SECONDS)
    rows = Batch.objects.leased().filter(run=run).order_by("slot")
    return [
        {"owner": owner, "heard": until - lease}
        for owner, until in rows.values_list("owner", "lease_until")
    ]


def chart_says(run: Run, now: datetime) -> str:
    """What the chart stays the same for: so many batches are not read for each poll."""
    stays = 1 if is_young(run, now) else CHART_SECONDS
    return "" if run.has_ended else str(now.timestamp() // stays)


def throughput_card(run: Run, says: str, work: throughput.Work, now: datetime) -> dict[str, Any]:
    """The chart."""
    done = work.get(run.pk, [])
    return {
        "throughput_due": True,
        "throughput_says": says,
        "throughput": throughput_chart(run, done, now),
        "is_cut": len(done) >= throughput.CAP,
    }


def errors_card(run: Run, request: HttpRequest, now: datetime) -> dict[str, Any]:
    """The kinds of error, which are the same while as many records have failed."""
    says = live.state_of(run.dead, run.parked, run.retried, run.crashed)
    if not is_due(run, request, now, "groups", says):
        return {}
    groups, is_sample = error_groups(run)
    sample = number(SAMPLE) if is_sample else ""
    return {"groups_due": True, "groups_say": says, "groups": groups, "groups_sample": sample}


def is_due(run: Run, request: HttpRequest, now: datetime, key: str, says: str) -> bool:
    """Whether a card, filled or empty, is not on the page as it is and to be drawn now.

    Those of a young run do not wait for one another, and none does when the run has ended: no
    other poll comes.
    """
    if any(live.is_shown(request, key, says, class_=look) for look in CARDS):
        return False
    return run.has_ended or is_young(run, now) or live.has_turn(request, key)


def is_young(run: Run, now: datetime) -> bool:
    """Whether it has few batches yet, and is watched by who began it."""
    return now - run.started_at <= YOUNG


def throughput_chart(run: Run, work: list[throughput.Stretch], now: datetime) -> SafeString | str:
    """Records a second over the run."""
    series = throughput.series(work, run.ended_at or now)
    if series is None or not any(series.rates):
        return ""
    summary = _("Records per second; at most %(most)s, in the middle %(middle)s.") % {
        "most": rate_words(max(series.rates)),
        "middle": rate_words(sorted(series.rates)[len(series.rates) // 2]),
    }
    first = (series.start - run.started_at).total_seconds()
    marks = [
        duration(round(first + at * series.step_seconds, 1)) for at in range(len(series.rates))
    ]
    told = list(zip(marks, map(rate_words, series.rates), strict=True))
    return with_numbers(
        area(series.rates, marks, summary, top=series.ceiling),
        _("Throughput in numbers"),
        [_("After"), _("Records per second")],
        thinned(told),
    )


def error_groups(run: Run) -> tuple[list[dict[str, Any]], bool]:
    """The kinds of error among its newest SAMPLE failed attempts; whether it has more of them."""
    newest = Attempt.objects.filter(run=run).failures().order_by("-id")
    ids = list(newest.values_list("pk", flat=True)[: SAMPLE + 1])
    rows = Attempt.objects.filter(pk__in=ids[:SAMPLE]).order_by()
    groups = rows.values("fingerprint", "error_type").annotate(
        count=Count("id"), message=Max("message")
    )
    return list(groups.order_by("-count")[:ERRORS]), len(ids) > SAMPLE


def failed_attempts(run: Run) -> list[Attempt]:
    """The newest failures that a person has to look at, with their records."""
    rows = Attempt.objects.filter(run=run, outcome__in=FAILED).select_related("record")
    heavy = ("traceback", "log", "record__payload", "record__result")
    return list(rows.defer(*heavy).order_by("-id")[:FAILURES])


def needs_somebody(failures: list[Attempt]) -> bool:
    """Whether one of them is not retried, discarded or settled yet."""
    return any(one.record.state in NEEDS_ATTENTION for one in failures)


def to_retry(run: Run, failures: list[Attempt]) -> str:
    """How many of its failed records still need somebody; empty for none.

    They are counted once it has ended, among its newest SAMPLE failed attempts; `failures` are the
    newest of these.
    """
    failed = run.dead + run.parked
    if not failures or not run.has_ended:
        return number(failed) if needs_somebody(failures) else ""
    newest = Attempt.objects.filter(run=run, outcome__in=FAILED).order_by("-id")
    rows = Record.objects.needing_attention().filter(pk__in=newest.values("record")[:SAMPLE])
    count = rows.count()
    return number(count) + ("+" if failed > SAMPLE else "") if count else ""


def run_events(run: Run) -> QuerySet[Event]:
    """Who moved the run itself."""
    return Event.objects.filter(run=run).order_by("id")


def batch_events(run: Any) -> list[Event]:
    """What befell its batches; only those that were taken back have a line."""
    if not run.has_ended and not run.taken:
        return []
    taken = Batch.objects.filter(looks.TAKEN, run=run)
    ids = list(taken.order_by("-id").values_list("pk", flat=True)[:TIMELINE])
    return list(Event.objects.filter(batch__in=ids)) if ids else []


def opened_at(run: Any) -> datetime | None:
    """When a worker first took records; of an active run its counters tell."""
    if not run.has_ended:
        return run.opened_at  # type: ignore[no-any-return]
    found: datetime | None = Batch.objects.filter(run=run).aggregate(at=Min("opened_at"))["at"]
    return found


def workers(run: Run) -> list[dict[str, Any]]:
    """What each worker did in this run."""
    rows = Batch.objects.filter(run=run).order_by().values("owner")
    failed = Sum(F("dead") + F("parked"))
    found = rows.annotate(
        batches=Count("id"), records=Sum("claimed"), failed=failed, lost=Sum("crashed"),
        first=Min("opened_at"), last=Max("closed_at"),
    )  # fmt: skip
    named = found.order_by("owner")[:100]
    return [one | {"name": parts_of(one["owner"])[2]} for one in named]


def neighbours(run: Run) -> dict[str, Any]:
    """The runs before and after this one."""
    before, after = STRIP
    rows = Run.objects.filter(
        processor=run.processor_id, seq__range=(run.seq - before, run.seq + after)
    )
    found = list(rows.defer("config", "reason").order_by("seq"))
    at = next((at for at, one in enumerate(found) if one.pk == run.pk), 0)
    return {
        "strip": run_columns.strip(found, this=run.pk),
        "previous": found[at - 1] if at else None,
        "next": found[at + 1] if at + 1 < len(found) else None,
    }
