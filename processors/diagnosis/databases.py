"""Databases: reached, set up so that a commit is a commit, and on time."""

import os
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors.clock import database_now
from processors.diagnosis.finding import Finding, error, warning
from processors.sources.connecting import Unreachable, connect

WHERE = gettext_lazy("database 'default'")
SKEW_SECONDS = 5.0
LONG_SECONDS = 600
LONG_TRANSACTION_COUNT = 1_000_000  # begun since; some minutes of a busy database
BUSY_TIMEOUT_MS = 5_000
MB = 2**20
LEAST_MB, NO_MB = 100, 10  # free on an SQLite file's disk: a warning, an error
NETWORK_DISKS = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs")

POSTGRES_SETTINGS = """
SELECT name, setting
  FROM pg_settings
 WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit',
                'default_transaction_isolation', 'default_transaction_read_only',
                'transaction_isolation')
"""

# Transactions that keep old rows from being cleaned away, oldest first.
LONG_TRANSACTIONS = """
SELECT pid, coalesce(application_name, ''), extract(epoch FROM clock_timestamp() - xact_start)
  FROM pg_stat_activity
 WHERE xact_start < clock_timestamp() - make_interval(secs => %s) AND pid <> pg_backend_pid()
   AND backend_type = 'client backend'
 ORDER BY xact_start
 LIMIT 5
"""

PREPARED_TRANSACTIONS = """
SELECT gid, extract(epoch FROM clock_timestamp() - prepared)
  FROM pg_prepared_xacts
 WHERE prepared < clock_timestamp() - make_interval(secs => %s)
 ORDER BY prepared
 LIMIT 5
"""


# A standby that is gone, or far behind, keeps old rows (and the log) as a transaction does.
OLD_SLOTS = """
SELECT slot_name, active, coalesce(age(xmin), 0)
  FROM pg_replication_slots
 WHERE NOT active AND restart_lsn IS NOT NULL OR age(xmin) > %s
 ORDER BY slot_name
 LIMIT 5
"""


def reachable() -> Iterator[Finding]:
    """Does our database answer?"""
    try:
        connect("default")
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT 1")
    except Unreachable as trouble:
        yield error(WHERE, str(trouble), _("Start the server, or correct DATABASE_URL."))


def migrations() -> Iterator[Finding]:
    """Are its tables those of this version?"""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        names = ", ".join(f"{each.app_label}.{each.name}" for each, _ in plan[:3])
        more = _(" and %(count)s more") % {"count": len(plan) - 3} if len(plan) > 3 else ""
        yield error(
            WHERE,
            _("Migrations are missing: %(names)s%(more)s.") % {"names": names, "more": more},
            _("Run `manage.py migrate`."),
        )


def sqlite_settings() -> dict[str, Any]:
    """Our connection's own, by their names."""
    found = {}
    with connection.cursor() as cursor:
        for name in ("journal_mode", "synchronous", "busy_timeout"):
            cursor.execute(f"PRAGMA {name}")
            [found[name]] = cursor.fetchone()
    return found


def settings_of_sqlite() -> Iterable[Finding]:
    """Write-ahead log, and transactions that wait for their turn instead of failing."""
    if connection.vendor != "sqlite":
        return
    set_so = sqlite_settings()
    mode, busy_timeout = set_so["journal_mode"], set_so["busy_timeout"]
    if mode not in ("wal", "memory"):
        yield error(
            WHERE,
            _("Its journal mode is %(mode)s: readers and writers wait for each other.")
            % {"mode": mode},
            _("Take init_command out of DATABASE_URL, or keep the file on a local disk."),
        )
    if set_so["synchronous"] < 2 and mode != "memory":
        yield error(
            WHERE,
            _("synchronous is not FULL: after a power cut a commit may be gone."),
            _("Take init_command out of DATABASE_URL."),
        )
    if busy_timeout < BUSY_TIMEOUT_MS:
        yield error(
            WHERE,
            _("Its busy timeout is %(busy_timeout)s ms: workers get 'database is locked'.")
            % {"busy_timeout": busy_timeout},
            _("Take timeout out of DATABASE_URL; it is 20 s by itself."),
        )
    if getattr(connection, "transaction_mode", None) != "IMMEDIATE":
        yield error(
            WHERE,
            _("Transactions are not IMMEDIATE: workers get 'database is locked'."),
            _("Take transaction_mode out of DATABASE_URL."),
        )


def disk_of_sqlite() -> Iterable[Finding]:
    """A file on a network file system loses its locks, and with them records."""
    if connection.vendor != "sqlite":
        return
    kind = disk_of(Path(str(connection.settings_dict["NAME"])).resolve())
    if kind.startswith(NETWORK_DISKS):
        yield error(
            WHERE,
            _("Its file lies on a network file system (%(kind)s), where locks do not hold.")
            % {"kind": kind},
            _("Move it to a local disk, or use Postgres."),
        )


def room_of_sqlite() -> Iterable[Finding]:
    """Without room nothing can be written: no outcome, no session of a person who logs in."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor != "sqlite" or not Path(name).is_file():
        return
    left = shutil.disk_usage(name).free // MB
    if left < LEAST_MB:
        level = error if left < NO_MB else warning
        yield level(
            WHERE,
            _("Its disk has %(left)s MB left: when it is full, all work waits.") % {"left": left},
            _("Make room, or move the file to a larger disk: work goes on by itself."),
        )


def disk_of(file: Path) -> str:
    """The kind of file system that a file lies on (Linux); empty where it is not known."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return ""
    kinds = {
        parts[1]: parts[2] for line in mounts.read_text().splitlines() if (parts := line.split())
    }
    above = [place for place in map(str, (file, *file.parents)) if place in kinds]
    return kinds[above[0]] if above else ""


def settings_of_postgres() -> Iterable[Finding]:
    """Durable commits, the isolation that the protocol is made for, and not a standby."""
    if connection.vendor != "postgresql":
        return
    found = postgres_settings()
    for name in ("fsync", "full_page_writes"):
        if found.get(name) == "off":
            yield error(
                WHERE,
                _("%(name)s is off: a crash may damage it.") % {"name": name},
                _("Set %(name)s = on in its settings.") % {"name": name},
            )
    if found.get("synchronous_commit") == "off":
        yield error(
            WHERE,
            _(
                "synchronous_commit is off: a crash may take back outcomes of records that "
                "had effect."
            ),
            _("Set synchronous_commit = on in its settings."),
        )
    names = ("default_transaction_isolation", "transaction_isolation")
    forced = {found.get(name, "read committed") for name in names} - {"read committed"}
    if forced:
        yield warning(
            WHERE,
            _("Transactions are %(names)s: workers will often have to try again.")
            % {"names": ", ".join(sorted(forced))},
            _(
                "Set default_transaction_isolation = 'read committed' for our user, and take "
                "isolation_level out of DATABASE_URL."
            ),
        )
    if found.get("default_transaction_read_only") == "on" or is_read_only():
        yield error(WHERE, _("It is read-only."), _("Point DATABASE_URL at the primary server."))


def is_read_only() -> bool:
    """Whether our database refuses every change: a standby, or a file that is not ours to write."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SHOW transaction_read_only")
            return bool(cursor.fetchone()[0] == "on")
        cursor.execute("PRAGMA query_only")
        is_locked = bool(cursor.fetchone()[0])
    file = Path(str(connection.settings_dict["NAME"]))
    return is_locked or (file.is_file() and not os.access(file, os.W_OK))


def postgres_settings() -> dict[str, str]:
    """The settings that matter to us, by name, as they are in force for our connection."""
    with connection.cursor() as cursor:
        cursor.execute(POSTGRES_SETTINGS)
        return dict(cursor.fetchall())


def long_transactions() -> Iterable[Finding]:
    """Transactions open for ten minutes make every claim slower and slower."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(LONG_TRANSACTIONS, [LONG_SECONDS])
        found = cursor.fetchall()
    for pid, application, age in found:
        yield error(
            WHERE,
            _(
                "Process %(pid)s (%(application)s) keeps a transaction open for %(minutes)s "
                "min: old rows cannot be cleaned away, and claims become slow."
            )
            % {
                "pid": pid,
                "application": application or "unnamed",
                "minutes": f"{float(age) / 60:.0f}",
            },
            _("End it: SELECT pg_terminate_backend(%(pid)s).") % {"pid": pid},
        )


def prepared_transactions() -> Iterable[Finding]:
    """Prepared transactions hold rows and locks although nobody is connected."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(PREPARED_TRANSACTIONS, [LONG_SECONDS])
        found = cursor.fetchall()
    for gid, age in found:
        yield error(
            WHERE,
            _(
                "Prepared transaction '%(gid)s' is %(minutes)s min old: old rows cannot be "
                "cleaned away."
            )
            % {"gid": gid, "minutes": f"{float(age) / 60:.0f}"},
            f"End it: ROLLBACK PREPARED '{gid}'.",
        )


def replication_slots() -> Iterable[Finding]:
    """Slots that nobody reads from keep the log until the disk is full, and may pin old rows."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(OLD_SLOTS, [LONG_TRANSACTION_COUNT])
        found = cursor.fetchall()
    for name, is_active, age in found:
        what = (
            _(
                "Replication slot '%(name)s' is %(age)s transactions behind: old rows cannot be "
                "cleaned away, and claims become slow."
            )
            if is_active
            else _(
                "Nobody reads from replication slot '%(name)s': its log piles up, and old rows it "
                "pins cannot be cleaned away."
            )
        ) % {"name": name, "age": age}
        yield error(
            WHERE,
            what,
            _("Bring its standby back, or end it: SELECT pg_drop_replication_slot('%(name)s').")
            % {"name": name},
        )


def clock() -> Iterator[Finding]:
    """The database's clock decides; another one here makes logs hard to read."""
    ahead = (datetime.now(UTC) - database_now()).total_seconds()
    if abs(ahead) > SKEW_SECONDS:
        which = "ahead of" if ahead > 0 else "behind"
        yield error(
            "this machine",
            _("Its clock is %(seconds)s s %(which)s the database's.")
            % {"seconds": f"{abs(ahead):.0f}", "which": which},
            _("Let both machines follow the same time server."),
        )
