"""`manage.py prune`: remove old history."""

from typing import Any

from django.core.management.base import CommandParser

from processors.clock import database_now
from processors.management.options import whole_number
from processors.management.terminal import TerminalCommand
from processors.retention import Retention, prune

KEPT = Retention()
DAYS = whole_number(1, 36_500)


class Command(TerminalCommand):
    """Dead letters, parked records and every processor's last run always stay."""

    help = "Remove old runs, settled records and audit lines, in small steps."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say how many")
        parser.add_argument("--json", action="store_true", help="print JSON")
        for name, what in (
            ("runs", "runs, their batches and attempts"),
            ("records", "done and skipped records"),
            ("events", "the audit"),
        ):
            days = getattr(KEPT, f"{name}_days")
            parser.add_argument(
                f"--{name}-days", type=DAYS, default=days, metavar="N", help=f"keep {what} ({days})"
            )

    def handle(self, *, dry_run: bool, json: bool, **days: Any) -> None:
        retention = Retention(days["runs_days"], days["records_days"], days["events_days"])
        removed = prune(retention, now=database_now(), dry_run=dry_run)
        if json:
            return self.say_json({**removed, "dry_run": dry_run})
        counts = ", ".join(f"{number} {name}" for name, number in removed.items())
        return self.say(f"{'Would remove' if dry_run else 'Removed'} {counts}.")
