"""Web services on a free port of this machine, for handlers to call."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

Server = TypeVar("Server", bound=ThreadingHTTPServer)


@contextmanager
def serve(server: Server) -> Iterator[Server]:
    """The server at work in a thread of its own; ended, and its port given back, afterwards."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Recorder(ThreadingHTTPServer):
    """A partner that answers what it is told to and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RecorderRequest)
        self.bodies: list[Any] = []
        self.keys: list[str | None] = []
        self.answer: tuple[int, str, bytes] = (200, "", b"{}")
        self.may_answer = threading.Event()
        self.may_answer.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/notify"

    def answers_with(self, status: int, *, retry_after: str = "", body: bytes = b"{}") -> None:
        self.answer = (status, retry_after, body)

    def stays_silent(self) -> None:
        self.may_answer.clear()

    def leave(self) -> None:
        """Nobody listens on the port any more."""
        self.socket.close()

    def handle_error(self, *_: object) -> None:
        """Tests make callers that leave before their answer."""

    def server_close(self) -> None:
        self.may_answer.set()
        super().server_close()


class RecorderRequest(BaseHTTPRequestHandler):
    server: Recorder

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(json.loads(body))
        self.server.keys.append(self.headers["Idempotency-Key"])
        self.server.may_answer.wait(30)
        status, retry_after, content = self.server.answer
        self.send_response(status)
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
