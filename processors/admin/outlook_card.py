"""The forecast on a processor's page, in words: when is it empty, and how many workers by when?"""

import re
from dataclasses import dataclass
from datetime import datetime
from math import isinf
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processors import forecast
from processors.admin import columns, looks
from processors.models import Processor
from processors.outlook import Outlook, outlook
from processors.wording import moment, number, rate_words, roughly

BY = "06:00"
TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


@dataclass(frozen=True)
class Measured:
    """What a forecast is made of, as it was `at` a time; `counted` as lists show a backlog."""

    at: datetime
    counted: int
    seen: Outlook


def measure(processor: Processor, now: datetime) -> Measured:
    """Count and measure: a few queries. The words that are made of it cost none."""
    counted = looks.backlogs([processor], now)[processor.pk]
    waiting = None if counted in (columns.NOT_COUNTED, columns.UNKNOWN) else counted
    return Measured(now, counted, outlook(processor, waiting, columns.BACKLOG_CAP, now))


def words(processor: Processor, request: HttpRequest, measured: Measured) -> dict[str, Any]:
    """Everything the card says, as of the time of its measurement."""
    now, seen, workers = measured.at, measured.seen, at_once(processor)
    given = request.GET.get("by", BY)
    asked = TIME.fullmatch(given)
    return {
        "as_of": moment(now, now),
        "waiting": columns.waiting(measured.counted),
        "arriving": arriving_words(seen, now),
        "handling": handling_words(seen, workers),
        "empty": empty_words(seen, workers, now),
        "by": given if asked else BY,
        "mistake": "" if asked else mistake(given),
        "needed": needed_words(processor, seen, asked, now) if asked else "",
    }


def at_once(processor: Processor) -> int:
    """How many workers may be at it now; where nobody knows how many there are, as many as may."""
    there = looks.queue(processor.queue).workers
    return processor.parallelism if not there else min(processor.parallelism, there)


def arriving_words(seen: Outlook, now: datetime) -> str:
    """How many come."""
    if seen.paces.arriving is None or seen.since is None:
        return _("not known: too few cycles began in the last 24 h")
    if not seen.paces.arriving:
        return _("nothing in the last %(time)s") % {"time": since(seen.since, now)}
    return _("%(rate)s over the last %(time)s") % {
        "rate": rate_words(seen.paces.arriving), "time": since(seen.since, now),
    }  # fmt: skip


def since(then: datetime, now: datetime) -> str:
    """How long ago."""
    return roughly((now - then).total_seconds())


def handling_words(seen: Outlook, workers: int) -> str:
    """How many go, while it works."""
    pace = seen.paces.handling(workers)
    if pace is None:
        return _("not known: nothing was handled in the last 24 h")
    words = ngettext(
        "%(rate)s while %(count)s worker works",
        "%(rate)s while %(count)s workers work",
        workers,
    ) % {"rate": rate_words(pace), "count": workers}
    if pace >= seen.paces.limit:
        return _("%(pace)s, as the rate limit allows") % {"pace": words}
    return words


def empty_words(seen: Outlook, workers: int, now: datetime) -> str:
    """When nothing waits any more."""
    seconds = seen.seconds_to_empty(workers)
    if seconds is not None and isinf(seconds):
        return _("never at this pace: more arrives than is handled")
    if end := seen.earliest_end(workers, now):
        return _("not before %(when)s: limits by a key hold records back") % {
            "when": moment(end, now)
        }
    if seconds is None:
        return _("not known")
    if not seconds:
        return _("now: nothing waits")
    if seen.is_capped:
        return _("in more than %(time)s") % {"time": roughly(seconds)}
    return _("in about %(time)s of work") % {"time": roughly(seconds)}


def needed_words(processor: Processor, seen: Outlook, asked: "re.Match[str]", now: datetime) -> str:
    """How few workers empty it by then, or why nobody can tell."""
    then = forecast.next_time(int(asked[1]), int(asked[2]), timezone.localtime(now))
    if unknown := why_unknown(seen):
        return unknown
    needed = seen.workers_needed((then - now).total_seconds())
    when = f"{then:%H:%M %Z}"  # the next one: no day, and no seconds, that nobody asked for
    if needed is None:
        return why_impossible(seen, when)
    if not needed:
        return _("None: nothing waits, and nothing arrives.")
    words = ngettext(
        "%(count)s worker empties it by %(when)s.",
        "%(count)s workers empty it by %(when)s.",
        needed,
    ) % {"when": when, "count": number(needed)}
    if needed <= processor.parallelism:
        return words
    most = {"words": words, "count": processor.parallelism}
    return _("%(words)s Its parallelism allows %(count)s: raise that first.") % most


def why_unknown(seen: Outlook) -> str:
    """What is missing for an answer; empty where nothing is."""
    if seen.is_capped:
        return _("That can't be known: only the first %(count)s records that wait are counted.") % {
            "count": number(columns.BACKLOG_CAP)
        }
    if seen.not_before is not None:
        return _("That can't be known: limits by a key hold records back, whoever works.")
    if seen.waiting is None or seen.paces.each is None or seen.paces.arriving is None:
        return _("That can't be known: see above what is missing.")
    return ""


def why_impossible(seen: Outlook, when: str) -> str:
    """What no number of workers changes."""
    if isinf(seen.paces.limit):
        return _("No number of workers empties it by %(when)s: there is too little time.") % {
            "when": when
        }
    return _("No number of workers empties it by %(when)s: the rate limit is too low.") % {
        "when": when
    }


def mistake(given: str) -> str:
    """What is wrong with a time."""
    return _("'%(given)s' is not a time of day: write it as 06:00.") % {"given": given[:20]}
