"""A database that restarts, crashes, is locked, or is behind a bad network."""

import contextlib
import sqlite3
import threading

import psycopg2

from tests.chaos.scene import Fault, Healing, NotNow, Scene
from tests.chaos.site import LEASE_SECONDS
from tests.proxy import Proxy
from tests.servers import PostgresServer

AWAY_SECONDS = (0.1, 4.0)
TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < %s
"""


def server(scene: Scene) -> PostgresServer:
    assert scene.site.postgres is not None
    return scene.site.postgres


def line(scene: Scene) -> Proxy:
    assert scene.site.line is not None
    return scene.site.line


def shop_line(scene: Scene) -> Proxy:
    assert scene.site.shop_line is not None
    return scene.site.shop_line


def restart(scene: Scene) -> Healing:
    server(scene).stop()
    return Healing(server(scene).start, scene.rng.uniform(*AWAY_SECONDS))


def crash(scene: Scene) -> Healing:
    server(scene).kill()
    return Healing(server(scene).start, scene.rng.uniform(*AWAY_SECONDS))


def terminate_backends(scene: Scene) -> None:
    """About half of all sessions."""
    with contextlib.closing(connect(scene)) as session, session.cursor() as cursor:
        cursor.execute(TERMINATE, [0.5])


def terminate_all(scene: Scene) -> Healing:
    """Every session, and those that come after them for a while."""
    ending = threading.Event()

    def go_on() -> None:
        while not ending.wait(0.1):
            with contextlib.suppress(NotNow, psycopg2.Error):
                strike_all(scene)

    strike_all(scene)
    thread = threading.Thread(target=go_on, name="terminator", daemon=True)
    thread.start()

    def leave_off() -> None:
        ending.set()
        thread.join()

    return Healing(leave_off, scene.rng.uniform(0.5, 4))


def strike_all(scene: Scene) -> None:
    with contextlib.closing(connect(scene)) as session, session.cursor() as cursor:
        cursor.execute(TERMINATE, [1.0])


def forbid_writing(scene: Scene) -> Healing:
    """As a standby does that is not promoted yet: sessions are read-only."""
    set_read_only(scene, "on")
    return Healing(lambda: set_read_only(scene, "off"), scene.rng.uniform(0.3, 2) * LEASE_SECONDS)


def set_read_only(scene: Scene, value: str) -> None:
    """For every session of the product: those that are open are ended."""
    with contextlib.closing(connect(scene, "postgres")) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute(f"ALTER DATABASE recordmill SET default_transaction_read_only = {value}")
        cursor.execute(TERMINATE, [1.0])


def lock_our_records(scene: Scene) -> Healing:
    """A migration of ours, or a VACUUM FULL, that takes its time."""
    return hold(scene, "LOCK TABLE processors_record IN ACCESS EXCLUSIVE MODE")


def connect(scene: Scene, name: str = "recordmill"):  # type: ignore[no-untyped-def]
    """A session past the proxy. Raises NotNow while the server is away."""
    try:
        return psycopg2.connect(server(scene).url(name), connect_timeout=2)
    except psycopg2.OperationalError as error:
        raise NotNow from error


def lock_rows(scene: Scene) -> Healing:
    """Somebody else's transaction holds half of the waiting goods."""
    return hold(scene, "SELECT id FROM goods WHERE status = 'NEW' AND id % 2 = 0 FOR UPDATE")


def alter_table(scene: Scene) -> Healing:
    """A migration of the user's that waits before it commits: nobody can read the table."""
    name = f"extra_{scene.rng.randrange(10**9)}"
    return hold(scene, f"ALTER TABLE goods ADD COLUMN {name} int")


def read_for_long(scene: Scene) -> Healing:
    """A transaction that keeps dead rows from being removed."""
    return hold(scene, "SELECT txid_current()")


def hold(scene: Scene, statement: str) -> Healing:
    """Run it and leave its transaction open, then roll back."""
    session = connect(scene)
    try:
        with session.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
            cursor.execute(statement)
    except psycopg2.Error as error:
        session.close()
        raise NotNow from error
    return Healing(session.close, scene.rng.uniform(1, 8))


def cut(scene: Scene) -> None:
    line(scene).cut()


def cut_in_mid_sentence(scene: Scene) -> Healing:
    line(scene).weather.cut_after_bytes = scene.rng.randrange(2_000, 60_000)
    line(scene).cut()
    return Healing(line(scene).clear_up, scene.rng.uniform(1, 5))


def silence(scene: Scene) -> Healing:
    line(scene).weather.is_silent = True
    return Healing(line(scene).clear_up, scene.rng.uniform(0.3, 2) * LEASE_SECONDS)


def slow_down(scene: Scene) -> Healing:
    line(scene).weather.delay_seconds = scene.rng.uniform(0.005, 0.05)
    return Healing(line(scene).clear_up, scene.rng.uniform(1, 8))


def cut_shop(scene: Scene) -> None:
    shop_line(scene).cut()


def refuse_shop(scene: Scene) -> Healing:
    shop_line(scene).weather.is_refusing = True
    shop_line(scene).cut()
    return Healing(shop_line(scene).clear_up, scene.rng.uniform(0.5, 8))


ON_POSTGRES = (
    Fault("F31", "Postgres restarted, away up to 4 s", restart, 5, "postgres"),
    Fault("F32", "Postgres crashed, away up to 4 s", crash, 5, "postgres"),
    Fault("F34", "half of all sessions terminated", terminate_backends, 8),
    Fault("F34", "connections to Postgres cut", cut, 8),
    Fault("F34", "connections to Postgres cut in mid-sentence", cut_in_mid_sentence, 6, "line"),
    Fault("F34", "all sessions terminated, for up to 4 s", terminate_all, 5),
    Fault("F36", "Postgres read-only, up to 2 leases", forbid_writing, 5, "postgres"),
    Fault("F39", "our table of records locked, up to 8 s", lock_our_records, 4),
    Fault("F35", "network to Postgres half-open, up to 2 leases", silence, 6, "line"),
    Fault("F35", "network to Postgres slow, up to 50 ms each way", slow_down, 6, "line"),
    Fault("F38", "rows of the source locked by somebody else", lock_rows, 6, "goods"),
    Fault("F39", "ALTER TABLE held open during a run", alter_table, 4, "goods"),
    Fault("F40", "a long transaction beside it", read_for_long, 3, "goods"),
    Fault("F74", "connections to the other database cut", cut_shop, 5),
    Fault("F74", "the other database refuses, up to 8 s", refuse_shop, 5, "shop"),
)


def hold_file(scene: Scene) -> Healing:
    """Another process writes for long."""
    session = sqlite3.connect(scene.site.file, isolation_level=None, timeout=1)
    try:
        session.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        session.close()
        raise NotNow from error
    return Healing(session.close, scene.rng.uniform(0.5, 2) * LEASE_SECONDS)


ON_SQLITE = (
    Fault("F44", "the file's only writer stands still, up to 2 leases", hold_file, 10, "file"),
)
