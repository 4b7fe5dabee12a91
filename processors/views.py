"""Health for machines: `/healthz` (this process) and `/readyz` (all that the work needs)."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from processors.clock import database_now
from processors.models import Installation, Processor
from processors.queues import queue_states

ANSWER_SECONDS = 1.8  # of the two that a caller may wait
SCHEDULER_SILENT = timedelta(seconds=60)

Finding = tuple[bool, str]


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers; nothing else is looked at."""
    return HttpResponse("ok", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """`{"database": "ok", …}` with 200, or with 503 and the sentence of what is missing."""
    found = look({"database": look_at_database, "queues": look_at_queues})
    answer = {
        **spread(found["database"], "database", "scheduler"),
        **spread(found["queues"], "redis", "workers"),
    }
    is_ready = all(fine for fine, _ in answer.values())
    words = {name: answer[name][1] for name in ("database", "redis", "workers", "scheduler")}
    return JsonResponse(words, status=200 if is_ready else 503)


Findings = dict[str, Finding]


def look(looks: dict[str, Callable[[], Findings]]) -> dict[str, Findings]:
    """Look at everything at once; what does not answer in time has no finding."""
    pool = ThreadPoolExecutor(len(looks))
    futures: dict[str, Future[Findings]] = {name: pool.submit(act) for name, act in looks.items()}
    wait(futures.values(), timeout=ANSWER_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    return {name: future.result() if future.done() else {} for name, future in futures.items()}


def spread(found: Findings, *names: str) -> Findings:
    """The findings by name; a missing one did not answer in time."""
    late = (False, f"no answer within {ANSWER_SECONDS:g} s")
    return {name: found.get(name, late) for name in names}


def look_at_database() -> Findings:
    """The database and what it knows of the scheduler."""
    try:
        now, seen = database_now(), Installation.this().scheduler_seen_at
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "not ready"
        word = f"does not answer ({type(error).__name__})"
        return {"database": (False, word), "scheduler": (False, "unknown")}
    finally:
        connection.close()
    if seen is None or now - seen > SCHEDULER_SILENT:
        return {"database": (True, "ok"), "scheduler": (False, "none has ticked for a minute")}
    return {"database": (True, "ok"), "scheduler": (True, "ok")}


def queues_in_use() -> list[str]:
    """All of them while the database cannot tell."""
    try:
        return Processor.objects.queues_in_use()
    except DatabaseError:
        return list(settings.QUEUES)
    finally:
        connection.close()


def look_at_queues() -> Findings:
    """Redis, and whether every queue that is used has a listener; the first where none is."""
    queues = queue_states(queues_in_use() or settings.QUEUES[:1])
    if any(queue.workers is None for queue in queues):
        return {"redis": (False, "does not answer"), "workers": (False, "unknown")}
    without = [queue.name for queue in queues if not queue.workers]
    if without:
        return {"redis": (True, "ok"), "workers": (False, f"none listens to {', '.join(without)}")}
    return {"redis": (True, "ok"), "workers": (True, "ok")}
