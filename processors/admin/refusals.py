"""What people see instead of a page.

For a request that cannot be meant, an act opened as a link, a form sent after the session ended.
"""

from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.core.exceptions import BadRequest, RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.views import defaults

from processors.admin.base import is_id
from processors.definitions.parsing import SECRET_NAME

TEMPLATE = "admin/refused.html"
# Acts whose page has another name than theirs: the part that follows the model's name.
PAGES = {"version_revert": "version", "limits_undo": "change", "many": "changelist"}
# Fields that hold the numbers of rows, on Django's pages and ours.
ROWS = ("_selected_action", "groups", "permissions", "user_permissions")
# Fields that pages fill in by themselves.
UNSEEN = frozenset({
    "csrfmiddlewaretoken", "seen", "operation", "next", "confirmed", "options_of", "action",
    "visit", "selection", "index", "select_across",
})  # fmt: skip
FORBIDDEN, NOT_FOUND, NOT_ALLOWED, TOO_LARGE = 403, 404, 405, 413


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler of 400s: our sentence where there is one, its bare line for all the rest.

    A strange host and the like come before anybody is known, and get no frame.
    """
    told = sentence_of(exception)
    if told is None or not hasattr(request, "user"):
        return defaults.bad_request(request, exception)
    status, text = told
    return refused(request, status, _("This request makes no sense"), text)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler of 403s."""
    return in_frame(request, FORBIDDEN) or defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler of 404s."""
    return in_frame(request, NOT_FOUND) or defaults.page_not_found(request, exception)


def in_frame(request: HttpRequest, status: int) -> HttpResponse | None:
    """The page of this status with all ways that lead from it, for whoever is signed in here."""
    if not hasattr(request, "user") or not admin.site.has_permission(request):
        return None
    html = render_to_string(f"{status}.html", admin.site.each_context(request), request)
    return HttpResponse(html, status=status)


def sentence_of(exception: Exception) -> tuple[int, str] | None:
    """Status and sentence for a request that was refused; None for what is nobody's business."""
    if isinstance(exception, BadRequest):
        return 400, str(exception)
    if isinstance(exception, RequestDataTooBig):
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
        text = _(
            "What was sent is too large for a page: a form holds at most %(most)s MB. Nothing was "
            "saved. A large text is better sent as a file or by a command."
        )
        return TOO_LARGE, text % {"most": f"{most / 1e6:.1f}"}
    if isinstance(exception, DisallowedModelAdminLookup):
        return 400, _("There is no such filter on this list. Nothing was looked for.")
    if isinstance(exception, TooManyFieldsSent):
        text = _("The form sent more than %(most)s fields: choose fewer rows. Nothing was saved.")
        return 400, text % {"most": settings.DATA_UPLOAD_MAX_NUMBER_FIELDS}
    return None


def with_ways_back(view: Any) -> Any:
    """A view of the admin whose bare "405, by POST only" becomes a page that leads back."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        refuse_nul(request)
        refuse_odd_rows(request)
        found: HttpResponse = view(request, *args, **kwargs)
        if found.status_code != NOT_ALLOWED or request.method not in ("GET", "HEAD"):
            return found
        return not_posted(request, found)

    return answer


def without_loss(view: Any) -> Any:
    """A view of the admin that shows what was typed to whom it does not know any more.

    The form's token was examined before: nobody else can have sent it in this browser.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        typed = typed_in(request) if request.method == "POST" else {}
        if not typed or not request.user.is_anonymous:
            return view(request, *args, **kwargs)  # type: ignore[no-any-return]
        context = {"title": _("You were signed out"), "typed": typed}
        html = render_to_string("admin/signed_out.html", context, request)
        page = HttpResponse(html, status=FORBIDDEN)
        add_never_cache_headers(page)
        return page

    return answer


def typed_in(request: HttpRequest) -> dict[str, str]:
    """What a person typed or chose in a form, without secrets and what the page put there."""
    return {
        name: value
        for name, value in request.POST.items()
        if isinstance(value, str) and value.strip()
        and not (name in UNSEEN or name.startswith("_") or SECRET_NAME.search(name))
    }  # fmt: skip


def refuse_nul(request: HttpRequest) -> None:
    """No page means it, and Postgres takes no such text. Raises BadRequest."""
    for name, values in request.GET.lists():
        if any("\x00" in text for text in (name, *values)):
            raise BadRequest(_("An address can't hold the character U+0000."))


def refuse_odd_rows(request: HttpRequest) -> None:
    """What Django's own views would look for as it is. Raises BadRequest."""
    for name in ROWS if request.method == "POST" else ():
        if not all(map(is_id, request.POST.getlist(name))):
            raise BadRequest(_("The form names a row by what is no number. Nothing was done."))


def not_posted(request: HttpRequest, found: HttpResponse) -> HttpResponse:
    """An act was opened as a link, by hand or by a program that reads ahead."""
    text = _(
        "This address acts when a button sends it, and never when it is opened as a link. "
        "Go to the page with the button and press it there."
    )
    back = page_of_act(request)
    page = refused(request, NOT_ALLOWED, _("Nothing was done"), text, back=back)
    page.headers["Allow"] = found.headers.get("Allow", "POST")
    return page


def page_of_act(request: HttpRequest) -> str:
    """The page that an act's button is on; empty where none is known."""
    match = request.resolver_match
    name, known = (match.url_name or "", match.kwargs) if match else ("", {})
    app_and_model, act = "_".join(name.split("_")[:2]), "_".join(name.split("_")[2:])
    page = PAGES.get(act, "change" if "pk" in known else "changelist")
    numbers = [known[part] for part in ("pk", "number") if part in known]
    for at in (numbers, numbers[:1], []):
        try:
            return reverse(f"admin:{app_and_model}_{page}", args=at)
        except NoReverseMatch:
            continue
    return reverse("admin:queues") if name == "queue_act" else ""


def refused(
    request: HttpRequest, status: int, title: str, text: str, *, back: str = ""
) -> HttpResponse:
    """A page in the admin's frame with a sentence and a way back."""
    frame = admin.site.each_context(request)
    context = {**frame, "title": title, "text": text, "back": back}
    return HttpResponse(render_to_string(TEMPLATE, context, request), status=status)
