"""`manage.py doctor`: what is wrong with this installation, and how to mend it."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from processors.acts import by_command_line
from processors.copies import settle_installation
from processors.diagnosis import Finding, Level, examine, mend
from processors.management.terminal import TerminalCommand, counted


class Command(TerminalCommand):
    """Changes nothing without --fix."""

    help = "Examine this installation; exit 1 where something does not work."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument(
            "--fix", action="store_true", help="mend what can be mended without risk"
        )
        place = parser.add_mutually_exclusive_group()
        place.add_argument(
            "--moved", action="store_true", help="this database is the original in a new place"
        )
        place.add_argument(
            "--copy",
            action="store_true",
            help="this database is a copy and its original goes on: stop all processors here",
        )

    def handle(self, *, json: bool, fix: bool, moved: bool, copy: bool, **_: Any) -> None:
        if moved or copy:
            act = by_command_line("a copy of another installation" if copy else "")
            return self.say(settle_installation(act, as_copy=copy))
        return self.examine(json=json, fix=fix)

    def examine(self, *, json: bool, fix: bool) -> None:
        """Look, mend what may be, and tell. Raises CommandError while errors are left."""
        findings = examine()
        mended = mend(findings) if fix else []
        if json:
            self.say_json({"findings": [as_json(each, each in mended) for each in findings]})
        else:
            self.tell(findings, mended)
        left = [each for each in findings if each not in mended and each.level == Level.ERROR]
        if left:
            raise CommandError(f"{counted(len(left), 'error')} found.")

    def tell(self, findings: list[Finding], mended: list[Finding]) -> None:
        """A finding in two lines: what is wrong, what to do."""
        for each in findings:
            self.say(f"{each.level}: {each.where}: {each.what}")
            self.say("  mended" if each in mended else f"  → {each.mend}")
        if not findings:
            self.say("Nothing is wrong.")


def as_json(finding: Finding, is_mended: bool) -> dict[str, Any]:  # noqa: FBT001
    """A finding for programs."""
    return {
        "level": str(finding.level),
        "where": finding.where,
        "what": finding.what,
        "mend": finding.mend,
        "mended": is_mended,
    }
