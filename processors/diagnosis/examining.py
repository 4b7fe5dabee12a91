"""The examination, from the ground up."""

from collections.abc import Callable, Iterable

from processors.diagnosis import databases, fleet, redis, setup, work
from processors.diagnosis.finding import Finding
from processors.diagnosis.tables import Tables

GROUND: tuple[Callable[[], Iterable[Finding]], ...] = (
    setup.debug,
    setup.secret_key,
    setup.lease,
    setup.handlers,
    redis.server,
    redis.clock,
    redis.classes,
    redis.foreign,
    fleet.strangers,
    fleet.stale_names,
    fleet.versions,
    fleet.clocks,
)
ON_DATABASE: tuple[Callable[[], Iterable[Finding]], ...] = (
    databases.settings_of_sqlite,
    databases.settings_of_postgres,
    databases.disk_of_sqlite,
    databases.room_of_sqlite,
    databases.long_transactions,
    databases.prepared_transactions,
    databases.replication_slots,
    databases.clock,
)
ON_TABLES: tuple[Callable[[Tables], Iterable[Finding]], ...] = (
    work.home,
    work.scheduler,
    work.workers,
    work.spent_wake_ups,
    work.all_at_rest,
    work.overdue,
    work.stale_batches,
    work.faults,
    work.handlers,
    fleet.handlers,
    fleet.variables,
    work.sources,
    work.unsynced,
)


def examine() -> list[Finding]:
    """Everything that is wrong, as far as it can be asked; empty where all is well."""
    found = list(databases.reachable())
    if not found:
        found += collect(ON_DATABASE)
        lacking = list(databases.migrations())
        found += lacking or on_tables()
    return found + collect(GROUND)


def on_tables() -> list[Finding]:
    """What is wrong with the work itself."""
    tables = Tables.read()
    return [finding for question in ON_TABLES for finding in question(tables)]


def collect(questions: Iterable[Callable[[], Iterable[Finding]]]) -> list[Finding]:
    """The answers to some questions."""
    return [finding for question in questions for finding in question()]


def mend(findings: Iterable[Finding]) -> list[Finding]:
    """Mend what can be mended; those that were."""
    mended = []
    for finding in findings:
        if finding.fix is not None:
            finding.fix()
            mended.append(finding)
    return mended
