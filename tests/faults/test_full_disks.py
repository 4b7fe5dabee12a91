"""A disk that is full: nothing is half-written, and all goes on when there is room again."""

import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests import bootstrap
from tests.conftest import Manage, StartWorker
from tests.servers import PostgresServer
from tests.waiting import wait_until

pytestmark = pytest.mark.slow
RECORDS = 40
# Cannot be compressed; the result is as long, so the table must grow for it.
PAYLOAD = random.Random(1).randbytes(50_000).hex()
SIZES = {"sqlite": "32m", "postgres": "200m"}
DEFINITION = {
    "slug": "story",
    "name": "Story",
    "handler": "handling.echo",
    "source": {"kind": "inbox"},
    "trigger": {"kind": "manual"},
    "batch_size": 10,
}


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of its own, in memory."""
    place = bootstrap.DIRECTORY / "small"
    place.mkdir()
    mount = [
        "mount",
        "-t",
        "tmpfs",
        "-o",
        f"size={SIZES[bootstrap.TEST_DATABASE]}",
        "tmpfs",
        str(place),
    ]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        place.rmdir()
        pytest.skip("a disk can be mounted by root only")
    place.chmod(0o755)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)
    place.rmdir()


@pytest.fixture
def database_url(small_disk: Path) -> Iterator[str]:
    """A database on the small disk."""
    if bootstrap.TEST_DATABASE == "sqlite":
        yield f"sqlite:///{small_disk / 'recordmill.sqlite3'}"
        return
    server = PostgresServer(small_disk / "postgres", durable=True)
    server.start()
    yield server.url("postgres")
    server.stop()


def fill(disk: Path) -> Path:
    """Somebody else's file takes all that is free, and grows where anything becomes so."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file, suppress(OSError):  # there is no room for more
        while free := shutil.disk_usage(disk).free:
            file.write(bytes(free))
    return filler


def test_a_full_disk_halts_work_and_loses_nothing(
    small_disk: Path,
    database_url: str,
    manage: Manage,
    start_worker: StartWorker,
    tmp_path: Path,
) -> None:
    place = {"DATABASE_URL": database_url}
    definition = tmp_path / "story.json"
    definition.write_text(json.dumps(DEFINITION))
    lines = [json.dumps({"key": f"k{n}", "payload": {"text": PAYLOAD}}) for n in range(RECORDS)]
    for command in (["migrate", "--run-syncdb"], ["processor", "load", str(definition)]):
        assert manage(*command, **place).returncode == 0
    assert manage("publish", "story", "-", stdin="\n".join(lines), **place).returncode == 0
    assert manage("processor", "run", "story", **place).returncode == 0

    fill(small_disk)
    worker = start_worker(**place)
    wait_until(lambda: is_full(small_disk, worker.log()), message=worker.log)
    fill(small_disk).unlink()
    wait_until(lambda: done(manage, place) == RECORDS, seconds=120, message=worker.log)

    assert manage("check_ledger", **place).returncode == 0


def is_full(disk: Path, log: str) -> bool:
    """Whether the worker says so; the disk is kept as it is until then."""
    fill(disk)
    return any(words in log for words in ("is full", "No space left", "disk I/O error"))


def done(manage: Manage, place: dict[str, str]) -> int:
    """Of the run, as an operator sees it; nothing while the database starts anew."""
    shown = manage("processor", "show", "story", "--json", **place)
    return 0 if shown.returncode else int(json.loads(shown.stdout)["runs"][0]["done"])
