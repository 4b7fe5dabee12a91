"""How a person wants to read times: relative, in the browser's zone, or in UTC; kept in a cookie.

The zone is Django's current one while a request is answered, so that whatever shows or reads a
time follows it; without a choice it stays the server's.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

COOKIE = "recordmill_times"
KEPT_SECONDS = 365 * 24 * 3600
MODES = ("relative", "local", "utc")
LONGEST_ZONE = 64


@dataclass(frozen=True)
class Choice:
    """One of MODES; `zone` is the browser's, empty where it is not known."""

    mode: str = "relative"
    zone: str = ""

    @classmethod
    def parse(cls, text: str) -> "Choice":
        """From a cookie or a form; what makes no sense is the usual choice."""
        mode, _colon, zone = text.partition(":")
        return cls(mode, zone if find_zone(zone) else "") if mode in MODES else cls()

    def __str__(self) -> str:
        return f"{self.mode}:{self.zone}"

    @property
    def following(self) -> str:
        """The mode that the switch leads to."""
        return MODES[(MODES.index(self.mode) + 1) % len(MODES)]

    @property
    def place(self) -> ZoneInfo | None:
        """The zone to show times in; None for the server's."""
        if self.mode == "utc":
            return ZoneInfo("UTC")
        return find_zone(self.zone) if self.mode == "local" else None

    def keep(self, response: HttpResponse) -> None:
        """In the browser, for a year."""
        response.set_cookie(
            COOKIE,
            str(self),
            max_age=KEPT_SECONDS,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


def find_zone(name: str) -> ZoneInfo | None:
    """A zone by its name, None for what is none."""
    try:
        return ZoneInfo(name) if name and len(name) <= LONGEST_ZONE else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


CURRENT: ContextVar[Choice] = ContextVar("times", default=Choice())  # noqa: B039 - it is frozen


def current() -> Choice:
    """The choice of who is answered now."""
    return CURRENT.get()


class TimesMiddleware:
    """Answers each request in the times that its cookie asks for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        choice = Choice.parse(request.COOKIES.get(COOKIE, ""))
        token = CURRENT.set(choice)
        try:
            with timezone.override(choice.place or timezone.get_default_timezone()):
                return self.get_response(request)
        finally:
            CURRENT.reset(token)
