"""A little web server that takes webhooks, for tests of who sends them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, override

_TIMEOUT = 20


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    raw: bytes


class Receiver:
    """Keeps what came. It answers each request with the next of `statuses`, and with 200 when there are no more; always
    with the `headers` and the `text`.
    """

    def __init__(self) -> None:
        self.url = ""
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.text = b""
        self._hooks: list[Hook] = []
        self._arrived = threading.Condition()

    def take(self, hook: Hook) -> int:
        """Keep it; returns the status to answer with."""
        with self._arrived:
            self._hooks.append(hook)
            self._arrived.notify_all()
            return self.statuses.pop(0) if self.statuses else 200

    def wait(self, count: int = 1, event: str = "") -> list[Hook]:
        """The webhooks of an event, or all, in the order in which they came, once there are so many."""
        with self._arrived:
            enough = self._arrived.wait_for(lambda: len(self.hooks(event)) >= count, _TIMEOUT)
            assert enough, f"{len(self.hooks(event))} of {count} came: {self._hooks}"
            return self.hooks(event)

    def hooks(self, event: str = "") -> list[Hook]:
        """The same, those that are there now."""
        with self._arrived:
            return [hook for hook in self._hooks if event in ("", hook.body.get("event"))]

    def clear(self) -> None:
        """Forget all."""
        with self._arrived:
            self._hooks.clear()
            self.statuses.clear()


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver that listens on loopback; its address is `url`."""
    taker = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(taker.take(Hook(self.path, dict(self.headers.items()), json.loads(raw), raw)))
            for name, value in ({"Content-Length": str(len(taker.text))} | taker.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(taker.text)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Handler)
    taker.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield taker
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
