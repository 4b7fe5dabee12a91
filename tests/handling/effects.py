"""What the tests' handlers do: rows that tell of a handling."""

import os
import time

from processors import Context, failpoints
from processors.handlers import Record
from tests.handling.models import Effect


def leave_effect(record: Record, context: Context) -> None:
    """A row that tells of this handling."""
    failpoints.reach("handler.before_effect")
    Effect.objects.create(
        key=record.key,
        idempotency_key=context.idempotency_key,
        run=context.run_id,
        pid=os.getpid(),
        begun_at=time.time(),
    )
    failpoints.reach("handler.after_effect")
