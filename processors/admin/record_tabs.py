"""The records' tabs: a state each, with numbers that follow the other filters."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from processors.admin import columns
from processors.admin.record_filters import ATTENTION, filtered, in_state
from processors.admin.tabs import COUNT_CAP, Tab
from processors.models import Record


def words() -> dict[str, str]:
    """The tabs, in their order."""
    return {
        ATTENTION: _("Needs attention"),
        "parked": _("Parked"),
        "retrying": _("Retrying"),
        "ready": _("Waiting"),
        "claimed": _("In hand"),
        "done": _("Done"),
        "skipped": _("Skipped or discarded"),
        "all": _("All"),
    }


def state_tabs(request: HttpRequest, model_admin: Any) -> list[Tab]:
    """Word, address, number; numbers where an index answers, and not beside a search's."""
    here = request.GET.get("state") or ATTENTION
    numbers = {} if request.GET.get("q") else counted(request)
    return [
        Tab(
            word,
            address(request, state),
            columns.capped(numbers[state], COUNT_CAP) if numbers.get(state) else "",
            state == here,
        )
        for state, word in words().items()
    ]


def address(request: HttpRequest, state: str) -> str:
    """The same filters with another state, from the first page on."""
    given = request.GET.copy()
    given.pop("p", None)
    given["state"] = state
    return f"?{given.urlencode()}"


def counted(request: HttpRequest) -> dict[str, int]:
    """How many need attention, and how many wait for another try, up to COUNT_CAP."""
    visible, given = Record.objects.visible_to(request.user), request.GET.copy()
    counts = {}
    for state in (ATTENTION, "retrying"):
        given["state"] = state
        rows = in_state(filtered(visible, given), state).order_by()
        counts[state] = rows[:COUNT_CAP].count()
    return counts
