"""Files named on a command line; `-` is standard input."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from django.core.management.base import CommandError


@contextmanager
def opened(file: str) -> Iterator[BinaryIO]:
    """The file, or all of standard input. Raises CommandError.

    Standard input is read to its end first: a slow writer must not hold a transaction open.
    """
    if file != "-":
        try:
            with Path(file).open("rb") as stream:
                yield stream
        except OSError as error:
            raise CommandError(f"Can't read {file}: {error.strerror or error}.") from error
        return
    with tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(standard_input(), spool)
        spool.seek(0)
        yield spool


def read_text(file: str) -> tuple[str, str]:
    """The text of a file or of standard input, and its name. Raises CommandError."""
    name = "standard input" if file == "-" else file
    try:
        raw = standard_input().read() if file == "-" else Path(file).read_bytes()
        return raw.decode("utf-8-sig"), name
    except OSError as error:
        raise CommandError(f"Can't read {name}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{name} is not UTF-8: send UTF-8. Nothing was loaded.") from error


def standard_input() -> BinaryIO:
    """What is piped in. Raises CommandError where a shell or a service closed it."""
    if sys.stdin is None:  # Python's way to say that it is closed
        raise CommandError("Can't read standard input: it is closed.")
    return sys.stdin.buffer
