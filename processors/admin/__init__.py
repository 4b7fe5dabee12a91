"""What people see: the stock admin site with pages of our own. Rules live elsewhere."""

from processors.admin.accounts import Groups, Users
from processors.admin.attempts import AttemptAdmin
from processors.admin.events import EventAdmin
from processors.admin.processors import ProcessorAdmin
from processors.admin.records import RecordAdmin
from processors.admin.runs import RunAdmin

__all__ = [
    "AttemptAdmin",
    "EventAdmin",
    "Groups",
    "ProcessorAdmin",
    "RecordAdmin",
    "RunAdmin",
    "Users",
]
