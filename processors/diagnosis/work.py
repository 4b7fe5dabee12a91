"""Work: somebody ticks, somebody listens, and every processor could do what it is asked."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from processors.diagnosis.finding import Finding, error, warning
from processors.diagnosis.tables import Tables
from processors.handlers import registry
from processors.models import Batch, Processor, Run
from processors.protocol import twins
from processors.queues import forget_runs, queue_states, runs_waiting
from processors.sources.dialect import TROUBLE, can_pass, first_line
from processors.sources.inspection import inspect_source

SILENT_SECONDS = 60
OVERDUE_SECONDS = 120


MEND_TROUBLE = gettext_lazy("Look again when its database has room, answers, and is not busy.")
# For any other trouble with a table.
MEND_SOURCE = gettext_lazy("Mend the table, or correct the source in the processor's settings.")


def named(processor: Processor) -> str:
    """Where a finding about it is."""
    return _("processor '%(slug)s'") % {"slug": processor.slug}


def home(tables: Tables) -> Iterator[Finding]:
    """Is this database the one in which the installation was made?"""
    if tables.installation and twins.is_barred(tables.installation.home):
        what, _use, mend = str(twins.SENTENCE).partition(" Use ")
        yield error(_("database 'default'"), what, _("Use %(mend)s") % {"mend": mend})


def scheduler(tables: Tables) -> Iterator[Finding]:
    """Does a scheduler tick? Idle workers do as well, so this alone stops nothing."""
    if tables.installation is None:
        yield error(
            _("database 'default'"), _("The installation's row is gone."), _("Restore a backup.")
        )
        return
    seen_at = tables.installation.scheduler_seen_at
    if seen_at is None or tables.now - seen_at > timedelta(seconds=SILENT_SECONDS):
        since = f"since {seen_at:%Y-%m-%d %H:%M:%S} UTC" if seen_at else "yet"
        yield error(
            _("scheduler"),
            _("None has been seen %(since)s: cycles begin only when a worker is idle.")
            % {"since": since},
            _("Start `manage.py rqscheduler`."),
        )


def workers(tables: Tables) -> Iterator[Finding]:
    """Does somebody listen to every queue that is used?"""
    used: dict[str, list[str]] = {}
    for processor in tables.started:
        used.setdefault(processor.queue, []).append(processor.slug)
    for queue_state in queue_states(sorted(used)) if used else []:
        if queue_state.workers == 0:
            yield error(
                _("queue '%(name)s'") % {"name": queue_state.name},
                _("No worker listens, but %(names)s would have its records handled there.")
                % {"names": ", ".join(used[queue_state.name])},
                _("Start `manage.py rqworker %(name)s`.") % {"name": queue_state.name},
            )


def spent_wake_ups(_tables: Tables) -> Iterator[Finding]:
    """Do wake-ups of ended runs lie where nobody comes to drop them?"""
    for state in queue_states():
        if state.workers != 0 or not state.waiting:
            continue
        waiting = runs_waiting(state.name)
        active = Run.objects.active().filter(pk__in=waiting).values_list("pk", flat=True)
        ended = set(waiting) - set(active)
        if ended:
            count = sum(waiting[run_id] for run_id in ended)
            yield warning(
                _("queue '%(name)s'") % {"name": state.name},
                ngettext(
                    "%(count)s wake-up of a run that has ended waits here, and no record.",
                    "%(count)s wake-ups of runs that have ended wait here, and no record.",
                    count,
                )
                % {"count": count},
                _("Harmless, but no worker comes for them; `manage.py doctor --fix` removes them."),
                partial(forget_runs, state.name, ended),
            )


def all_at_rest(tables: Tables) -> Iterator[Finding]:
    """Did somebody pause everything?"""
    if found := tables.pause:
        yield warning(
            "every processor",
            found.sentence(tables.now),
            _("Resume all in the admin, or `manage.py processor resume --all`."),
        )


def overdue(tables: Tables) -> Iterator[Finding]:
    """Does what is due begin?"""
    if tables.pause:
        return
    before = tables.now - timedelta(seconds=OVERDUE_SECONDS)
    for processor in Processor.objects.due(before).order_by("slug"):
        yield error(
            named(processor),
            _("Its next run was due at %(next_due_at)s UTC and has not begun: nobody ticks.")
            % {"next_due_at": f"{processor.next_due_at:%Y-%m-%d %H:%M:%S}"},
            _("Start `manage.py rqscheduler` or a worker, and read its log."),
        )


def stale_batches(tables: Tables) -> Iterator[Finding]:
    """Are batches of lost workers taken back?"""
    before = tables.now - timedelta(seconds=2 * settings.LEASE_SECONDS)
    for batch in Batch.objects.expired(before).select_related("run__processor").order_by("pk"):
        yield error(
            _("batch %(pk)s of %(slug)s") % {"pk": batch.pk, "slug": batch.run.processor.slug},
            _(
                "Its worker %(owner)s has been silent since %(lease_until)s UTC and nobody "
                "took it back."
            )
            % {"owner": batch.owner, "lease_until": f"{batch.lease_until:%Y-%m-%d %H:%M:%S}"},
            _("Start `manage.py rqscheduler` or a worker: each takes back what lost workers held."),
        )


def faults(tables: Tables) -> Iterator[Finding]:
    """Which processors did the machine stop?"""
    for processor in tables.processors:
        if not processor.is_faulted:
            continue
        yield error(
            named(processor),
            _("It was stopped by a fault: %(fault_reason)s")
            % {"fault_reason": processor.fault_reason},
            _(
                "Mend that, then `manage.py processor start %(slug)s`, which clears it, or "
                "`manage.py processor clear-fault %(slug)s`."
            )
            % {"slug": processor.slug},
        )


def handlers(tables: Tables) -> Iterator[Finding]:
    """Is every processor's handler, and that of every run that goes on, installed here?

    An app that is broken here is told once, with the set-up.
    """
    wanted = {(processor.slug, processor.handler): processor for processor in tables.processors}
    for run in Run.objects.active().select_related("processor"):
        wanted[run.processor.slug, run.config["handler"]] = run.processor
    for (_slug, name), processor in sorted(wanted.items()):
        if registry.find(name) is None and not registry.is_in_broken_app(name):
            level = error if processor.is_started else warning
            yield level(
                named(processor),
                _("Its handler '%(name)s' is not installed here.") % {"name": name},
                _(
                    "Name its app in HANDLER_APPS on every machine, and restart web, workers and "
                    "scheduler that began before it was there; or choose another handler."
                ),
            )


def sources(tables: Tables) -> Iterator[Finding]:
    """Can every table still be used as it was defined? Tries a claim that is rolled back."""
    for processor in tables.with_tables:
        level = error if processor.is_started else warning
        try:
            with transaction.atomic():
                found = inspect_source(processor.source)
        except TROUBLE as trouble:
            where, said = f"{named(processor)}, source", first_line(trouble)
            if can_pass(trouble):
                yield warning(where, said, str(MEND_TROUBLE))
            else:
                yield level(where, said, str(MEND_SOURCE))
            continue
        for path, sentences in found.problems.items():
            where = f"{named(processor)}, source.{path}".removesuffix(".")
            yield from (level(where, sentence, str(MEND_SOURCE)) for sentence in sentences)
        yield from slow_claims(processor, found.warnings)


def slow_claims(processor: Processor, warnings: Iterable[str]) -> Iterator[Finding]:
    """What inspection warns of: a large table without an index on its status."""
    for sentence in warnings:
        what, _, statement = sentence.partition("; add: ")
        if statement:
            yield warning(named(processor), f"{what}.", f"Add: {statement}")


def unsynced(tables: Tables) -> Iterator[Finding]:
    """Have tables in other databases heard of their records' outcomes?"""
    before = tables.now - timedelta(seconds=2 * settings.LEASE_SECONDS)
    for processor in tables.with_tables:
        late = processor.records.filter(synced=False, settled_at__lt=before).count_to(1000)
        if late:
            database = processor.source.get("database")
            yield warning(
                named(processor),
                _("Its table in '%(database)s' has not heard the outcome of %(late)s records.")
                % {"database": database, "late": late},
                _("Let '%(database)s' be reachable and writable: one of the next ticks tells it.")
                % {"database": database},
            )
