"""Limits changed while a processor runs: the small form on its page, the way back, the gauges."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors import editing, held_back
from processors.acts import Act, by_user
from processors.admin import looks
from processors.admin.acts import say
from processors.admin.base import OurAdmin, refuse_doubles, user_of
from processors.admin.masking import masked
from processors.admin.record_page import VIEW_PAYLOAD
from processors.definitions import difference_words, differences, dump
from processors.forms.limits import LimitsForm
from processors.models import Allowance, Processor, Version
from processors.protocol import allowances
from processors.rates import Rate
from processors.wording import moment, told

WINDOWS = {
    "s": gettext_lazy("this second"),
    "min": gettext_lazy("this minute"),
    "h": gettext_lazy("this hour"),
    "d": gettext_lazy("these 24 hours"),
}


class Limits(OurAdmin):
    """The part of the processors' admin that tunes."""

    def limits_urls(self) -> list[URLPattern]:
        """Change them; take the last change back."""
        wrap, name = self.admin_site.admin_view, "processors_processor_limits"
        return [
            path("<int:pk>/limits/", wrap(self.limits_view), name=name),
            path("<int:pk>/limits/undo/", wrap(self.undo_view), name=f"{name}_undo"),
        ]

    def limits_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Save what the form says; a page of its own where something is wrong with it."""
        processor: Processor = self.find(request, pk, Processor.objects.all())
        if not request.user.has_perm(editing.TUNE):
            raise PermissionDenied
        refuse_doubles(request)
        form = LimitsForm(processor, request.POST or None)
        if request.method == "POST" and form.is_valid():
            before = dump(processor)
            act = by_user(user_of(request), form.cleaned_data["reason"])
            saved = form.save(act)
            if saved is not None:
                tell(request, saved, before)
                return redirect(saved)
        context = {"processor": processor, "limits": form, "is_alone": True}
        title = _("Limits of %(name)s") % {"name": processor}
        return self.page(request, "admin/processors/processor/limits_page.html", title, **context)

    def undo_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The limits before the last change, where nothing was changed since."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        processor: Processor = self.find(request, pk, Processor.objects.all())
        if not request.user.has_perm(editing.TUNE):
            raise PermissionDenied
        number = request.POST.get("number", "")
        known = int(number) if number.isdecimal() and len(number) < 10 else 0
        act = by_user(user_of(request), _("undone"))
        say(request, lambda: undo(processor, known, act))
        return redirect(processor)


def undo(processor: Processor, number: int, act: Act) -> str:
    """Take a change back; what that did. Raises Refused."""
    before = dump(processor)
    return changed_words(editing.undo_limits(processor.pk, number, act), before)


def changed_words(processor: Processor, before: dict[str, Any]) -> str:
    """`Orders: batch size: 500 → 50. It holds from the next claim.`"""
    found = difference_words(differences(before, dump(processor)))
    if not found:
        return _("%(name)s has these limits already.") % {"name": processor}
    return _("%(name)s: %(changes)s. It holds from the next claim.") % {
        "name": processor, "changes": found,
    }  # fmt: skip


def tell(request: HttpRequest, processor: Processor, before: dict[str, Any]) -> None:
    """What was changed, and what it cannot do."""
    messages.success(request, changed_words(processor, before))
    workers = looks.queue(processor.queue).workers
    if workers is not None and 0 < workers < processor.parallelism:
        words = {"number": processor.parallelism, "workers": workers, "queue": processor.queue}
        messages.warning(
            request,
            _("%(number)s batches at once need as many workers: queue “%(queue)s” has %(workers)s.")
            % words,
        )


def still_facts(processor: Processor, request: HttpRequest) -> dict[str, Any]:
    """The form, and the change that can be taken back; for who may not, the values alone."""
    last = editing.undoable(processor)
    may_tune = request.user.has_perm(editing.TUNE)
    return {
        "limits": LimitsForm(processor) if may_tune else None,
        "undoable": with_words(last) if last else None,
    }


def with_words(version: Any) -> Version:
    """What a change of limits did."""
    before = Version.objects.get(processor=version.processor_id, number=version.number - 1)
    version.changes = difference_words(differences(before.definition, version.definition))
    return version  # type: ignore[no-any-return]


# Gauges


@dataclass(frozen=True)
class Gauge:
    """How much of a limit the present window has used."""

    rate: Rate
    used: int
    used_before: int

    @property
    def window(self) -> Any:
        """The window, in words."""
        return WINDOWS[self.rate.unit]


@dataclass(frozen=True)
class KeyGauge:
    """What a limit by a key holds back, and its busiest keys where the person may see them."""

    gauge: Gauge
    hold: held_back.Hold
    next_at: str
    busiest: list[held_back.Key]


def facts(processor: Processor, request: HttpRequest, now: datetime) -> dict[str, Any]:
    """The gauges, and the limit that holds a run back; both are renewed."""
    rates = processor.rates
    rows = Allowance.objects.filter(processor=processor) if rates else ()
    by_limit = {row.limit: row for row in rows}
    gauges = [gauge(rate, by_limit.get(str(rate)), now) for rate in rates]
    may_see = request.user.has_perm(VIEW_PAYLOAD)
    held = allowances.held(processor, now)
    return {
        "gauges": [one for one in gauges if not one.rate.by],
        "key_gauges": [
            key_gauge(processor, one, now, may_see=may_see) for one in gauges if one.rate.by
        ],
        "may_see_keys": may_see,
        "held": held,
        "held_until": told(held.until, now) if held else "",
    }


def key_gauge(processor: Processor, one: Gauge, now: datetime, *, may_see: bool) -> KeyGauge:
    """One limit by a key; a key whose name says that it is a secret is nobody's to see."""
    hold = held_back.hold(processor, one.rate, now, busiest=may_see)
    name = one.rate.path[-1] if one.rate.path else ""
    busiest = [replace(key, value=masked({name: key.value})[name]) for key in hold.busiest]
    return KeyGauge(one, hold, moment(hold.next_at, now) if hold.next_at else "", busiest)


def gauge(rate: Rate, row: Allowance | None, now: datetime) -> Gauge:
    """Where a limit stands; a window that has passed is the one before, or forgotten."""
    if row is None:
        return Gauge(rate, 0, 0)
    windows = (now - row.window_at).total_seconds() / rate.per_seconds
    if windows < 1:
        return Gauge(rate, row.used, row.used_before)
    return Gauge(rate, 0, row.used if windows < 2 else 0)
