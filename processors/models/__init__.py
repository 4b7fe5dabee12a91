from processors.models.allowance import Allowance
from processors.models.attempt import Attempt
from processors.models.batch import Batch
from processors.models.bulk_act import BulkAct
from processors.models.door import Actor, StateConflict
from processors.models.event import Event
from processors.models.installation import Installation
from processors.models.lane import IN_LANE, Lane
from processors.models.processor import Processor
from processors.models.record import Record
from processors.models.run import Run
from processors.models.run_hour import RunHour
from processors.models.version import Version

__all__ = [
    "IN_LANE",
    "Actor",
    "Allowance",
    "Attempt",
    "Batch",
    "BulkAct",
    "Event",
    "Installation",
    "Lane",
    "Processor",
    "Record",
    "Run",
    "RunHour",
    "StateConflict",
    "Version",
]
