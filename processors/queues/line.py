"""The line on which pages and the doctor reach Redis: it gives up after a second.

RQ's own ways of asking clean registries on the side, which may run callbacks: whoever only looks
reads keys on this line, in a few round trips.
"""

import socket
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected

from processors.queues.patience import OnceForARequest

PATIENCE_SECONDS = 1


@cache
def line() -> Any:
    """A connection for looking and for operators' acts: it does not let a person wait."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=PATIENCE_SECONDS,
        socket_timeout=PATIENCE_SECONDS,
        # Once more where an idle connection was closed meanwhile; never after a timeout.
        retry=OnceForARequest(NoBackoff(), 1, supported_errors=(Disconnected,)),
    )


def kind_of(error: Exception) -> str:
    """The kind of trouble only: its text may hold an address."""
    is_name = isinstance(error.__cause__ or error.__context__, socket.gaierror)
    return "UnknownHost" if is_name else type(error).__name__


def text(raw: Any) -> str:
    """Whatever bytes somebody put there."""
    return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)


def aware(at: datetime | None) -> datetime | None:
    """RQ keeps UTC, with or without saying so."""
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
