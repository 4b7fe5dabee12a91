"""A partner's web service to try `notify_partner` on: `python -m demo.partner --port 8099`.

It listens on this machine only and misbehaves as real ones do: some answers are slow, some are
503 although the notification was taken, and some notifications it refuses.

    POST /notify   a JSON object with "order"; header Idempotency-Key
    GET  /stats    {"taken", "repeated", "refused", "failed", "slow"}: counts since it began
"""

import argparse
import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

HOST = "127.0.0.1"
MAX_BODY_BYTES = 100_000
KEYS_KEPT = 100_000  # the oldest are forgotten, so that a long demo does not fill the memory
SLOW_SECONDS = 0.2
RETRY_AFTER_SECONDS = 1
COUNTS = ("taken", "repeated", "refused", "failed", "slow")

Answer = tuple[int, dict[str, Any]]


class Refused(Exception):
    """The partner does not want this request; the message says why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Partner:
    """What the service knows; used by many threads at once."""

    def __init__(self, *, fail_share: float, slow_share: float, seed: int | None = None) -> None:
        self._fail_share = fail_share
        self._slow_share = slow_share
        self._random = Random(seed)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._keys: dict[str, None] = {}

    def stats(self) -> dict[str, int]:
        with self._lock:
            return {name: self._counts[name] for name in COUNTS}

    def notify(self, key: str, body: bytes) -> Answer:
        """Take a notification once per key. A failing answer may follow one that was taken."""
        if self._happens("slow", self._slow_share):
            time.sleep(SLOW_SECONDS)
        try:
            check(key, body)
        except Refused as refused:
            self._count("refused")
            return refused.status, {"error": str(refused)}
        is_new = self._take(key)
        if self._happens("failed", self._fail_share):
            return 503, {"error": "The partner is busy. Come back later."}
        return (201 if is_new else 200), {"accepted": True, "repeated": not is_new}

    def _happens(self, name: str, share: float) -> bool:
        with self._lock:
            happens = self._random.random() < share
            self._counts[name] += happens
            return happens

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1

    def _take(self, key: str) -> bool:
        """Whether the key was not known."""
        with self._lock:
            is_new = key not in self._keys
            self._keys[key] = None
            if len(self._keys) > KEYS_KEPT:
                del self._keys[next(iter(self._keys))]
            self._counts["taken" if is_new else "repeated"] += 1
            return is_new


def check(key: str, body: bytes) -> None:
    """Raises Refused for what this partner does not take."""
    if not key:
        raise Refused(400, "The header Idempotency-Key is missing.")
    try:
        content = json.loads(body)
    except ValueError as error:
        raise Refused(400, "The notification is not JSON.") from error
    if not isinstance(content, dict):
        raise Refused(422, "The notification is not an object.")
    if not content.get("order"):
        raise Refused(422, "The notification names no order.")


class RequestHandler(BaseHTTPRequestHandler):
    """Speaks HTTP for the partner of its server."""

    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds that a connection may stay idle
    server: "Service"

    def do_GET(self) -> None:
        known = self.path == "/stats"
        self._answer(*((200, self.server.partner.stats()) if known else nothing_here()))

    def do_POST(self) -> None:
        try:
            body = self.rfile.read(self._length())
        except Refused as refused:
            # The body stays unread, so the connection cannot be used again.
            self.close_connection = True
            self._answer(refused.status, {"error": str(refused)})
            return
        if self.path != "/notify":
            self._answer(*nothing_here())
            return
        self._answer(*self.server.partner.notify(self.headers.get("Idempotency-Key", ""), body))

    def _length(self) -> int:
        given = self.headers.get("Content-Length", "")
        if not (given.isascii() and given.isdigit()):
            raise Refused(411, "The header Content-Length is missing.")
        if int(given) > MAX_BODY_BYTES:
            raise Refused(413, f"The notification is larger than {MAX_BODY_BYTES} bytes.")
        return int(given)

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 503:
            self.send_header("Retry-After", str(RETRY_AFTER_SECONDS))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: a line per request would drown the other processes of the demo."""


def nothing_here() -> Answer:
    return 404, {"error": "Only POST /notify and GET /stats are known."}


class Service(ThreadingHTTPServer):
    """The partner behind a port of this machine; port 0 takes a free one."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, partner: Partner, port: int) -> None:
        super().__init__((HOST, port), RequestHandler)
        self.partner = partner

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that leaves before its answer is what time limits are for, and no news."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}"


def share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m demo.partner", description="A partner's web service to try the demo on."
    )
    parser.add_argument("--port", type=int, default=8099, help="0 takes a free one")
    parser.add_argument("--fail-share", type=share, default=0.1, help="answered 503, 0 to 1")
    parser.add_argument("--slow-share", type=share, default=0.1, help="answered late, 0 to 1")
    parser.add_argument("--seed", type=int, help="misbehave in the same order every time")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; 1 where the port is taken."""
    options = read_arguments(arguments)
    partner = Partner(
        fail_share=options.fail_share, slow_share=options.slow_share, seed=options.seed
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Service(partner, options.port) as service:
            print(f"The partner listens on {service.url}.", flush=True)
            service.serve_forever()
    except KeyboardInterrupt:
        return 0
    except (OSError, OverflowError) as error:
        print(
            f"error: port {options.port} cannot be used: {error}. Give another --port.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
