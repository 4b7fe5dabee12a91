"""Puts the messages of a queue's rival into Redis: `python -m benchmarks.rivals.sending …`."""

import sys

import redis
from rq import Queue

from benchmarks.databases import BATCH, NEW
from benchmarks.labour import body
from benchmarks.latency import send_each
from benchmarks.rivals import tasks

CHUNK = 1_000
STORE_ROW = "INSERT INTO goods (id, body, status) VALUES (%s, %s, %s)"


def send_rq(count: int) -> None:
    """A job for each record."""
    queue = Queue("bench", connection=redis.Redis.from_url(tasks.assignment().redis_url))
    for first in range(1, count + 1, CHUNK):
        numbers = range(first, min(first + CHUNK, count + 1))
        queue.enqueue_many(
            [
                Queue.prepare_data("benchmarks.rivals.tasks.treat_one", args=(n,), result_ttl=0)
                for n in numbers
            ]
        )


def send_celery(count: int) -> None:
    """A message for each record."""
    from benchmarks.rivals.celery_app import treat_one

    for number in range(1, count + 1):
        treat_one.delay(number)


def send_celery500(count: int) -> None:
    """A message for each 500 records."""
    from benchmarks.rivals.celery_app import treat_many

    for first in range(1, count + 1, BATCH):
        treat_many.delay(list(range(first, min(first + BATCH, count + 1))))


def send_celery_moments(count: int) -> None:
    """One message at a time to an idle worker."""
    from benchmarks.rivals.celery_app import note_moment

    def send(key: str) -> None:
        note_moment.delay(key)

    send_each(count, tasks.assignment().trace, send, lambda: True)


def send_celery_row_moments(count: int) -> None:
    """The same of rows: stored and committed, then named in a message."""
    from benchmarks.rivals.celery_app import note_row

    database = tasks.database()

    def send(key: str) -> None:
        with database.transaction():
            database.run(STORE_ROW, [int(key), body(int(key)), NEW])
        note_row.delay(int(key))

    send_each(count, tasks.assignment().trace, send, lambda: True)


SENDERS = {
    "rq": send_rq,
    "celery": send_celery,
    "celery500": send_celery500,
    "celery-moments": send_celery_moments,
    "celery-row-moments": send_celery_row_moments,
}

if __name__ == "__main__":
    SENDERS[sys.argv[1]](int(sys.argv[2]))
