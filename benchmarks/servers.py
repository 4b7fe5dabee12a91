"""A whole installation in a temporary directory: database, Redis, workers, commands.

Postgres runs with its own defaults, so every commit is on disk before it is answered.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.databases import Database
from tests.servers import ROOT, ManagedProcess, PostgresServer, RedisServer, Worker
from tests.waiting import wait_until

INHERITED = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYTHONPATH")
COMMAND_SECONDS = 3600
# A developer's own settings must not change what is measured; a relaxed one needs no https.
SETTINGS = {
    "RECORDMILL_TESTING": "1",
    "HANDLER_APPS": "benchmarks",
    "PYTHONUNBUFFERED": "1",
    "LOG_LEVEL": "WARNING",
    "DJANGO_SETTINGS_MODULE": "config.settings",
}


class CommandFailed(Exception):
    """A command of the product ended with an error; the message holds what it said."""


class Site:
    """One installation; `database` is "postgres" or "sqlite"."""

    def __init__(self, directory: Path, database: str) -> None:
        self.directory = directory
        self.postgres = (
            PostgresServer(directory / "postgres", durable=True) if database == "postgres" else None
        )
        # By a port, because not every rival's client takes a socket.
        self.redis = RedisServer(directory / "redis", by_port=True)
        own = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self.environment = (
            own
            | SETTINGS
            | {
                "DATABASE_URL": self.database_url,
                "REDIS_URL": self.redis.url,
                "VAR_DIR": str(directory / "var"),
            }
        )
        self._logs = 0

    @property
    def database_url(self) -> str:
        if self.postgres:
            return self.postgres.url("postgres")
        return f"sqlite:///{self.directory / 'recordmill.sqlite3'}"

    @property
    def database_pids(self) -> list[int]:
        """The server's process; none for SQLite, whose work its users do themselves."""
        running = self.postgres and self.postgres.process
        return [running.pid] if running else []

    @contextmanager
    def running(self) -> Iterator["Site"]:
        """Both servers are up and the product's tables are made; afterwards all is ended."""
        with ExitStack() as stack:
            if self.postgres:
                stack.callback(self.postgres.stop)
                self.postgres.start()
            stack.callback(self.redis.stop)
            self.redis.start()
            self.manage("migrate", "--verbosity", "0")
            yield self

    def manage(self, *arguments: str, text: str = "", exit_codes: Sequence[int] = (0,)) -> str:
        """Run a command of the product; what it printed. Raises CommandFailed."""
        return self.python(str(ROOT / "manage.py"), *arguments, text=text, exit_codes=exit_codes)

    def python(self, *arguments: str, text: str = "", exit_codes: Sequence[int] = (0,)) -> str:
        """Run Python with the product's settings. Raises CommandFailed."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if done.returncode not in exit_codes:
            said = f"{done.stdout}\n{done.stderr}".strip()
            raise CommandFailed(f"{' '.join(arguments)} ended with {done.returncode}: {said}")
        return done.stdout

    @contextmanager
    def workers(self, count: int) -> Iterator[list[int]]:
        """So many `manage.py rqworker`, listening; their process ids."""
        with ExitStack() as stack:
            environment = self.environment | {"LOG_LEVEL": "INFO"}
            crew = [Worker(env=environment, log=self.new_log()) for _ in range(count)]
            for worker in crew:
                stack.callback(worker.stop, seconds=10)
            for worker in crew:
                worker.wait_for_log("Listening on")
            yield [worker.pid for worker in crew]

    @contextmanager
    def processes(
        self, command: list[str], count: int, sign: str, **environment: str
    ) -> Iterator[list[int]]:
        """So many processes of somebody else's, each of which has written `sign`."""
        with ExitStack() as stack:
            env, crew = self.environment | environment, []
            for _ in range(count):
                crew.append(ManagedProcess(command, env=env, log=self.new_log(), cwd=ROOT))
                stack.callback(crew[-1].stop, 10)
            for process in crew:
                wait_for(process, sign)
            yield [process.pid for process in crew]

    def new_log(self) -> Path:
        self._logs += 1
        return self.directory / f"process-{self._logs}.log"

    def new_directory(self, name: str) -> Path:
        """An empty one that did not exist before."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.directory))

    def open_database(self) -> Database:
        return Database(self.database_url)


def wait_for(process: ManagedProcess, sign: str) -> None:
    """Return when the process has written `sign`. Raises AssertionError when it ends before."""
    wait_until(
        lambda: sign in process.log() or not process.is_running(),
        message=lambda: f"'{sign}' is not in the log:\n{process.log()}",
    )
    assert sign in process.log(), f"It ended before '{sign}':\n{process.log()}"


@contextmanager
def open_site(database: str) -> Iterator[Site]:
    """An installation for the time of the block."""
    with tempfile.TemporaryDirectory(
        prefix="recordmill-bench-", ignore_cleanup_errors=True
    ) as name:
        directory = Path(name)
        # Postgres may run under another account and must reach its data through here.
        directory.chmod(0o755)
        with Site(directory, database).running() as site:
            yield site
