"""Whether anybody listens to what handlers publish: asked once a second, not for every record.

Who stops listening within that second is noticed when what was published is stored.
"""

import time
from dataclasses import dataclass, field

from processors import publishing

REMEMBERED_SECONDS = 1.0


@dataclass(frozen=True)
class Audience:
    """The slugs and topics that had a listener lately, as monotonic times."""

    heard_at: dict[str, float] = field(default_factory=dict)

    def expect(self, target: str) -> None:
        """Raises UnknownTarget where nobody listens."""
        now = time.monotonic()
        if now - self.heard_at.get(target, -REMEMBERED_SECONDS) < REMEMBERED_SECONDS:
            return
        publishing.find_listeners(target)
        self.heard_at[target] = now
