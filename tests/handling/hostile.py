"""Handlers that harm the process they run in, each in the way that the payload names."""

import ctypes
import locale
import os
import resource
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from django.db import connection

from processors import Context, handler
from processors import models as rows
from processors.handlers import Record
from tests.handling.effects import leave_effect


def swallow_errors() -> None:
    while True:
        try:
            time.sleep(1)
        except Exception:  # noqa: BLE001 - a handler that swallows everything
            continue


def swallow_everything() -> None:
    while True:
        try:
            sys.exit(1)
        except BaseException:  # noqa: BLE001 - not even SystemExit ends it
            time.sleep(0.01)


def run_out_of_memory() -> None:
    raise MemoryError


def eat_memory() -> None:
    """All that its process may have: 400 MB more than it has."""
    has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (has + 400_000_000,) * 2)
    hoard = [bytearray(50_000_000) for _ in range(40)]
    raise AssertionError(f"{len(hoard)} pieces of memory, and nobody limited it")


WAYS_TO_DIE: Mapping[str, Callable[[], Any]] = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(0),
    "abort": os.abort,
    "segfault": lambda: ctypes.string_at(0),
    "hang": swallow_errors,
    "hang on": swallow_everything,
    "hang in C": lambda: ctypes.PyDLL(None).sleep(600),  # keeps the interpreter's lock
    "memory": run_out_of_memory,
    "eat": eat_memory,
}


@handler("End its process in a way that the payload names")
def deadly(record: Record, context: Context) -> None:
    leave_effect(record, context)
    if way := record.payload.get("die"):
        WAYS_TO_DIE[way]()


def fork_and_live() -> None:
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)


def exit_in_a_thread() -> None:
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join()


WAYS_TO_MISBEHAVE: Mapping[str, Callable[[], Any]] = {
    "fork and return": os.fork,
    "fork and live": fork_and_live,
    "exit": lambda: sys.exit(0),
    "exit in a thread": exit_in_a_thread,
    "signals": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "directory": lambda: os.chdir("/"),
    "locale": lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8"),
}


@handler("Misbehave in a way that ends nothing")
def rude(record: Record, context: Context) -> Any:
    leave_effect(record, context)
    if way := record.payload.get("how"):
        WAYS_TO_MISBEHAVE[way]()


@handler("Talk without end")
def talk(record: Record, context: Context) -> None:
    for n in range(10_000):
        print(f"line {n}")
        context.log(f"line {n}")


@handler("Return what is no JSON")
def unjson(record: Record, context: Context) -> Any:
    return object()


@handler("Meet trouble with our database", effects="database")
def troubled(record: Record, context: Context) -> None:
    meet_trouble(record)


@handler("Meet trouble with our database, acting outside")
def troubled_outside(record: Record, context: Context) -> None:
    meet_trouble(record)


def meet_trouble(record: Record) -> None:
    """As often as the payload says; a file counts, because a transaction would forget."""
    times = Path(record.payload["counted_in"])
    seen = len(times.read_text()) if times.exists() else 0
    times.write_text("." * (seen + 1))
    if seen < record.payload["trouble"]:
        with connection.cursor() as cursor:
            cursor.execute(record.payload["sql"])


@handler("Delete the record in hand", effects="database")
def disowning(record: Record, context: Context) -> None:
    if "mine" in record.payload:
        leave_effect(record, context)
        rows.Record.objects.filter(key=record.key).delete()


@handler("Write while another program holds the file")
def held_up(record: Record, context: Context) -> None:
    with closing(sqlite3.connect(record.payload["file"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        leave_effect(record, context)
