"""What people see while our database is away: a plain page with 503, which needs no database.

Nobody is told twice in the log either: a line for each page, without a traceback.
"""

import logging
import sys
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views import defaults

from processors.sources.dialect import can_pass, first_line

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 30


class OutageMiddleware:
    """Answers for views that the database left alone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Django's hook; None for what is no outage."""
        return away(request, error) if is_outage(error) else None


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler of 500s: for what happens outside of views, as when a session is saved."""
    error = sys.exc_info()[1]
    return away(request, error) if is_outage(error) else defaults.server_error(request)


def is_outage(error: BaseException | None) -> bool:
    """Whether waiting helps."""
    return isinstance(error, DatabaseError | InterfaceError) and can_pass(error)


def away(request: HttpRequest, error: BaseException | None) -> HttpResponse:
    """The page. It asks nobody who is signed in: that is in the database."""
    logger.warning("%s was answered with 503: %s", request.path, first_line(error))
    context = {"title": _("The database does not answer")}
    page = HttpResponse(render_to_string("503.html", context), status=503)
    page.headers["Retry-After"] = str(AGAIN_SECONDS)
    return page
