"""Records that all fail, and looks at the processor that they stopped."""

from processors.models import Record
from processors.states import RecordState

FAILING = {f"bad-{n:04}": {"do": "raise"} for n in range(300)}


def touched() -> int:
    return Record.objects.exclude(state=RecordState.READY, attempts=0, crashes=0).count()
