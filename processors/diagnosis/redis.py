"""Redis: it answers, keeps what it is given, and holds nothing that is not ours."""

from collections.abc import Iterator
from functools import partial

from processors.diagnosis.finding import Finding, error, warning
from processors.queues import census
from processors.queues.inspection import (
    foreign_entries,
    redis_facts,
    remove_foreign,
    unsafe_classes,
)

WHERE = "Redis"
NEARLY_FULL = 0.9
OLDEST = (6, 2)
SKEW_SECONDS = 5.0
TROUBLE = {
    "": ("It does not answer", "Start it, or correct REDIS_URL and its password."),
    "AuthenticationError": (
        "It refuses our user or password",
        "Correct the user and password in REDIS_URL on every host.",
    ),
    "NoPermissionError": (
        "It answers, but our user may not do what queues need",
        "Give the user of REDIS_URL +@all on keys rq:*, with ACL SETUSER.",
    ),
}


def release(version: str) -> tuple[int, ...]:
    """`7.0.15` as numbers; what cannot be read is taken for new."""
    parts = version.split(".")[:2]
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else OLDEST


def server() -> Iterator[Finding]:
    """Does it answer, and will it keep wake-ups?"""
    facts = redis_facts()
    if facts.error:
        what, mend = TROUBLE.get(facts.error, TROUBLE[""])
        yield error(WHERE, f"{what} ({facts.error}): nobody is woken, nothing is lost.", mend)
        return
    if release(facts.version) < OLDEST:
        yield error(
            WHERE,
            f"It is version {facts.version}, too old for what the queues use.",
            "Install Redis 6.2 or newer, or any Valkey.",
        )
    denied = census.denied_commands()
    if denied:
        yield error(
            WHERE,
            f"Our user may not use {', '.join(denied)}: nobody is woken.",
            "Give the user of REDIS_URL +@all on keys rq:*, with ACL SETUSER.",
        )
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


def clock() -> Iterator[Finding]:
    """RQ's times come from its hosts; jobs and workers seem dead where a clock is wrong."""
    if redis_facts().error:
        return
    ahead = census.clock_ahead_seconds()
    if abs(ahead) > SKEW_SECONDS:
        which = "ahead of" if ahead > 0 else "behind"
        yield warning(
            WHERE,
            f"Its clock is {abs(ahead):.0f} s {which} this machine's.",
            "Let both machines follow the same time server.",
        )
