"""Celery with Redis, set up as its documentation advises for work that must not be lost."""

from importlib import import_module
from typing import Any

from benchmarks.rivals import tasks

# By name: Celery is installed where it is measured and has no types.
celery: Any = import_module("celery")

app = celery.Celery("benchmark", broker=tasks.assignment().redis_url)
app.conf.update(
    task_default_queue="bench",
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=tasks.assignment().prefetch,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 3600},
)
treat_one = app.task(name="treat_one")(tasks.treat_one)
treat_many = app.task(name="treat_many")(tasks.treat_many)
note_moment = app.task(name="note_moment")(tasks.note_moment)
note_row = app.task(name="note_row")(tasks.note_row)
