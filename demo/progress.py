"""Says in words where a registration is; knows of a record what `find_record` tells."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import processors

# A registration that nobody took for so long probably waits for an operator.
PATIENCE = timedelta(seconds=30)


@dataclass(frozen=True)
class Progress:
    """For the page: `tone` colours it, and a final one is not asked for again."""

    title: str
    detail: str
    tone: str
    is_final: bool = False


FINAL = {
    "done": Progress("Done", "Your registration is stored.", "ok", is_final=True),
    "skipped": Progress("Closed", "An operator closed this registration.", "idle", is_final=True),
    "dead": Progress("Not accepted", "It could not be registered.", "bad", is_final=True),
    "parked": Progress(
        "Being looked at", "A person has to decide about it.", "warn", is_final=True
    ),
}
IN_HAND = Progress("Being handled", "A worker has it in hand.", "run")
WAITING = Progress("Waiting", "The next free worker takes it.", "idle")
FORGOTTEN = Progress(
    "Waiting",
    "It is safely stored, but nobody takes it: the processor “registrations” may be stopped, or "
    "no worker may be running. It is handled as soon as an operator starts them.",
    "warn",
)
AGAIN = Progress("Waiting for another try", "The last try failed; it is tried again.", "warn")


def describe(record: "processors.RecordView", now: datetime) -> Progress:
    """Where this record is, seen at `now`."""
    if record.state in FINAL:
        return FINAL[record.state]
    if record.state == "claimed":
        return IN_HAND
    if record.attempts:
        return AGAIN
    return FORGOTTEN if now - record.updated_at > PATIENCE else WAITING
