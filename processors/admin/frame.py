"""What stands around every page: the sections, and what keeps all work from going on."""

from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors import times
from processors.admin import columns, looks, pause_all
from processors.admin.acts import way_back
from processors.admin.asking import once
from processors.diagnosis import databases
from processors.models import Processor, Record

FAILED_CAP = 10_000
PAUSES_SHOWN = 3
FRESH_SECONDS = 2  # not asked again for every tab of every operator


@dataclass(frozen=True)
class Section:
    """A link of the header."""

    url: str
    word: Any
    is_here: bool
    key: str  # leads there after "g"
    failed: str | None = None


# Right, name of the address, word, key. The last one whose address begins the path is current.
SECTIONS: list[tuple[str, str, Any, str]] = [
    ("", "index", gettext_lazy("Overview"), "o"),
    (
        "processors.view_processor",
        "processors_processor_changelist",
        gettext_lazy("Processors"),
        "p",
    ),
    ("processors.view_run", "processors_run_changelist", gettext_lazy("Runs"), "r"),
    ("processors.view_record", "processors_record_changelist", gettext_lazy("Failed records"), "f"),
    ("processors.view_queues", "queues", gettext_lazy("Queues & workers"), "q"),
    ("processors.view_event", "processors_event_changelist", gettext_lazy("Events"), "e"),
    ("processors.view_health", "health", gettext_lazy("Health"), "h"),
]


def sections(request: HttpRequest) -> list[Section]:
    """The header's links that this person may follow, the current one marked."""
    return [
        Section(
            url=(url := reverse(f"admin:{name}")),
            word=word,
            is_here=is_here(request.path, url),
            key=key,
            failed=failed_words(request) if name == "processors_record_changelist" else None,
        )
        for right, name, word, key in SECTIONS
        if not right or request.user.has_perm(right)
    ]


def is_here(path: str, url: str) -> bool:
    """Whether a page belongs to a section; the overview is one page only."""
    return path == url if url == reverse("admin:index") else path.startswith(url)


def said(request: HttpRequest) -> tuple[object, ...]:
    """What the frame shows around a page that polls; changes when any of it does."""
    may_see = request.user.has_perm("processors.view_record")
    pause = pause_all.banner(request)
    said_of_pause = pause.sentence if pause else ""
    return failed_words(request) if may_see else "", banners(request), said_of_pause


def failed_words(request: HttpRequest) -> str:
    """How many records need a person, counted up to FAILED_CAP once a page; empty for none."""

    def ask() -> str:
        rows = Record.objects.needing_attention().visible_to(request.user)
        count = rows.count_to(FAILED_CAP)
        return columns.capped(count, FAILED_CAP) if count else ""

    return once(request, "failed_words", ask)


def switch_times(request: HttpRequest) -> HttpResponse:
    """Keep how this browser wants to read times; POST only."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    given = f"{request.POST.get('mode', '')}:{request.POST.get('zone', '')}"
    answer = redirect(way_back(request, reverse("admin:index")))
    times.Choice.parse(given).keep(answer)
    return answer


@dataclass(frozen=True)
class TimesSwitch:
    """How times are shown, and what the next click makes of them."""

    word: Any
    following: str
    hint: str


def times_switch() -> TimesSwitch:
    """The button of the header."""
    words = {
        "relative": _("Relative times"),
        "local": _("Local times"),
        "utc": _("UTC times"),
    }
    choice = times.current()
    hint = _("Times are shown in the zone %(zone)s. Switch to: %(following)s") % {
        "zone": timezone.get_current_timezone_name(),
        "following": words[choice.following],
    }
    return TimesSwitch(words[choice.mode], choice.following, hint)


def banners(request: HttpRequest) -> list[str]:
    """What everybody should know, as sentences for the top of every page; asked once a page."""
    if not request.user.has_perm("processors.view_processor"):
        return []
    return once(request, "banners", lambda: [*trouble(), *pauses(request)])


def pauses(request: HttpRequest) -> list[str]:
    """What is paused, by whom, why and for how long; a processor's own page says it itself."""
    rows = Processor.objects.paused().visible_to(request.user)
    others = [one for one in rows[: PAUSES_SHOWN + 2] if one.get_absolute_url() != request.path]
    paused = others[: PAUSES_SHOWN + 1]
    if not paused:
        return []
    whys = looks.whys(paused[:PAUSES_SHOWN], None, request)
    found: list[str] = [
        format_html("{}: {}", columns.link(one.get_absolute_url(), one.name), whys[one.pk])
        for one in paused[:PAUSES_SHOWN]
    ]
    if len(paused) > PAUSES_SHOWN:
        every = f"{reverse('admin:processors_processor_changelist')}?state=paused"
        found.append(columns.link(every, _("More processors are paused.")))
    return found


def trouble() -> list[str]:
    """What keeps work from going on."""
    known: tuple[list[str], list[str]] | None = cache.get("trouble")
    if known is None:
        known = database_trouble(), Processor.objects.queues_in_use()
        cache.set("trouble", known, FRESH_SECONDS)
    sentences, queues = known
    return sentences + looks.trouble(queues)  # a queue is remembered by itself


def database_trouble() -> list[str]:
    """Every act would fail, and signing in as well."""
    if not databases.is_read_only():
        return []
    return [
        _(
            "The database is read-only: the pages show what is saved, and nothing can be changed "
            "or handled. Point DATABASE_URL at the primary server."
        )
    ]
