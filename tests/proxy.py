"""A TCP proxy that plays a bad network: late, cut, silent, or gone.

It stands in front of a server on another port or socket; what passes through it is not looked at.
"""

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

CHUNK_BYTES = 65_536
LOOK_SECONDS = 0.05
# With this, closing a socket resets the connection instead of ending it politely.
RESET = struct.pack("ii", 1, 0)


@dataclass
class Weather:
    """How the network is now; changed by the test at any time.

    `cut_after_bytes`: of each new connection's traffic, both directions together. `is_silent`:
    connections stay open, and nothing arrives (half-open). `is_refusing`: new ones are refused.
    """

    delay_seconds: float = 0.0
    cut_after_bytes: int | None = None
    is_silent: bool = False
    is_refusing: bool = False


@dataclass(eq=False)
class Line:
    """One connection through the proxy."""

    client: socket.socket
    server: socket.socket
    passed: int = 0
    closed: threading.Event = field(default_factory=threading.Event)

    def close(self, *, reset: bool = True) -> None:
        """End both sides at once."""
        self.closed.set()
        for side in (self.client, self.server):
            with contextlib.suppress(OSError):
                if reset and side.family == socket.AF_INET:
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                side.shutdown(socket.SHUT_RDWR)
            side.close()


class Proxy:
    """Listens on a port of its own from the start until `close`."""

    def __init__(self, server: tuple[str, int] | str) -> None:
        self.server = server
        self.weather = Weather()
        self._lines: set[Line] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._accepting = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._accepting.start()

    @classmethod
    def before(cls, url: str) -> "Proxy":
        """In front of the server of a URL, `redis://`, `postgres://` or `unix://PATH`."""
        parts = urlsplit(url)
        if parts.scheme == "unix":
            return cls(parts.path)
        assert parts.hostname is not None
        assert parts.port is not None
        return cls((parts.hostname, parts.port))

    def url(self, url: str) -> str:
        """The same URL, by way of this proxy."""
        parts = urlsplit(url)
        if parts.scheme == "unix":
            return f"redis://127.0.0.1:{self.port}/0"
        user = f"{parts.username}@" if parts.username else ""
        return urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{self.port}"))

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(5)
        self.cut()

    def cut(self) -> int:
        """Reset every connection there is; how many it were."""
        with self._lock:
            lines, self._lines = self._lines, set()
        for line in lines:
            line.close()
        return len(lines)

    def clear_up(self) -> None:
        """Good weather again."""
        self.weather = Weather()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.weather.is_refusing:
                raise ConnectionRefusedError
            server = self._reach_server()
        except OSError:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
            return
        line = Line(client, server)
        with self._lock:
            self._lines.add(line)
        for source, target in ((client, server), (server, client)):
            pump = threading.Thread(
                target=self._pump, args=(line, source, target), name="proxy-line", daemon=True
            )
            pump.start()

    def _reach_server(self) -> socket.socket:
        if isinstance(self.server, str):
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.server)
            return server
        return socket.create_connection(self.server, timeout=None)

    def _pump(self, line: Line, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                if not self._let_pass(line, len(data)):
                    break
                target.sendall(data)
        line.close(reset=False)
        with self._lock:
            self._lines.discard(line)

    def _let_pass(self, line: Line, size: int) -> bool:
        """Wait as the weather says; whether the connection still stands."""
        time.sleep(self.weather.delay_seconds)
        while self.weather.is_silent:
            if line.closed.wait(LOOK_SECONDS):
                return False
        line.passed += size
        limit = self.weather.cut_after_bytes
        if limit is not None and line.passed > limit:
            line.close()
        return not line.closed.is_set()
