"""The one row that names this installation and holds its common clockwork."""

import uuid
from datetime import datetime, timedelta
from pathlib import Path

from django.db import connection, models, transaction
from django.db.models import Q
from django.utils import timezone


class Installation(models.Model):
    """A single row, made after migrating.

    `identity` begins every idempotency key. `home` says which database the row was made in: in a
    copy, or after a move, it names another one, and nothing runs until a person has said which it
    is. `reaped_at` is the gate of the reaper: one winner per gap. `paused_at`: since when no
    processor begins or claims anything, see `processors.protocol.all_paused`.
    """

    identity = models.UUIDField(default=uuid.uuid4, editable=False)
    home = models.CharField(max_length=500, blank=True, default="", editable=False)
    reaped_at = models.DateTimeField()
    scheduler_seen_at = models.DateTimeField(null=True, blank=True)
    scheduler_name = models.CharField(max_length=200, blank=True, default="")
    paused_at = models.DateTimeField(null=True, blank=True, editable=False)
    paused_until = models.DateTimeField(null=True, blank=True, editable=False)
    paused_by = models.CharField(max_length=200, blank=True, default="", editable=False)
    paused_reason = models.TextField(blank=True, default="", editable=False)

    class Meta:
        default_permissions = ()
        permissions = (
            ("view_queues", "Can see queues and workers"),
            ("manage_queues", "Can empty queues, put jobs back, stop jobs and drain workers"),
            ("view_health", "Can see what is wrong with the installation"),
        )
        constraints = (
            models.CheckConstraint(condition=Q(id=1), name="installation_one_row"),
            models.CheckConstraint(
                condition=Q(paused_at__isnull=False) | Q(paused_until__isnull=True),
                name="installation_ends_only_a_pause",
            ),
        )

    def __str__(self) -> str:
        return str(self.identity)

    @classmethod
    def make(cls) -> None:
        """Add the row where it is missing; one of an older release learns where it is."""
        home = home_of_database()
        cls.objects.get_or_create(pk=1, defaults={"reaped_at": timezone.now(), "home": home})
        cls.objects.filter(pk=1, home="").update(home=home)

    @classmethod
    def this(cls) -> "Installation":
        """The row; costs a query."""
        return cls.objects.get(pk=1)

    @classmethod
    def known_home(cls) -> str:
        """Where the row was made, empty where nobody knows; costs a query."""
        return cls.objects.values_list("home", flat=True).filter(pk=1).first() or ""

    @classmethod
    def settle_here(cls, *, as_copy: bool) -> None:
        """A person has said what this database is: the original, or one with a name of its own."""
        new = {"identity": uuid.uuid4()} if as_copy else {}
        cls.objects.filter(pk=1).update(home=home_of_database(), **new)

    @classmethod
    def pass_gate(cls, *, now: datetime, gap: timedelta) -> bool:
        """Whether the caller is the one to reap now: once per `gap`.

        A clock that jumped ahead and back must not close the gate for ever, so a time that lies
        in the future opens it as well.
        """
        late = Q(reaped_at__lte=now - gap) | Q(reaped_at__gt=now + gap)
        return cls.objects.filter(late, pk=1).update(reaped_at=now) == 1


POSTGRES_HOME = """
SELECT (SELECT system_identifier FROM pg_control_system()), oid
  FROM pg_database
 WHERE datname = current_database()
"""
MACHINE_ID = Path("/etc/machine-id")


def home_of_database() -> str:
    """Names the database that we are connected to, not what is in it; empty where nobody can.

    Postgres: the cluster's own number and the database's. SQLite: the machine and the file's path.
    Asked once in a process for each database.
    """
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        machine = MACHINE_ID.read_text().strip() if MACHINE_ID.exists() else ""
        return f"sqlite:{machine}:{Path(name).resolve()}"
    if connection.vendor != "postgresql":
        return ""
    address = (name, connection.settings_dict["HOST"], str(connection.settings_dict["PORT"]))
    if address not in HOMES:
        HOMES[address] = postgres_home()
    return HOMES[address]


def postgres_home() -> str:
    """`postgres:7400123456789012345:16384`; empty where it may not be read."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT has_function_privilege('pg_control_system()', 'EXECUTE')")
        if not cursor.fetchone()[0]:
            return ""
        cursor.execute(POSTGRES_HOME)
        return "postgres:{}:{}".format(*cursor.fetchone())


HOMES: dict[tuple[str, str, str], str] = {}
