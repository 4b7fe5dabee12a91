"""What Celery's and RQ's workers do with a message: hand-written SQL, safe to be called twice.

A thread keeps its connection, as Celery's and RQ's users do.
"""

import threading
from functools import cache

from benchmarks.databases import Database
from benchmarks.labour import leave_moment
from benchmarks.rivals.assignment import Assignment
from benchmarks.rivals.bare import finish

READ_ONE = "SELECT body FROM goods WHERE id = %s AND status = 'NEW' FOR UPDATE"
FINISH_ONE = "UPDATE goods SET status = 'DONE' WHERE id = %s"
# As the bare loop: first visibly taken, so that a message that comes twice takes nothing twice.
TAKE_MANY = """
UPDATE goods SET status = 'TAKEN' WHERE id = ANY(%s) AND status = 'NEW' RETURNING id, body
"""

READ_ROW = "SELECT body FROM goods WHERE id = %s"

_kept = threading.local()


@cache
def assignment() -> Assignment:
    return Assignment.of_process()


def database() -> Database:
    """This thread's connection."""
    if not hasattr(_kept, "database"):
        _kept.database = Database(assignment().database_url)
    kept: Database = _kept.database
    return kept


def treat_one(key: int) -> None:
    """One record, one transaction."""
    with database().transaction():
        for (text,) in database().run(READ_ONE, [key]):
            assignment().do(key, text)
            database().run(FINISH_ONE, [key])


def treat_many(keys: list[int]) -> None:
    """A batch in two transactions: take, then finish."""
    with database().transaction():
        rows = database().run(TAKE_MANY, [keys])
    for key, text in rows:
        assignment().do(key, text)
    finish(database(), [key for key, _ in rows])


def note_moment(key: str) -> None:
    """When a task began."""
    leave_moment(assignment().trace, key)


def note_row(key: int) -> None:
    """When a task had read what it is for."""
    for _ in database().run(READ_ROW, [key]):
        leave_moment(assignment().trace, str(key))
