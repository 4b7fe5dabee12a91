"""What a worker must know before its first claim."""

import uuid
from dataclasses import dataclass

from processors.models import Run
from processors.protocol.working import RUN_IN_FULL, run_from
from processors.sources.prepared import Unprepared, prepared

# All that a shift needs to know before its first claim, in one round trip.
ASSIGNMENT = """
SELECT {run}, processor.record_timeout_seconds AS time_limit,
       installation.identity AS identity, installation.home AS home
  FROM processors_run AS run
  JOIN processors_processor AS processor ON processor.id = run.processor_id
  JOIN processors_installation AS installation ON installation.id = 1
 WHERE run.id = %s
"""


@dataclass(frozen=True)
class Assignment:
    """A run to work on; `identity` and `home` are the installation's.

    The limit is that of a record, in seconds.
    """

    run: Run
    identity: str
    home: str
    time_limit_seconds: int

    @classmethod
    def find(cls, run_id: int) -> "Assignment | None":
        """None for a run that is not known."""
        try:
            asked = ASSIGNMENT.format(run=RUN_IN_FULL)
            rows = prepared("default").fetch(asked, [run_id], one_plan=True)
        except Unprepared:
            return cls.find_unprepared(run_id)
        for *columns, time_limit, identity, home in rows:
            return cls(run_from(columns), str(identity), home, time_limit)
        return None

    @classmethod
    def find_unprepared(cls, run_id: int) -> "Assignment | None":
        """The same on SQLite, where everything is read through the ORM."""
        for run in Run.objects.raw(ASSIGNMENT.format(run="run.*"), [run_id]):
            found = vars(run)
            identity = str(uuid.UUID(str(found["identity"])))
            return cls(run, identity, found["home"], found["time_limit"])
        return None
