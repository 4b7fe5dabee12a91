"""Which workers had records of a run: for all rows of a list by one statement."""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from django.db import connection
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from processors.admin import columns
from processors.admin.run_filters import told

BATCHES = 20  # of each run that are looked at: a long one has thousands, of the same few workers
NAMED = 2  # workers that a row names

# Some batches of one run, whichever its index finds first.
SOME = (
    "SELECT * FROM (SELECT run_id, owner FROM processors_batch WHERE run_id = %s LIMIT %s) AS few"
)


def with_workers(runs: Iterable[Any]) -> None:
    """Give each run its `workers`: how each is told, by its name. One query."""
    listed = {run.pk: run for run in runs}
    for run in listed.values():
        run.workers = {}
    for run_id, owner in some_batches(list(listed)):
        name, words = told(owner)
        listed[run_id].workers[name] = words


def some_batches(ids: list[int]) -> list[tuple[int, str]]:
    """Run and owner of up to BATCHES batches of each; the database reads no more than these."""
    if not ids:
        return []
    with connection.cursor() as cursor:
        limits = [value for pk in ids for value in (pk, BATCHES)]
        cursor.execute(" UNION ALL ".join([SOME] * len(ids)), limits)
        return list(cursor.fetchall())


def shown(run: Any) -> SafeString | str:
    """The workers of a row, each with a way to its other runs; of many only how many."""
    workers = sorted(run.workers.items(), key=itemgetter(1))
    if not workers:
        return columns.nothing()
    if len(workers) > NAMED:
        names = ", ".join(words for _name, words in workers)
        count = _("%(count)s workers") % {"count": len(workers)}
        return format_html('<span title="{}">{}</span>', names, count)
    return format_html_join(
        "",
        "<div>{}{}</div>",
        ((words, columns.narrowing(run, "worker", name, words)) for name, words in workers),
    )
