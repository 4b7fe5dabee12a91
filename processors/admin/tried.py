"""What a record's page tells of its attempts, with their tracebacks read."""

import re
from dataclasses import dataclass

from django.conf import settings

from processors.models import Attempt, Batch, Record
from processors.states import RecordState

ATTEMPTS = 50
FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>.+)$')
LIBRARIES = ("/site-packages/", "/dist-packages/", "/lib/python", "<frozen ")


@dataclass(frozen=True)
class Frame:
    """One line of a traceback."""

    place: str
    name: str
    source: str
    is_theirs: bool


@dataclass(frozen=True)
class Told:
    """An attempt with its number over all requests, and its traceback read."""

    attempt: Attempt
    rank: int
    request: int
    requests: int
    frames: list[Frame]

    @property
    def own_frame(self) -> Frame | None:
        """Where in the handler's own code it happened."""
        return next((frame for frame in reversed(self.frames) if frame.is_theirs), None)

    @property
    def callers(self) -> list[Frame]:
        """How their code came there, the nearest first."""
        theirs = [frame for frame in self.frames if frame.is_theirs]
        return theirs[-2::-1] if len(theirs) > 1 else []


def told_attempts(record: Record) -> list[Told]:
    """The newest attempts, the newest first, counted over all requests for the key."""
    history = Attempt.objects.filter(record=record)
    rows = history.select_related("run__processor").defer("run__config").order_by("-id")
    shown = list(rows[: ATTEMPTS + 1])
    total, visits = len(shown), sorted({attempt.visit for attempt in shown})
    if total > ATTEMPTS:
        total = history.count()
        visits = list(history.order_by("visit").values_list("visit", flat=True).distinct())
    return [
        Told(
            attempt,
            total - at,
            visits.index(attempt.visit) + 1,
            len(visits),
            frames_of(attempt.traceback),
        )
        for at, attempt in enumerate(shown[:ATTEMPTS])
    ]


def with_error(attempts: list[Told]) -> Told | None:
    """The newest that failed."""
    return next((one for one in attempts if one.attempt.error_type), None)


def quiet_success(record: Record) -> Batch | None:
    """The batch of a success that said nothing, and so has no attempt on record.

    None where an attempt tells it, or a person, or where the batch is not kept any more.
    """
    if record.state != RecordState.DONE or record.batch_id is None:
        return None
    if Attempt.objects.filter(record=record, batch=record.batch_id).exists():
        return None
    return Batch.objects.filter(pk=record.batch_id).select_related("run__processor").first()


def frames_of(traceback: str) -> list[Frame]:
    """The frames of a traceback as Python writes it; none where it is no such text."""
    lines, frames = traceback.splitlines(), []
    for at, line in enumerate(lines):
        found = FRAME.match(line)
        if found:
            following = lines[at + 1] if at + 1 < len(lines) else ""
            source = following.strip() if following.startswith("    ") else ""
            place = f"{short(found['file'])}:{found['line']}"
            frames.append(Frame(place, found["name"], source, is_theirs(found["file"])))
    return frames


def is_theirs(file: str) -> bool:
    """Whether a frame is in code that its reader wrote: not Python's, a library's, or ours."""
    ours = str(settings.BASE_DIR / "processors")
    return not file.startswith(ours) and not any(part in file for part in LIBRARIES)


def short(file: str) -> str:
    """A file without what every path on this machine begins with."""
    return file.removeprefix(f"{settings.BASE_DIR}/")
