"""What must be measured inside Django: `python -m benchmarks.driving moments|pages …`."""

import json
import sys
import time
from typing import Any

import django
from django.db import connection

from benchmarks.latency import send_each


def moments(slug: str, trace: str, count: int) -> None:
    """Publish one record at a time to an idle processor."""
    from processors import publish
    from processors.models import Run

    commits: list[float] = []
    commit = connection.commit

    def noting_commit() -> None:
        commit()
        commits.append(time.time())

    def noting_statement(execute: Any, *given: Any) -> Any:
        result = execute(*given)
        if not connection.in_atomic_block:  # a statement by itself is a commit
            commits.append(time.time())
        return result

    def send(key: str) -> float:
        commits.clear()
        publish(slug, [{"key": key, "payload": {}}])
        return commits[-1]

    connection.ensure_connection()
    connection.commit = noting_commit  # type: ignore[method-assign]
    connection.execute_wrappers.append(noting_statement)
    send_each(count, trace, send, lambda: not Run.objects.active().exists())


def pages(repeats: int) -> None:
    """Open every page of the admin; prints what each cost, as JSON."""
    from benchmarks.visiting import visit_all

    print(json.dumps(visit_all(repeats)))


def main() -> None:
    django.setup()
    if sys.argv[1] == "moments":
        moments(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        pages(int(sys.argv[2]))


if __name__ == "__main__":
    main()
