"""How plain values look on a page: times, counts, errors, links; what none looks like.

Nothing here asks, decides or writes, nor in `badges` (states) and `run_columns` (runs).
"""

import json
import re
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from processors import times, wording
from processors.admin.live import region

# Of no width, or turning what follows round: a link of such a key is not there, or misleads.
UNSEEN = re.compile("[\u200b\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
BACKLOG_CAP = 100_000  # a backlog is counted no further
NOT_COUNTED, UNKNOWN = -2, -1  # no page had time for it yet; its source cannot say
NONE = "–"  # noqa: RUF001 - the sign for "none"
TOLD_LENGTH = 500  # characters of a message in a title


def nothing() -> SafeString:
    """The mark for "there is none"; left out where there is no room for it."""
    return format_html('<span class="none">{}</span>', NONE)


def labelled(label: str, value: object) -> SafeString:
    """A value with its column's name, for where the table becomes a stack of cards."""
    return format_html('<span class="only-narrow">{}: </span>{}', label, value)


def live(key: str, content: object) -> SafeString:
    """A cell that live.js may renew."""
    return region(key, content)


def when(moment: datetime | str | None, now: datetime, none: str = NONE) -> SafeString | str:
    """`3 min ago`, with the exact time for who asks; live.js lets it tick."""
    return time_tag(moment, now, "ago", none)


def due(moment: datetime | str | None, now: datetime, none: str = NONE) -> SafeString | str:
    """`in 3 min`; once that has passed `due now`."""
    return time_tag(moment, now, "due", none)


def time_tag(
    moment: datetime | str | None, now: datetime, tick: str, none: str
) -> SafeString | str:
    """A `<time>`; `tick` says what live.js makes of it as time goes on.

    Whoever chose local times or UTC reads those, which do not tick.
    """
    if not isinstance(moment, datetime):  # a template passes "" for what is not there
        return none
    is_past_due = tick == "due" and moment <= now
    is_relative = times.current().mode == "relative"
    ticks = abs(now - moment) <= wording.RELATIVE and (is_relative or is_past_due)
    words = wording.ago(moment, now) if is_relative else wording.stamp(moment, now)
    return format_html(
        '<time datetime="{}" title="{}"{}>{}</time>',
        moment.isoformat(),
        exactly(moment),
        format_html(' data-tick="{}"', tick) if ticks else "",
        _("due now") if is_past_due else words,
    )


def elapsed(since: datetime, now: datetime) -> SafeString:
    """`3 min 02 s`, going on."""
    return format_html(
        '<time datetime="{}" data-tick="for">{}</time>',
        since.isoformat(),
        wording.duration(max(0, int((now - since).total_seconds()))),
    )


def exactly(moment: datetime | None) -> str:
    """The exact time with its zone."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S %Z}" if moment else NONE


def clock(moment: datetime) -> str:
    """The time of day with its zone, and with the day where it is not today's."""
    local = timezone.localtime(moment)
    is_today = local.date() == timezone.localdate()
    return f"{local:%H:%M} {local.tzname()}" if is_today else date_format(local, "D H:i T")


def capped(count: int, cap: int) -> str:
    """A count that was stopped at its cap."""
    return f"{wording.number(cap)}+" if count >= cap else wording.number(count)


def waiting(backlog: int) -> str:
    """How many records wait."""
    return {NOT_COUNTED: "…", UNKNOWN: "?"}.get(backlog) or capped(backlog, BACKLOG_CAP)


def as_json(value: Any) -> str:
    """Readable JSON; not yet escaped."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False)


def cut(text: str, length: int = 120) -> str:
    """The first line of a text, no longer than `length`; what could not be seen is written out."""
    line = UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text.strip().split("\n", 1)[0])
    return line if len(line) <= length else f"{line[: length - 1]}…"


def error(error_type: str, message: str, only: SafeString | str = "") -> SafeString:
    """What went wrong in one line; more of it where the mouse is. `only`: see `narrowing`."""
    return format_html(
        '<strong class="error">{}</strong>{}<div class="message" title="{}">{}</div>',
        error_type, only, cut(message, TOLD_LENGTH), cut(message) or NONE,
    )  # fmt: skip


def narrowing(row: Any, name: str, value: object, word: object) -> SafeString | str:
    """A small link that shows only the rows of this list that say the same."""
    url = row.narrowed(name, value) if value and hasattr(row, "narrowed") else ""
    if not url:
        return ""
    label = _("Only %(what)s") % {"what": word}
    return format_html(
        '<a class="narrows" href="{}" aria-label="{}" title="{}"><svg viewBox="0 0 12 12"'
        ' aria-hidden="true"><path d="M1 2h10L7 6.5V11L5 9.5v-3z"/></svg></a>',
        url, label, label,
    )  # fmt: skip


def link(url: str, words: object) -> SafeString:
    """A link."""
    return format_html('<a href="{}">{}</a>', url, words)
