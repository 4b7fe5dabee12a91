"""What every command of ours has in common: one clear line on error, and manners in a pipe.

A command raises CommandError, or lets an error of `acts`, `publishing` or the database
through: whoever typed it reads one sentence and gets an exit code that is not 0.
"""

import json
import os
import signal
import sys
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    OutputWrapper,
)
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError

from processors.acts import Refused
from processors.models import Processor
from processors.screening import PublishingError
from processors.sources.base import SourceTrouble
from processors.sources.connecting import connect_sentence
from processors.sources.dialect import is_full
from processors.sources.wording import meant
from processors.storable import has_half_character

INTERRUPTED = 130  # 128 + SIGINT, as a shell says it
WRONG_USAGE = 2
READER_GONE = 141  # 128 + SIGPIPE
SHOWN = 40  # characters of what was typed, in a sentence about it
NO_TABLES = ("no such table", "no such column")


class OutputLost(Exception):
    """What was to be shown could not be written: a full disk behind a `>`."""


class TerminalCommand(BaseCommand):
    """A command of ours."""

    # Each looks for itself at what it needs; the checks of the whole project only cost a second.
    requires_system_checks: list[str] = []

    def run_from_argv(self, argv: list[str]) -> None:
        """From a shell; see `told_in_one_line`."""
        self._open_what_is_closed()
        with told_in_one_line(self.stderr.write), ended_at_once_by_the_second_ctrl_c():
            if any(has_half_character(word) for word in argv):
                self.stderr.write("error: an argument is not UTF-8.")
                sys.exit(WRONG_USAGE)
            super().run_from_argv(argv)
            with writing():
                sys.stdout.flush()

    def _open_what_is_closed(self) -> None:
        """Some start a command without an output or an error stream: nobody wants to read it."""
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:
                nowhere = OutputWrapper(Path(os.devnull).open("w"))  # noqa: SIM115 - for all its life
                setattr(self, name, nowhere)
                setattr(sys, name, nowhere)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """One that tells a wrong command line in one line."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        if getattr(self, "_called_from_command_line", False):
            for each in with_verbs(parser):
                each.error = partial(refuse_usage, each)  # type: ignore[method-assign]
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        """From a shell or from a program; raises CommandError for what is expected to happen."""
        try:
            with expected_errors():
                return super().execute(*args, **options)
        except CommandError as error:
            if not getattr(self, "_called_from_command_line", False) or options.get("traceback"):
                raise
            self.stderr.write(f"error: {error}")
            sys.exit(error.returncode)

    def say(self, text: str) -> None:
        """A line for the person or the pipe."""
        with writing():
            self.stdout.write(text)

    def say_json(self, value: Any, indent: int | None = 2) -> None:
        """A value for a program."""
        self.say(json.dumps(value, indent=indent, ensure_ascii=False))


def with_verbs(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    """A parser and those of its subcommands."""
    yield parser
    for action in parser._actions:  # noqa: SLF001 - argparse tells it nowhere else
        if isinstance(action, _SubParsersAction):
            yield from action.choices.values()


def refuse_usage(parser: ArgumentParser, message: str) -> NoReturn:
    """What is wrong with the command line, and where to read on."""
    parser.exit(WRONG_USAGE, f"error: {message.rstrip('.')}. See `{parser.prog} --help`.\n")


@contextmanager
def expected_errors() -> Iterator[None]:
    """Turn what may well happen into CommandError."""
    try:
        yield
    except (Refused, PublishingError, SourceTrouble) as error:
        raise CommandError(str(error)) from error
    except (DatabaseError, InterfaceError) as error:
        raise CommandError(database_sentence(error)) from error


@contextmanager
def told_in_one_line(write: Callable[[str], Any]) -> Iterator[None]:
    """Ctrl-C ends with one line, a reader that went away with none."""
    try:
        yield
    except KeyboardInterrupt:
        write("Interrupted.")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        discard_output()
        sys.exit(READER_GONE)
    except OutputLost as error:
        write(f"error: the output could not be written: {error}.")
        discard_output()
        sys.exit(1)


@contextmanager
def ended_at_once_by_the_second_ctrl_c() -> Iterator[None]:
    """The first one is told in a line; the next, while that goes on, leaves no trace."""
    is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_usual:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupt(*_: object) -> NoReturn:
    """What a Ctrl-C does; another one ends the process where it is."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    raise KeyboardInterrupt


@contextmanager
def writing() -> Iterator[None]:
    """Around what writes to the output. Raises OutputLost, or BrokenPipeError."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputLost(error.strerror) from error


def discard_output() -> None:
    """Python would complain again when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def database_sentence(error: Exception) -> str:
    """What is wrong with our database, without address or password."""
    text = str(error).strip().split("\n", 1)[0]
    missing = isinstance(error, ProgrammingError) and "does not exist" in text
    if missing or any(sign in text for sign in NO_TABLES):
        return "The database lacks our tables or columns: run `manage.py migrate`."
    if isinstance(error, OperationalError | InterfaceError):
        if is_full(error):
            return "The database's disk is full: make room on it, then try again."
        if "locked" in text or "timeout" in text:
            return f"The database is busy ({text}): try again."
        return f"{connect_sentence('default', error)} Check DATABASE_URL and the server."
    return f"The database refused: {text}"


def find_processor(slug: str) -> Processor:
    """The processor of that slug. Raises CommandError that names the one probably meant."""
    found: Processor | None = Processor.objects.filter(slug=slug).first()
    if found is None:
        known = list(Processor.objects.values_list("slug", flat=True))
        raise CommandError(f"No processor '{slug[:80]}'{meant(slug, known)}")
    return found


def in_columns(rows: list[list[str]]) -> list[str]:
    """Rows of cells as lines with aligned columns."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))] if rows else []
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def counted(number: int, noun: str) -> str:
    """`1 record`, `2 records`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
