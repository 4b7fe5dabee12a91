"""The bare loop: claim 500 rows, handle them, finish them; no lease, no history, no stop.

Says `ready`, begins when it gets a line, says how many records it handled when none is left.
"""

import sys

from benchmarks.databases import BATCH, Database
from benchmarks.rivals.assignment import Assignment

# Mark up to 500 waiting rows as taken.
CLAIM_POSTGRES = """
WITH pick AS MATERIALIZED (
     SELECT id FROM goods WHERE status = 'NEW' ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
UPDATE goods AS g SET status = 'TAKEN' FROM pick WHERE g.id = pick.id RETURNING g.id, g.body
"""
CLAIM_SQLITE = """
UPDATE goods SET status = 'TAKEN'
 WHERE id IN (SELECT id FROM goods WHERE status = 'NEW' ORDER BY id LIMIT %s) RETURNING id, body
"""
FINISH_POSTGRES = "UPDATE goods SET status = 'DONE' WHERE id = ANY(%s)"
FINISH_SQLITE = "UPDATE goods SET status = 'DONE' WHERE id IN ({})"


def claim(database: Database) -> list[tuple[int, str]]:
    """The next rows, committed as ours."""
    with database.transaction():
        rows = database.run(CLAIM_POSTGRES if database.is_postgres else CLAIM_SQLITE, [BATCH])
    return [(int(key), str(text)) for key, text in rows]


def finish(database: Database, keys: list[int]) -> None:
    """One statement for all of them, and a commit."""
    with database.transaction():
        if database.is_postgres:
            database.run(FINISH_POSTGRES, [keys])
        else:
            database.run(FINISH_SQLITE.format(", ".join(["%s"] * len(keys))), keys)


def treat(database: Database, assignment: Assignment, rows: list[tuple[int, str]]) -> None:
    """Handle claimed rows."""
    if not assignment.commit_each:
        for key, text in rows:
            assignment.do(key, text)
        return finish(database, [key for key, _ in rows])
    for key, text in rows:
        assignment.do(key, text)
        finish(database, [key])
    return None


def drain(database: Database, assignment: Assignment) -> int:
    """Handle rows until there are none; how many."""
    handled = 0
    while rows := claim(database):
        treat(database, assignment, rows)
        handled += len(rows)
    return handled


def main() -> None:
    assignment = Assignment.of_process()
    database = Database(assignment.database_url)
    database.run("SELECT 1")
    print("ready", flush=True)
    sys.stdin.readline()
    print(drain(database, assignment), flush=True)


if __name__ == "__main__":
    main()
