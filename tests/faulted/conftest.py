"""Records that all fail, and looks at the processor that they stopped."""

from processors.models import Processor, Record
from processors.states import RecordState

FAILING = {f"bad-{n:04}": {"do": "raise"} for n in range(300)}
LATER = {"base_seconds": 600, "cap_seconds": 600}


def faulted(processor: Processor) -> str:
    """Why it was stopped; empty where it was not."""
    processor.refresh_from_db()
    return processor.fault_reason


def touched() -> int:
    return Record.objects.exclude(state=RecordState.READY, attempts=0, crashes=0).count()
