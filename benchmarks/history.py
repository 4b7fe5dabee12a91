"""A large history in the product's tables, such as years of work leave it (Postgres).

A run a minute, shared evenly by ten processors, and one that has not run since the beginning:
what few rows belong to is found last by whoever reads the newest first. One run goes on.
"""

from dataclasses import dataclass

from benchmarks import product
from benchmarks.cloning import clone
from benchmarks.databases import Database
from benchmarks.findings import say
from benchmarks.product import Setup
from benchmarks.servers import Site


@dataclass(frozen=True)
class Size:
    """How much history there is."""

    runs: int
    records: int
    attempts: int


SMALL = Size(20_000, 200_000, 20_000)
FULL = Size(1_000_000, 10_000_000, 1_000_000)

EVEN = 10  # processors that share the work
OF_THE_SELDOM = 50  # runs, and records, of the one that works no more
IS_SELDOM = f"n <= {OF_THE_SELDOM}"
OWNER = f"""
(ARRAY(SELECT id FROM processors_processor ORDER BY id))
[CASE WHEN {IS_SELDOM} THEN {EVEN + 1} ELSE 1 + n %% {EVEN} END]
"""
RUN_AT = "now() - (%(runs)s - n) * interval '1 min'"
RECORD_AT = "now() - (%(records)s - n) * interval '100 ms'"
# Of the records the newest half per cent wait, one of a hundred is dead, some are parked.
WAITS = "n > %(records)s * 0.995"
IS_DEAD = "n %% 100 = 0"
ERROR = "n / 100 %% 100"  # a hundred kinds

# Each as the product has written one: table, what it is made for, and how it differs.
HISTORY: list[tuple[str, str, dict[str, str]]] = [
    (
        "processors_processor",
        f"generate_series(2, {EVEN} + 1) AS n",
        {"slug": "one.slug || '-' || n", "name": "one.name || ' ' || n"},
    ),
    (
        "processors_run",
        "generate_series(1, %(runs)s) AS n",
        {
            "processor_id": OWNER,
            "seq": f"one.seq + CASE WHEN {IS_SELDOM} THEN n ELSE n / {EVEN} END",
            "state": "CASE WHEN n %% 997 = 0 THEN 'failed'"
            " WHEN n %% 499 = 0 THEN 'stopped' ELSE 'finished' END",
            "trigger": "CASE WHEN n %% 5003 = 0 THEN 'retry' WHEN n %% 7 = 0 THEN 'manual'"
            " WHEN n %% 3 = 0 THEN 'arrival' ELSE 'schedule' END",
            "dead": "CASE WHEN n %% 19 = 0 THEN 1 ELSE 0 END",
            "done": "CASE WHEN n %% 19 = 0 THEN 0 ELSE 1 END",
            "started_at": RUN_AT,
            "ended_at": f"{RUN_AT} + n %% 50 * interval '1 s'",
            "slot": "NULL",
        },
    ),
    (
        "processors_batch",
        "(SELECT * FROM processors_run ORDER BY id OFFSET 1) AS run",
        {
            "run_id": "run.id",
            "token": "gen_random_uuid()",
            "dead": "run.dead",
            "done": "run.done",
            "opened_at": "run.started_at",
            "closed_at": "run.ended_at",
        },
    ),
    (
        "processors_runhour",
        "generate_series(1, %(runs)s / 60) AS n, processors_processor AS owner",
        {
            "processor_id": "owner.id",
            "hour": "date_trunc('hour', now()) - n * interval '1 hour'",
        },
    ),
    (
        "processors_record",
        "generate_series(1, %(records)s) AS n",
        {
            "processor_id": OWNER,
            "key": "'key-' || n",
            "state": f"CASE WHEN {WAITS} THEN 'ready' WHEN n %% 5000 = 0 THEN 'parked'"
            f" WHEN {IS_DEAD} THEN 'dead' WHEN n %% 1000 = 7 THEN 'skipped' ELSE 'done' END",
            "maybe_seen": f"{WAITS} AND n %% 10 = 0",
            "last_error": f"CASE WHEN {IS_DEAD} THEN one.last_error || ' ' || {ERROR} ELSE '' END",
            "error_type": f"CASE WHEN {IS_DEAD} THEN one.error_type END",
            "fingerprint": f"CASE WHEN {IS_DEAD} THEN md5(({ERROR})::text) END",
            "created_at": RECORD_AT,
            "available_at": RECORD_AT,
            "settled_at": f"CASE WHEN NOT {WAITS} THEN {RECORD_AT} END",
        },
    ),
    (
        "processors_attempt",
        """
        (SELECT id, processor_id, fingerprint, failed_at, created_at, row_number() OVER () AS n
           FROM (SELECT * FROM processors_record OFFSET 1) AS all_but_the_first
          ORDER BY failed_at IS NULL, id DESC LIMIT %(attempts)s) AS record
        JOIN (SELECT id, run_id, row_number() OVER (ORDER BY id DESC) AS n
                FROM processors_batch) AS batch ON batch.n = 1 + record.n %% %(runs)s
        """,
        {
            "processor_id": "record.processor_id",
            "record_id": "record.id",
            "run_id": "batch.run_id",
            "batch_id": "batch.id",
            "outcome": "CASE WHEN record.failed_at IS NULL THEN 'retry' ELSE one.outcome END",
            "fingerprint": "coalesce(record.fingerprint, md5((record.n %% 100)::text))",
            "at": "record.created_at",
        },
    ),
    (
        "processors_event",
        "(SELECT * FROM processors_run ORDER BY id OFFSET 1) AS run, generate_series(0, 1) AS n",
        {
            "processor_id": "run.processor_id",
            "run_id": "run.id",
            "subject": "'run'",
            "action": "(ARRAY['begin', 'end'])[n + 1]",
            "to_state": "(ARRAY['running', 'finished'])[n + 1]",
            "user_id": "NULL",
            "operation": "NULL",
            "details": "NULL",
            "at": "(ARRAY[run.started_at, run.ended_at])[n + 1]",
        },
    ),
]
# The work so far of the run that goes on; its newest batch is in a worker's hand.
ACTIVE = "SELECT id FROM processors_run WHERE ended_at IS NULL"
BATCHES = 1_200
IS_IN_HAND = f"n = {BATCHES}"
WORK = (
    "processors_batch",
    f"generate_series(1, {BATCHES}) AS n, ({ACTIVE}) AS run",
    {
        "run_id": "run.id",
        "token": "gen_random_uuid()",
        "claimed": "500",
        "done": f"CASE WHEN {IS_IN_HAND} THEN 0 ELSE 500 END",
        "dead": "0",
        "opened_at": f"now() - ({BATCHES} - n) * interval '100 ms'",
        "closed_at": f"CASE WHEN {IS_IN_HAND} THEN NULL"
        f" ELSE now() - ({BATCHES} - n - 1) * interval '100 ms' END",
        "state": f"CASE WHEN {IS_IN_HAND} THEN 'leased' ELSE one.state END",
        "close_reason": f"CASE WHEN {IS_IN_HAND} THEN '' ELSE one.close_reason END",
        "lease_until": "now() + interval '1 day'",
    },
)
LAST_NUMBERS = """
UPDATE processors_processor AS processor
   SET last_seq = (SELECT max(seq) FROM processors_run WHERE processor_id = processor.id)
"""


def fill(site: Site, size: Size) -> None:
    """One run with one failed record, by the product itself; the rest by a statement a table."""
    refuse_one(site)
    database = site.open_database()
    params = {"runs": size.runs, "records": size.records, "attempts": size.attempts}
    for table, source, values in HISTORY:
        say(f"filling {table}")
        clone(database, table, source, values, params)
    database.run(LAST_NUMBERS)
    say("beginning a run")
    site.manage("processor", "run", Setup("inbox").slug)
    clone(database, *WORK, {})
    settle(database)


def settle(database: Database) -> None:
    """As after a night."""
    database.settle_down()
    database.close()


def refuse_one(site: Site) -> None:
    """What the others are copies of."""
    setup = Setup("inbox", "refuse")
    product.load(site, setup)
    site.manage("publish", setup.slug, text=next(product.json_lines(1)))
    with site.workers(1):
        product.run(site, setup, may_fail=True)
