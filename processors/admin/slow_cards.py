"""What a processor's page renews at a slower rhythm: open errors, what happened, the forecast.

Each costs more queries than a poll may. So a poll goes by *signs* that all tabs share and that may
be FRESH_SECONDS old, and asks for no more than the oldest of them; a card is read and drawn only
where its sign is not the one that the browser shows. An act on the processor counts its version
up, and all signs with it are new.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest

from processors import dead_letters, failures
from processors.admin import live, outlook_card
from processors.models import Event, Processor, Record
from processors.querysets import EventQuerySet

EVENTS = 20
ERRORS = 15
FAILED = 2_000  # the newest failed records, which are grouped: so few are read by their index
FRESH_SECONDS = 10
REMEMBERED_SECONDS = 60


def facts(processor: Processor, request: HttpRequest, now: datetime) -> dict[str, Any]:
    """What the cards say, as far as they are not on the page that polls."""
    found = signs(processor, now, anew=not live.is_poll(request))
    return {
        **errors_card(processor, request, now, found["errors"]),
        **events_card(processor, request, found["events"]),
        "forecast": outlook_card.words(processor, request, found["forecast"]),
        "may_manage": request.user.has_perm(dead_letters.MANAGE_DEAD),
    }


def signs(processor: Processor, now: datetime, *, anew: bool) -> dict[str, Any]:
    """By which each card is known; the forecast is known by what it is made of."""
    failed = Record.objects.filter(processor=processor)
    return remembered(
        f"cards:{processor.pk}:{processor.version}",
        {
            "errors": lambda: failures.pulse(failed, FAILED),
            "events": lambda: newest_event(processor),
            "forecast": lambda: outlook_card.measure(processor, now),
        },
        now.timestamp(),
        anew=anew,
    )


def remembered(
    key: str, asks: Mapping[str, Callable[[], Any]], now: float, *, anew: bool
) -> dict[str, Any]:
    """The answer to each; asked are those nobody remembers, and the oldest if it is not fresh."""
    names = {name: f"{key}:{name}" for name in asks}
    kept: dict[str, tuple[float, Any]] = {} if anew else cache.get_many(names.values())
    since = {name: kept[at][0] if at in kept else 0.0 for name, at in names.items()}
    oldest = min(since, key=lambda name: since[name])
    for name, ask in asks.items():
        if not since[name] or (name == oldest and since[name] <= now - FRESH_SECONDS):
            kept[names[name]] = now, ask()
            cache.set(names[name], kept[names[name]], REMEMBERED_SECONDS)
    return {name: kept[at][1] for name, at in names.items()}


def errors_card(
    processor: Processor, request: HttpRequest, now: datetime, pulse: tuple[Any, ...]
) -> dict[str, Any]:
    """The kinds of error among the newest failed records; hidden where there is none.

    With a `sample`, there may be more than are counted.
    """
    count, *_rest = pulse
    look, says = "card" if count else "card nothing", live.state_of(pulse)
    if not live.is_due(request, "errors", says, id="errors", class_=look):
        return {}
    groups = cache.get_or_set(  # of the same failures they are the same for everybody
        f"errors:{processor.pk}:{says}",
        lambda: failures.groups(
            Record.objects.filter(processor=processor), now, newest=FAILED, most=ERRORS
        ),
        REMEMBERED_SECONDS,
    )
    shown = {"errors_due": True, "errors": groups, "errors_look": look, "errors_say": says}
    return shown | ({"sample": FAILED} if count >= FAILED else {})


def events_card(processor: Processor, request: HttpRequest, newest: int) -> dict[str, Any]:
    """Who moved the processor itself, the newest first."""
    if not live.is_due(request, "events", newest, class_="card"):
        return {}
    return {"events_due": True, "events": events_of(processor)[:EVENTS], "events_say": newest}


def events_of(processor: Processor) -> EventQuerySet:
    """Who moved the processor itself, the newest first."""
    rows: EventQuerySet = Event.objects.filter(processor=processor, subject="processor")
    return rows.order_by("-id")


def newest_event(processor: Processor) -> int:
    """The number of the newest of them; 0 before the first."""
    return events_of(processor).values_list("pk", flat=True).first() or 0
