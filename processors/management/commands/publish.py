"""`manage.py publish`: JSON Lines into an inbox, all of them or none."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from processors.incoming import JsonLines
from processors.management.files import opened
from processors.management.terminal import TerminalCommand
from processors.models import Processor
from processors.publishing import UnknownTarget, publish
from processors.screening import InvalidRecord
from processors.sources.wording import meant
from processors.storable import BadJson


class Command(TerminalCommand):
    """One transaction; memory does not grow with the file."""

    help = (
        'Put records into an inbox: one JSON object a line, {"key": "A-17", "payload": {…}}, '
        "optionally with priority, available_at, expires_at. All are stored, or none."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("target", metavar="SLUG|TOPIC")
        parser.add_argument("file", metavar="FILE|-", nargs="?", default="-")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *, target: str, file: str, json: bool, **_: Any) -> None:
        with opened(file) as stream:
            lines = JsonLines(stream)
            try:
                published = publish(target, lines, read_ahead=True)
            except UnknownTarget as error:
                raise CommandError(unknown(target)) from error
            except (BadJson, InvalidRecord) as error:
                raise CommandError(f"Line {lines.number}: {error} Nothing was stored.") from error
        if json:
            return self.say_json({"new": published.new, "known": published.known})
        return self.say(f"new {published.new}, known {published.known}")


def unknown(target: str) -> str:
    """No inbox of that name, with the one that was probably meant."""
    if Processor.objects.filter(slug=target).exists():
        return f"Processor '{target}' has no inbox: its records come from a table."
    inboxes = Processor.objects.filter(source_kind="inbox").values_list("slug", "topic")
    known = {name for names in inboxes for name in names if name}
    return f"No inbox has the slug or topic '{target[:80]}'{meant(target, known)}"
