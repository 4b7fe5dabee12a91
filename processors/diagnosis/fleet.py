"""The processes: whose they are, what code they run, and what they can do."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from django.conf import settings
from django.utils.translation import gettext as _

from processors.diagnosis.finding import Finding, error, warning
from processors.diagnosis.tables import Tables
from processors.handlers import registry
from processors.handlers.options import reference
from processors.models import Processor
from processors.queues import commands
from processors.queues.inspection import foreign_schedulers, redis_facts
from processors.queues.roll_call import mark_of
from processors.queues.worker_facts import WorkerFacts, look_at_workers

SKEW_SECONDS = 5.0


def seen() -> list[WorkerFacts] | None:
    """Every worker that Redis lists; None where it does not answer."""
    return None if redis_facts().error else look_at_workers()


def ours() -> list[WorkerFacts]:
    """Live workers that told what they are."""
    return [each for each in seen() or () if each.is_known and each.handlers is not None]


def where(worker: WorkerFacts) -> str:
    """Where a finding about it is."""
    return _("worker %(name)s (%(host)s, process %(pid)s)") % {
        "name": worker.name[:8],
        "host": worker.host,
        "pid": worker.pid,
    }


def strangers() -> Iterator[Finding]:
    """Stock workers and schedulers on our queues: RQ's own run whatever is in a job."""
    for worker in seen() or ():
        shared = sorted(set(worker.queues) & set(settings.QUEUES))
        if worker.is_known and worker.handlers is None and shared:
            yield error(
                where(worker),
                _(
                    "It is not one of Recordmill's, but takes jobs of %(names)s: it runs "
                    "whatever a job names, and takes back nothing when it dies."
                )
                % {"names": ", ".join(shared)},
                _("End it, and start `manage.py rqworker` with the settings as delivered."),
            )
    for name in foreign_schedulers() if seen() is not None else ():
        yield error(
            f"scheduler {name[:8]}",
            _(
                "It is rq-scheduler's own process: it does not tick, and whoever can write "
                "to Redis can end it."
            ),
            _("End it, and start `manage.py rqscheduler`."),
        )


def stale_names() -> Iterator[Finding]:
    """Names of workers that ended without a word: counted as listening by whoever asks RQ."""
    for worker in seen() or ():
        if not worker.is_known:
            yield warning(
                _("worker %(name)s") % {"name": worker.name[:8]},
                _("Redis lists it, but it ended without a word."),
                _("Harmless; `manage.py doctor --fix` takes its name away."),
                partial(forget, worker.name),
            )


def forget(name: str) -> None:
    """Take a stale name away, unless its worker was heard of meanwhile."""
    with suppress(commands.NotThere):
        commands.forget(name)


def handlers(tables: Tables) -> Iterator[Finding]:
    """Is every started processor's handler known to a worker on its queue?

    Of an app that is broken here too, that is told with the set-up.
    """
    for processor in tables.started:
        if registry.is_in_broken_app(processor.handler):
            continue
        there = [worker for worker in ours() if processor.queue in worker.queues]
        if there and not any(processor.handler in (each.handlers or ()) for each in there):
            yield error(
                _("processor '%(slug)s'") % {"slug": processor.slug},
                _("No worker on queue '%(queue)s' has its handler '%(handler)s'.")
                % {"queue": processor.queue, "handler": processor.handler},
                _("Name its app in the workers' HANDLER_APPS, and restart them."),
            )


def variables(tables: Tables) -> Iterator[Finding]:
    """Has every worker what the options of the processors on its queues name?"""
    for processor in tables.processors:
        named = {option: reference(value) for option, value in processor.options.items()}
        for option, variable in named.items():
            if variable is not None:
                yield from lacking(processor, option, variable)


def lacking(processor: Processor, option: str, variable: str) -> Iterator[Finding]:
    """The workers on a processor's queue that have not what an option names."""
    level = error if processor.is_started else warning
    for worker in ours():
        if processor.queue in worker.queues and lacks(worker, variable):
            yield level(
                _("processor '%(slug)s'") % {"slug": processor.slug},
                _("%(variable)s, which its option '%(option)s' names, is not set on %(worker)s.")
                % {"variable": variable, "option": option, "worker": where(worker)},
                _("Set it in the environment of the workers there, and restart them."),
            )


def lacks(worker: WorkerFacts, variable: str) -> bool:
    """Whether a worker told what it has, and this is not among it."""
    return worker.variables is not None and mark_of(variable) not in worker.variables


def versions() -> Iterator[Finding]:
    """Do all workers run the same code and time zones?"""
    told: tuple[tuple[str, Callable[[WorkerFacts], str], str], ...] = (
        ("code", lambda worker: worker.code, _("Restart those that were not restarted.")),
        ("time zones", lambda worker: worker.zones, _("Install the same tzdata on every host.")),
    )
    for what, version_of, mend in told:
        hosts: dict[str, set[str]] = defaultdict(set)
        for worker in ours():
            hosts[version_of(worker)].add(worker.host)
        if len(hosts) > 1:
            groups = "; ".join(
                f"{name}: {', '.join(sorted(hosts[name]))}" for name in sorted(hosts)
            )
            yield warning(
                _("workers"),
                _("They do not have the same %(what)s (%(groups)s).")
                % {"what": what, "groups": groups},
                mend,
            )


def clocks() -> Iterator[Finding]:
    """Are the workers' clocks those of Redis, as far as they noted it when they began?"""
    for worker in ours():
        if abs(worker.clock_ahead_seconds) > SKEW_SECONDS:
            which = "ahead of" if worker.clock_ahead_seconds > 0 else "behind"
            yield error(
                where(worker),
                _("Its clock was %(seconds)s s %(which)s that of Redis.")
                % {"seconds": f"{abs(worker.clock_ahead_seconds):.0f}", "which": which},
                _("Let all machines follow the same time server."),
            )
