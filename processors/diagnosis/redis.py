"""Redis: it answers, keeps what it is given, and holds nothing that is not ours."""

from collections.abc import Iterator
from functools import partial

from processors.diagnosis.finding import Finding, error, warning
from processors.queues.inspection import (
    foreign_entries,
    redis_facts,
    remove_foreign,
    unsafe_classes,
)

WHERE = "Redis"
NEARLY_FULL = 0.9


def server() -> Iterator[Finding]:
    """Does it answer, and will it keep wake-ups?"""
    facts = redis_facts()
    if facts.error:
        yield error(
            WHERE,
            f"It does not answer ({facts.error}): nobody is woken, nothing is lost.",
            "Start it, or correct REDIS_URL and its password.",
        )
        return
    if facts.policy != "noeviction" and facts.max_bytes:
        yield warning(
            WHERE,
            f"When it is full it throws keys away ({facts.policy}), wake-ups among them.",
            "Set maxmemory-policy noeviction.",
        )
    if facts.max_bytes and facts.used_bytes > NEARLY_FULL * facts.max_bytes:
        share = 100 * facts.used_bytes // facts.max_bytes
        yield warning(
            WHERE, f"Its memory is {share} % full.", "Raise maxmemory, or find who else uses it."
        )


def classes() -> Iterator[Finding]:
    """Are the job, worker and scheduler classes ours?"""
    for name in unsafe_classes():
        yield error(
            f"setting RQ['{name}']",
            "It does not name our safe class: whoever reaches Redis could run code on workers.",
            "Take it from config/settings.py as it was delivered.",
        )


def foreign() -> Iterator[Finding]:
    """Jobs that somebody else put there; workers refuse them, but they should not be there."""
    if redis_facts().error:
        return
    for entry in foreign_entries():
        place = f"queue '{entry.queue}'" if entry.queue else "the schedule of rq-scheduler"
        yield error(
            f"{WHERE}, {place}",
            f"Job {entry.job_id[:80]} is not ours: {entry.reason[:300]}.",
            "Find out who can write to Redis; `manage.py doctor --fix` removes it.",
            partial(remove_foreign, entry),
        )
