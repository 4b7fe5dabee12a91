"""A page waits for Redis once: after that it takes for granted that there is no answer.

A request asks Redis in several places. Where it hangs (the connection stands, nothing arrives),
each of these would wait its second again. The next request tries anew.
"""

import threading
from collections.abc import Callable
from typing import Any

from django.core.signals import request_finished, request_started
from django.dispatch import receiver
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import TimeoutError as TimedOut
from redis.retry import Retry


class Request(threading.local):
    """The request that this thread answers; outside of one nothing is remembered."""

    is_open = False
    has_waited = False


request = Request()


@receiver(request_started)
def begin(**_: Any) -> None:
    """A request comes in."""
    request.is_open, request.has_waited = True, False


@receiver(request_finished)
def end(**_: Any) -> None:
    """It was answered."""
    request.is_open, request.has_waited = False, False


class OnceForARequest(Retry):
    """A connection's way to try again; all that is sent, and every connecting, goes through it."""

    def call_with_retry(self, do: Callable[[], Any], *args: Any, **kwargs: Any) -> Any:
        """Do it, unless it was in vain already. Raises what `do` raises, or Disconnected."""
        if request.has_waited:
            raise Disconnected("Redis did not answer a moment ago.")
        try:
            return super().call_with_retry(do, *args, **kwargs)
        except (Disconnected, TimedOut):
            request.has_waited = request.is_open
            raise
