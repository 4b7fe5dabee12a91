"""A web service outside that remembers idempotency keys, as a good partner does."""

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FarEnd:
    """Takes POSTs at `url`; a call with a known key has no effect."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        lock = threading.Lock()
        calls = self.calls

        class Taker(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with lock:
                    calls[self.headers["Idempotency-Key"]] += 1
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Quietly."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, name="far-end", daemon=True).start()

    @property
    def repeated(self) -> int:
        """Calls that a far end without a memory would have carried out twice."""
        return sum(self.calls.values()) - len(self.calls)

    def close(self) -> None:
        """Take no more calls."""
        self._server.shutdown()
        self._server.server_close()
