"""`manage.py tick`: the scheduler's work, once or without end."""

import dataclasses
import os
import signal
import socket
import threading
from typing import Any

from django.core.management.base import CommandParser
from django.db import DatabaseError, InterfaceError, connections

from processors import maintenance
from processors.management.options import seconds
from processors.management.terminal import TerminalCommand, database_sentence

MAX_WAIT_SECONDS = 30.0


class Command(TerminalCommand):
    """Any number may run at once, with or without rqscheduler."""

    help = "Begin due cycles, end finished ones, take back what lost workers held."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--loop", action="store_true", help="until it is told to leave")
        parser.add_argument(
            "--seconds", type=seconds, default=1.0, help="between two ticks of --loop (1)"
        )
        parser.add_argument("--json", action="store_true", help="print JSON, a line per tick")

    def handle(self, *, loop: bool, json: bool, **options: Any) -> None:
        if loop:
            return self.keep_ticking(options["seconds"], json=json)
        return self.tell(maintenance.tick(), json=json)

    def keep_ticking(self, pause: float, *, json: bool) -> None:
        """Tick until SIGTERM or Ctrl-C; trouble is said and waited out."""
        leaving, wait = threading.Event(), pause
        signal.signal(signal.SIGTERM, lambda *_: leaving.set())
        name = f"{socket.gethostname()}:{os.getpid()} (tick)"
        while not leaving.is_set():
            try:
                ticked = maintenance.tick()
                maintenance.note_scheduler(name)
                wait = pause
                if any(dataclasses.astuple(ticked)):
                    self.tell(ticked, json=json)
            except (DatabaseError, InterfaceError) as error:
                wait = max(pause, min(wait * 2, MAX_WAIT_SECONDS))
                self.stderr.write(f"{database_sentence(error)} Again in {wait:.0f} s.")
                connections.close_all()
            leaving.wait(wait)

    def tell(self, ticked: maintenance.Ticked, *, json: bool) -> None:
        """What one tick did."""
        numbers = dataclasses.asdict(ticked)
        if json:
            return self.say_json(numbers, indent=None)
        return self.say(", ".join(f"{name} {number}" for name, number in numbers.items()))
