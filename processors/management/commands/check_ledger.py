"""`manage.py check_ledger`: is everything that must always be true still true?"""

import dataclasses
from typing import Any

from django.core.management.base import CommandError, CommandParser

from processors.ledger_check import AT_REST, QUESTIONS, check
from processors.management.terminal import TerminalCommand, counted


class Command(TerminalCommand):
    """Reads only, and may run beside working workers."""

    help = "Check the invariants of the ledger; exit 1 and a list where one is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument(
            "--all", action="store_true", help="the whole history, not only the last day's"
        )
        parser.add_argument(
            "--at-rest",
            action="store_true",
            help="nothing is to be done any more: what still waits is broken as well",
        )

    def handle(self, *, json: bool, at_rest: bool, **options: Any) -> None:
        questions = AT_REST if at_rest else QUESTIONS
        broken = check(questions, whole_history=options["all"])
        if json:
            found = [dataclasses.asdict(breach) for breach in broken]
            self.say_json({"questions": len(questions), "broken": found})
        else:
            for breach in broken:
                self.say(str(breach))
        if broken:
            raise CommandError(f"The ledger is broken in {counted(len(broken), 'place')}.")
        if not json:
            self.say(f"The ledger is in order ({len(questions)} questions).")
