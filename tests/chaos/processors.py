"""The processors of the soup: every kind of effect, every kind of source."""

from typing import Any

from processors import definitions
from processors.models import Processor
from tests.tables import Table

SHARED: dict[str, Any] = {
    "parallelism": 2,
    "max_attempts": 4,
    "backoff": {"base_seconds": 1, "cap_seconds": 3},
    "record_timeout_seconds": 30,
}
ON_ARRIVAL = {"kind": "arrival"}
EVERY_SECOND = {"kind": "interval", "pause_seconds": 1}


def make_all(far_end: str) -> dict[str, Processor]:
    """Fast and atomic, slow and outside, flaky; on inboxes and on tables here and elsewhere."""
    own, elsewhere = Table("default"), Table("shop")
    deliver = {"url": far_end, "seconds": 0.03}
    return {
        "fast": make("fast", "effect", batch_size=50, trigger=ON_ARRIVAL),
        "slow": make("slow", "deliver", options=deliver, batch_size=20, trigger=EVERY_SECOND),
        "flaky": make("flaky", "flaky", batch_size=20, trigger=ON_ARRIVAL),
        "goods": make("goods", "effect", own.source(), batch_size=50, trigger=EVERY_SECOND),
        "elsewhere": make(
            "elsewhere",
            "deliver",
            elsewhere.source(),
            options={"url": far_end, "seconds": 0.0},
            batch_size=50,
            trigger=EVERY_SECOND,
        ),
    }


def make(
    slug: str, handler: str, source: dict[str, Any] | None = None, **definition: Any
) -> Processor:
    """One processor, as `processor load` would make it."""
    data = {
        "slug": slug,
        "name": slug.capitalize(),
        "handler": f"handling.{handler}",
        "source": source or {"kind": "inbox"},
        **SHARED,
        **definition,
    }
    return Processor.objects.create(**definitions.clean(data))
