"""Redis: it answers, keeps what it is given, and holds nothing that is not ours."""

from collections.abc import Iterator
from functools import partial

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors.diagnosis.finding import Finding, error, warning
from processors.queues.inspection import (
    clock_ahead_seconds,
    denied_commands,
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
    "": (
        gettext_lazy("It does not answer"),
        gettext_lazy("Start it, or correct REDIS_URL and its password."),
    ),
    "UnknownHost": (
        gettext_lazy("Its host name is unknown"),
        gettext_lazy("Correct the host in REDIS_URL, or mend this machine's name service."),
    ),
    "AuthenticationError": (
        gettext_lazy("It refuses our user or password"),
        gettext_lazy("Correct the user and password in REDIS_URL on every host."),
    ),
    "NoPermissionError": (
        gettext_lazy("It answers, but our user may not do what queues need"),
        gettext_lazy("Give the user of REDIS_URL +@all on keys rq:*, with ACL SETUSER."),
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
        yield error(
            WHERE,
            _("%(what)s (%(error)s): nobody is woken, nothing is lost.")
            % {"what": what, "error": facts.error},
            str(mend),
        )
        return
    if release(facts.version) < OLDEST:
        yield error(
            WHERE,
            _("It is version %(version)s, too old for what the queues use.")
            % {"version": facts.version},
            _("Install Redis 6.2 or newer, or any Valkey."),
        )
    if not facts.can_save:
        yield error(
            WHERE,
            _("It cannot write its file and refuses changes: nobody is woken, nothing is lost."),
            _("Make room on its disk, or let it write there: it goes on by itself."),
        )
    denied = denied_commands()
    if denied:
        yield error(
            WHERE,
            _("Our user may not use %(commands)s: nobody is woken.")
            % {"commands": ", ".join(denied)},
            _("Give the user of REDIS_URL +@all on keys rq:*, with ACL SETUSER."),
        )
    if facts.policy != "noeviction" and facts.max_bytes:
        yield error(
            WHERE,
            _("When it is full it throws keys away (%(policy)s), wake-ups among them.")
            % {"policy": facts.policy},
            _("Set maxmemory-policy noeviction, in redis.conf or by CONFIG SET."),
        )
    if facts.max_bytes and facts.used_bytes > NEARLY_FULL * facts.max_bytes:
        share = 100 * facts.used_bytes // facts.max_bytes
        yield warning(
            WHERE,
            _("Its memory is %(share)s %% full.") % {"share": share},
            _("Raise maxmemory, or find who else uses it."),
        )


def classes() -> Iterator[Finding]:
    """Are the job, worker and scheduler classes ours?"""
    for name in unsafe_classes():
        yield error(
            _("setting %(name)s") % {"name": f"RQ['{name}']"},
            _("It does not name our safe class: whoever reaches Redis could run code on workers."),
            _("Take it from config/settings.py as it was delivered."),
        )


def foreign() -> Iterator[Finding]:
    """Jobs that somebody else put there; workers refuse them, but they should not be there."""
    if redis_facts().error:
        return
    for entry in foreign_entries():
        queue = _("queue '%(name)s'") % {"name": entry.queue}
        place = queue if entry.queue else _("the schedule of rq-scheduler")
        yield error(
            f"{WHERE}, {place}",
            _("Job %(job_id)s is not ours: %(reason)s.")
            % {"job_id": entry.job_id[:80], "reason": entry.reason[:300]},
            _("Find out who can write to Redis; `manage.py doctor --fix` removes it."),
            partial(remove_foreign, entry),
        )


def clock() -> Iterator[Finding]:
    """RQ's times come from its hosts; jobs and workers seem dead where a clock is wrong."""
    if redis_facts().error:
        return
    ahead = clock_ahead_seconds()
    if abs(ahead) > SKEW_SECONDS:
        which = "ahead of" if ahead > 0 else "behind"
        yield error(
            WHERE,
            _("Its clock is %(seconds)s s %(which)s this machine's.")
            % {"seconds": f"{abs(ahead):.0f}", "which": which},
            _("Let both machines follow the same time server."),
        )
