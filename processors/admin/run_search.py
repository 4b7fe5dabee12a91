"""The search field of the runs: `#17`, a processor's name, `worker:…`, `error:…`, or plain text.

A number and a processor are found by their indexes among any number of runs; workers and errors
are looked for among the newest batches and attempts. The page says so.
"""

from django.db.models import Q

from processors.admin.filters import newest
from processors.admin.run_filters import FOUND, WINDOW
from processors.models import Attempt, Batch, Processor, Run

NAMED = 100  # processors that a search by name looks through


def meaning(query: str) -> Q:
    """Which runs a query means; costs up to seven queries of its own."""
    field, colon, text = query.strip().partition(":")
    text = text.strip().strip('"')
    if colon and text and field in ("worker", "error"):
        return Q(pk__in=of_worker(text) if field == "worker" else of_error(text))
    term = query.strip().removeprefix("#")
    if not term:
        return Q()
    asked = Processor.objects.order_by("pk").values_list("pk", flat=True)
    if term.isdecimal() and len(term) < 19:  # all processors are named, for the index
        return Q(processor__in=list(asked), seq=int(term))
    named = list(asked.filter(name__icontains=term)[:NAMED])
    found = of_worker(term) | of_error(term)
    if not named or not found:
        return Q(processor__in=named) if named else Q(pk__in=found)
    return Q(processor__in=named) | Q(pk__in=found)


def of_worker(text: str) -> set[int]:
    """Runs in which a worker of this name held records."""
    held = newest(Batch.objects.order_by(), WINDOW).filter(owner__icontains=text)
    return set(held.values_list("run", flat=True).distinct()[:FOUND])


def of_error(text: str) -> set[int]:
    """Runs that ended with such an error, or in which a record had one."""
    says = Q(message__icontains=text) | Q(error_type__icontains=text)
    tried = newest(Attempt.objects.failures().order_by(), WINDOW).filter(says)
    ended = newest(Run.objects.order_by(), WINDOW).filter(fault_reason__icontains=text)
    return set(tried.values_list("run", flat=True).distinct()[:FOUND]) | set(
        ended.values_list("pk", flat=True)[:FOUND]
    )
