"""What an operator can do on the pages of queues: POST only, one call into `queue_acts` each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors import queue_acts
from processors.acts import Act, by_user
from processors.admin.acts import reason_of, say, way_back
from processors.admin.base import page, user_of
from processors.queues.job_facts import REGISTRIES, WAITING

Target = Mapping[str, str]
NAME_LENGTH = 200
REMOVABLE = frozenset({WAITING, *REGISTRIES} - {"started"})


@dataclass(frozen=True)
class QueueVerb:
    """One act; with `warning`, a page asks first. `needs` are the parts of its target."""

    name: str
    label: Any
    act: Callable[[Target, Act], str]
    needs: tuple[str, ...] = ()
    warning: Any = ""
    look: str = "solid"


VERBS = {
    verb.name: verb
    for verb in (
        QueueVerb(
            "empty",
            gettext_lazy("Empty"),
            lambda t, act: queue_acts.empty(t["queue"], t["place"], act),
            ("queue", "place"),
            gettext_lazy(
                "These jobs are deleted. Jobs only wake workers: no record is lost, and wake-ups "
                "that are still needed come back within some seconds."
            ),
            "stop",
        ),
        QueueVerb(
            "requeue-all",
            gettext_lazy("Put all back"),
            lambda t, act: queue_acts.requeue_all(t["queue"], act),
            ("queue",),
        ),
        QueueVerb(
            "requeue",
            gettext_lazy("Put back"),
            lambda t, act: queue_acts.requeue(t["queue"], t["job"], act),
            ("queue", "job"),
        ),
        QueueVerb(
            "remove",
            gettext_lazy("Delete"),
            lambda t, act: queue_acts.remove(t["queue"], t["place"], t["job"], act),
            ("queue", "place", "job"),
            look="stop",
        ),
        QueueVerb(
            "stop-job",
            gettext_lazy("Stop"),
            lambda t, act: queue_acts.stop_job(t["job"], act),
            ("job",),
            gettext_lazy(
                "The worker's child is killed at once. The records in its hands come under "
                "suspicion: each is tried again alone, or parked where repeating it could do "
                "harm. To end a run without that, stop its processor; to free the worker, drain it."
            ),
            "stop",
        ),
        QueueVerb(
            "suspend",
            gettext_lazy("Suspend workers"),
            lambda _, act: queue_acts.suspend(act),
            (),
            gettext_lazy(
                "No worker on any host takes another job until you resume them. Jobs in hand go on "
                "to their end. To hold back one processor, pause it instead."
            ),
        ),
        QueueVerb("resume", gettext_lazy("Resume workers"), lambda _, act: queue_acts.resume(act)),
        QueueVerb(
            "drain",
            gettext_lazy("Drain"),
            lambda t, act: queue_acts.drain(t["worker"], act),
            ("worker",),
            gettext_lazy(
                "The worker finishes the record in hand, gives back the rest of its batch without "
                "a mark, and ends. A supervisor that restarts workers starts a new one: to keep it "
                "away, stop its service."
            ),
        ),
        QueueVerb(
            "forget",
            gettext_lazy("Take off the list"),
            lambda t, act: queue_acts.forget(t["worker"], act),
            ("worker",),
        ),
    )
}


def act(request: HttpRequest, verb: str) -> HttpResponse:
    """Do it; where a warning is due, ask first."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not request.user.has_perm(queue_acts.VIEW) or not request.user.has_perm(queue_acts.MANAGE):
        raise PermissionDenied
    if verb not in VERBS:
        raise Http404
    wanted, target = VERBS[verb], target_of(request, VERBS[verb])
    if wanted.warning and "confirmed" not in request.POST:
        return ask(request, wanted, target)
    doer = by_user(user_of(request), reason_of(request))
    say(request, lambda: wanted.act(target, doer))
    return redirect(way_back(request, reverse("admin:queues")))


def target_of(request: HttpRequest, verb: QueueVerb) -> dict[str, str]:
    """What to act on, from the button's address. Raises BadRequest."""
    target = {name: request.GET.get(name, "") for name in verb.needs}
    missing = [name for name, value in target.items() if not 0 < len(value) <= NAME_LENGTH]
    if missing or ("place" in target and target["place"] not in REMOVABLE):
        raise BadRequest(
            _("%(name)s needs: %(names)s.") % {"name": verb.name, "names": ", ".join(verb.needs)}
        )
    return target


def ask(request: HttpRequest, verb: QueueVerb, target: Target) -> HttpResponse:
    """The page between the button and the act."""
    context = {
        "verb": verb,
        "target": " · ".join(target.values()),
        "address": request.get_full_path(),
        "back": way_back(request, reverse("admin:queues")),
    }
    title = _("%(verb)s: %(target)s") % {"verb": verb.label, "target": context["target"]}
    return page(request, "admin/queues/confirm.html", title if target else verb.label, **context)
