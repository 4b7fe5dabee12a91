"""Sample notifications for the partner, the same at every call; every 40th names no order."""

from collections.abc import Iterator
from typing import Any

from demo.orders import generate

NAMELESS_EVERY = 40


def sample_notifications(count: int) -> Iterator[dict[str, Any]]:
    """Items for `publish`, keyed so that publishing them again changes nothing."""
    for number, order in enumerate(generate(count), 1):
        yield {
            "key": f"shipped-{number:04d}",
            "payload": {
                # The partner refuses these: something must end among the dead letters.
                "order": "" if number % NAMELESS_EVERY == 0 else order.order_no,
                "customer": order.customer,
                "event": "shipped",
            },
        }
