"""What several questions of the doctor are about, read once for an examination."""

from dataclasses import dataclass
from datetime import datetime

from processors.clock import database_now
from processors.models import Installation, Processor
from processors.protocol import all_paused
from processors.protocol.all_paused import AllPaused


@dataclass(frozen=True)
class Tables:
    """The installation's row (None where it is gone), what rests, and the processors by slug."""

    now: datetime
    installation: Installation | None
    pause: AllPaused | None
    processors: list[Processor]

    @classmethod
    def read(cls) -> "Tables":
        """Four queries."""
        return cls(
            database_now(),
            Installation.objects.filter(pk=1).first(),
            all_paused.current(),
            list(Processor.objects.order_by("slug")),
        )

    @property
    def started(self) -> list[Processor]:
        """Those that a person started."""
        return [one for one in self.processors if one.is_started]

    @property
    def with_tables(self) -> list[Processor]:
        """Those whose records are rows of somebody's table."""
        return [one for one in self.processors if one.source_kind == "table"]
