"""Numbers, lengths of time and moments as people read them; used by the admin and the commands."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from processors import times
from processors.states import BatchState, ProcessorState, RecordState, RunState

MINUTE, HOUR, DAY = 60, 3600, 86_400
FAR = 10 * MINUTE
ACTIONS = {
    "create": gettext_lazy("create"),
    "edit": gettext_lazy("edit"),
    "start": gettext_lazy("start"),
    "stop": gettext_lazy("stop"),
    "pause": gettext_lazy("pause"),
    "resume": gettext_lazy("resume"),
    "pause-all": gettext_lazy("pause all"),
    "resume-all": gettext_lazy("resume all"),
    "fault": gettext_lazy("fault"),
    "clear-fault": gettext_lazy("clear fault"),
    "skip": gettext_lazy("skip"),
    "begin": gettext_lazy("begin"),
    "paused": gettext_lazy("paused"),
    "end": gettext_lazy("end"),
    "reaped": gettext_lazy("worker lost"),
    "forced": gettext_lazy("force stop"),
    "retry": gettext_lazy("retry"),
    "discard": gettext_lazy("discard"),
    "settle": gettext_lazy("settle"),
    "edit-payload": gettext_lazy("edit payload"),
    "reprocess": gettext_lazy("reprocess"),
    "access": gettext_lazy("access"),
    "add": gettext_lazy("add records"),
    "load": gettext_lazy("load"),
    "purge": gettext_lazy("delete history"),
}
"""What an event's action is called."""
HALF_A_YEAR = timedelta(days=182)
RELATIVE = timedelta(days=7)  # beyond it, a date says more


def action(name: str) -> str:
    """What was done, of an event or a version; a name that has no words as it is."""
    return str(ACTIONS.get(name, name))


def state(name: str) -> str:
    """A state as it is told in a sentence: `running`."""
    for states in (RunState, ProcessorState, RecordState, BatchState):
        if name in states.values:
            return str(states(name).label).lower()
    return name


def duration(seconds: float) -> str:
    """`47 s`, `3 min 02 s`, `1 h 05 min`, `3 d 4 h`; below ten seconds with one decimal."""
    if seconds < 0.05:
        return "0 s"
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return pair(whole // MINUTE, "min", whole % MINUTE, "s")
    if whole < DAY:
        return pair(whole // HOUR, "h", whole % HOUR // MINUTE, "min")
    return pair(whole // DAY, "d", whole % DAY // HOUR, "h")


def pair(large: int, large_unit: str, small: int, small_unit: str) -> str:
    """Two units, the second left out where it is zero."""
    if not small:
        return f"{large} {large_unit}"
    filled = f"{small:02}" if small_unit in ("s", "min") else str(small)
    return f"{large} {large_unit} {filled} {small_unit}"


def number(value: float) -> str:
    """1234567 as `1,234,567`."""
    return f"{value:,}"


def compact(value: float) -> str:
    """1,250,000 as `1.25M`, 50,000 as `50k`: for the edge of a chart."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def rate(count: int, seconds: float) -> str:
    """Records per second: `50/s`, `0.3/s`; empty where nothing can be said."""
    return rate_words(count / seconds) if seconds > 0 and count > 0 else ""


def rate_words(per_second: float) -> str:
    """`50/s`; what is slower than one in ten seconds by the minute, or by the hour."""
    if not per_second:
        return "0/s"
    if per_second < 0.1:
        each, unit = (60, "min") if per_second * 60 >= 0.1 else (3600, "h")
        return f"{per_second * each:.1f}/{unit}"
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"


def roughly(seconds: float) -> str:
    """A length of time as nobody knows it exactly: `40 s`, `55 min`, `3 h`, `2 d`."""
    for unit, word in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= 2 * unit:
            return f"{round(seconds / unit)} {word}"
    return f"{max(5, round(seconds / 5) * 5)} s"


def moment(at: datetime, now: datetime) -> str:
    """A time with its zone; the date only where it is another day."""
    local = timezone.localtime(at)
    zone = local.tzname() or ""
    if local.date() == timezone.localtime(now).date():
        return f"{local:%H:%M:%S} {zone}".strip()
    return f"{date_format(local, 'j N Y, H:i')} {zone}".strip()


def told(at: datetime, now: datetime) -> str:
    """A time within a sentence: `in 3 min 02 s`, `12 s ago`; or `at 14:02:11 UTC`, as chosen."""
    if times.current().mode != "relative":
        return _("at %s") % moment(at, now)
    seconds = (now - at).total_seconds()
    pattern = pgettext("time", "%s ago") if seconds > 0 else pgettext("time", "in %s")
    return pattern % distance(max(1, int(abs(seconds))))


def until_then(until: datetime, reason: str) -> str:
    """The reason of a pause for the history, after its end."""
    words = f"until {until:%Y-%m-%d %H:%M %Z}"
    return f"{words}: {reason}" if reason else words


def stamp(at: datetime, now: datetime) -> str:
    """A time for a list, in the zone of who reads; the date only where it is another day."""
    local, today = timezone.localtime(at), timezone.localtime(now).date()
    if local.date() == today:
        return f"{local:%H:%M:%S}"
    return str(date_format(local, dated(at, now)))


def dated(at: datetime, now: datetime) -> str:
    """How a day that is not today's is written: with its year where that is in doubt."""
    return "j N, H:i" if abs(now - at) < HALF_A_YEAR else "j N Y, H:i"


def ago(at: datetime, now: datetime) -> str:
    """`12 s ago`, `in 3 min 02 s`, `40 min ago`; older or later than a week the date."""
    if abs(now - at) > RELATIVE:
        return str(date_format(timezone.localtime(at), dated(at, now)))
    seconds = (now - at).total_seconds()
    if abs(seconds) < 1:
        return _("now")
    pattern = pgettext("time", "%s ago") if seconds > 0 else pgettext("time", "in %s")
    return pattern % distance(int(abs(seconds)))


def distance(seconds: int) -> str:
    """A `duration` from now; nobody counts the seconds of what is FAR. live.js says the same."""
    return duration(seconds - seconds % MINUTE if seconds >= FAR else seconds)
