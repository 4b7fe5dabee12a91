"""What our templates need beyond Django's own tags; formats are in `admin.columns` and its kin."""

from typing import Any

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString

from processors import wording
from processors.admin import badges, columns, frame, pause_all, run_columns
from processors.admin import live as live_pages
from processors.definitions import Difference
from processors.models import Processor, Record, Run
from processors.states import NEEDS_ATTENTION

register = template.Library()

register.filter("duration", wording.duration)
register.filter("number", wording.number)
register.filter("exactly", columns.exactly)
register.filter("clock", columns.clock)
register.filter("capped", columns.capped)
register.filter("waiting", columns.waiting)
register.filter("cut", columns.cut)
register.filter("progress", run_columns.progress)
register.filter("outcome", run_columns.outcome)
register.filter("person", run_columns.person)
register.filter("strip", run_columns.strip)
register.filter("roughly", wording.roughly)
register.filter("action_word", wording.action)
register.filter("state_word", wording.state)


@register.filter
def fields(found: list[Difference]) -> str:
    """The fields in which two definitions differ."""
    return ", ".join(one.name for one in found)


@register.filter
def badge(thing: Any) -> SafeString:
    """The state of a processor, a run or a record."""
    looks: dict[type, Any] = {
        Processor: badges.processor_badge,
        Run: badges.run_badge,
        Record: badges.record_badge,
    }
    shown: SafeString = looks[type(thing)](thing)
    return shown


@register.filter
def ago(moment: Any) -> SafeString | str:
    """`3 min ago`, which goes on by itself."""
    return columns.when(moment, timezone.now())


@register.filter
def due(moment: Any) -> SafeString | str:
    """`in 3 min`, then `due now`."""
    return columns.due(moment, timezone.now())


@register.filter
def next_run(processor: Processor) -> SafeString | str:
    """When its next cycle begins, or what begins it."""
    return run_columns.next_run(processor, timezone.now())


@register.filter
def pace(run: Run, why: str) -> SafeString | str:
    """How fast an active run goes and how long it takes yet; where it does not go, why."""
    return run_columns.pace(run, why)


@register.filter
def progress_tall(run: Run) -> SafeString:
    """The bar of a run's own page."""
    return run_columns.progress(run, is_tall=True)


@register.filter
def rate_now(run: Any) -> str:
    """Records per second over the last minute."""
    return wording.rate_words(run.rate) if run.rate else columns.NONE


@register.filter
def since(moment: Any) -> SafeString:
    """How long since, going on."""
    return columns.elapsed(moment, timezone.now())


@register.filter
def look(run: Run) -> str:
    """The colour of what became of a run."""
    return badges.run_look(run)


@register.filter
def word(run: Run) -> str:
    """Sign and word of what became of a run."""
    _look, sign, said = badges.run_words(run)
    return f"{sign} {said}"


@register.filter
def state_sentence(thing: Processor | Run) -> str:
    """What is read out when a run, or what a processor does, changes its state."""
    words = badges.run_words(thing) if isinstance(thing, Run) else badges.processor_words(thing)
    return f"{thing}: {words[2]}"


@register.filter
def needs_attention(record: Record) -> bool:
    """Whether a person has to decide about it."""
    return record.state in NEEDS_ATTENTION


@register.filter
def length_of(run: Run) -> SafeString | str:
    """How long a run takes."""
    return run_columns.length(run, timezone.now())


@register.filter
def length_judged(run: Run) -> SafeString | str:
    """The same, marked where it is unusual."""
    return run_columns.length_judged(run, timezone.now())


@register.filter
def rate_of(run: Run) -> str:
    """Records per second of a run."""
    return run_columns.rate(run, timezone.now())


@register.simple_block_tag(takes_context=True)
def live(context: Any, content: str, key: str, tag: str = "div", **attributes: Any) -> SafeString:
    """`{% live "facts" tag="section" class_="card" %}…{% endlive %}`: a part that is renewed."""
    shown = live_pages.region(key, content, tag, **attributes)
    if context.get("is_poll"):
        live_pages.collect(context["request"], shown)
    return shown


@register.simple_tag(takes_context=True)
def live_rows(context: Any, changelist: Any) -> str:
    """The regions of a list's rows, and how many rows are newer than the newest on the page."""
    request = context["request"]
    for cell in changelist.model_admin.live_cells(request, changelist):
        live_pages.collect(request, cell)
    return ""


@register.simple_tag(takes_context=True)
def live_extra(context: Any, part: SafeString) -> str:
    """What a poll tells beside its regions: how many rows are new, which are no more."""
    if part:
        live_pages.collect(context["request"], part)
    return ""


@register.simple_tag
def iso_now() -> str:
    """The server's time, by which the browser's clock is set."""
    return timezone.now().isoformat()


@register.simple_tag(takes_context=True)
def sections(context: Any) -> list[frame.Section]:
    """The header's links that this person may follow, the current one marked."""
    return frame.sections(context["request"])


@register.simple_tag(takes_context=True)
def failed_count(context: Any) -> str | None:
    """How many records need a person; None for who may not see them."""
    request = context["request"]
    may_see = request.user.has_perm("processors.view_record")
    return frame.failed_words(request) if may_see else None


@register.simple_tag
def times_switch() -> frame.TimesSwitch:
    """How times are shown, as the button that changes it."""
    return frame.times_switch()


@register.simple_tag(takes_context=True)
def all_paused(context: Any) -> pause_all.Banner | None:
    """What every page says while everything is paused."""
    return pause_all.banner(context["request"])


@register.simple_tag(takes_context=True)
def may_pause_all(context: Any) -> bool:
    """Whether the person is offered to pause everything: who may, while nobody has."""
    return pause_all.is_offered(context["request"])


@register.simple_tag(takes_context=True)
def banners(context: Any) -> list[str]:
    """What everybody should know at once."""
    return frame.banners(context["request"])
