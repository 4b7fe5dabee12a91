"""Acts on many failed records, done in the background: `begin` in a request, `work` in a worker.

Each step is one transaction with its count, so that nothing is counted twice or forgotten,
whoever dies; two workers at the same act wait for each other. Redis only wakes.
"""

import time
from collections import Counter
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction

from processors import dead_letters, queues
from processors.acts import Act, Refused
from processors.clock import database_now
from processors.cycle.shift import Leaving
from processors.models import Actor, BulkAct
from processors.selection import Selection

BUDGET_SECONDS = 30.0  # after which a job hands over to its successor


def begin(what: str, selection: Selection, words: str, expected: int, act: Act) -> BulkAct:
    """Note what is to be done, and wake a worker for it. Raises PermissionDenied."""
    act.require(dead_letters.MANAGE_DEAD)
    if selection.processor_id is not None:
        act.find(selection.processor_id)
    now = database_now()
    made: BulkAct = BulkAct.objects.create(
        what=what,
        selection=selection.as_json(),
        words=words,
        reason=act.reason,
        user=act.actor.user,
        actor=act.actor.name,
        expected=expected,
        started_at=now,
        seen_at=now,
    )
    transaction.on_commit(lambda: queues.wake_for_act(made.pk), robust=True)
    return made


def work(act_id: int) -> None:
    """Go on with an act until nothing is left, or until somebody else should have a turn."""
    until = time.monotonic() + BUDGET_SECONDS
    while step(act_id):
        if Leaving.asked or time.monotonic() > until:
            queues.wake_for_act(act_id)
            return


def step(act_id: int) -> bool:
    """Some hundred records; whether there may be more."""
    try:
        with transaction.atomic():
            found = BulkAct.objects.open().select_for_update(no_key=True).filter(pk=act_id).first()
            return found is not None and move_some(found, database_now())
    except (Refused, PermissionDenied) as trouble:
        end(BulkAct.objects.get(pk=act_id), str(trouble))
        return False


def move_some(found: BulkAct, now: datetime) -> bool:
    """One step of an act that is ours for this transaction."""
    act, selection = as_act(found), Selection.from_json(found.selection)
    act.require(dead_letters.MANAGE_DEAD)  # who lost the right meanwhile moves nothing more
    moved = dead_letters.treat_some(found.what, selection, act, found.started_at)
    if moved:
        found.note(dict(moved), now)
        return True
    end(found)
    return False


def end(found: BulkAct, trouble: str = "") -> None:
    """It is over: note it, tell the processors' logs, and let what is retried begin."""
    if found.has_ended:
        return
    found.end(database_now(), trouble)
    moved = Counter({int(processor_id): number for processor_id, number in found.moved.items()})
    dead_letters.conclude(found.what, moved, as_act(found))


def as_act(found: BulkAct) -> Act:
    """On whose behalf it is done, with that person's rights as they are now."""
    return Act(Actor(found.actor, found.user), found.reason)
