"""Servers made of bare sockets, for what no decent HTTP server does."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

CREATED = b'{"key":{"id":"3EB0067BA1CCEACB85451F","remoteJid":"5511987654321@s.whatsapp.net","fromMe":true}}'

Talk = Callable[["Connection"], None]


class Connection:
    """One accepted connection, as the server sees it."""

    def __init__(self, sock: socket.socket, stopped: threading.Event) -> None:
        self.stopped = stopped
        self._sock = sock

    def request(self) -> bytes:
        """The next request, head and body; empty when the client has closed."""
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = self._sock.recv(65536)
            if not chunk:
                return b""
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += self._sock.recv(65536)
        return head + b"\r\n\r\n" + body

    def wait_for_data(self) -> None:
        """Until something of a request has arrived, which stays unread."""
        self._sock.recv(1, socket.MSG_PEEK)

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def answer(self, body: bytes = CREATED, status: str = "201 Created", headers: str = "") -> None:
        """A complete answer; the connection stays open."""
        self.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    def dribble(self, data: bytes, every: float) -> None:
        """Send a byte from time to time until the client is gone or the test is over."""
        for byte in data:
            self.send(bytes([byte]))
            if self.stopped.wait(every):
                return

    def hang(self) -> None:
        """Say nothing until the test is over."""
        self.stopped.wait(30)

    def reset(self) -> None:
        """Close with a reset."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()


class RawServer:
    """Counts its connections and keeps the requests that `respond` read."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.connections = 0
        self.requests: list[bytes] = []
        self.finished = threading.Event()


@contextmanager
def raw_server(talk: Talk) -> Iterator[RawServer]:
    """A server that handles each of its connections with `talk`, in a thread of its own."""
    stopped = threading.Event()
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = RawServer(listener.getsockname()[1])

        def handle(sock: socket.socket) -> None:
            with sock, suppress(OSError):
                talk(Connection(sock, stopped))
            server.finished.set()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    sock.settimeout(30)
                    server.connections += 1
                    threads.append(threading.Thread(target=handle, args=(sock,), daemon=True))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield server
        finally:
            stopped.set()
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join(5)


def answering(server_requests: list[bytes], body: bytes = CREATED, status: str = "201 Created") -> Talk:
    """A well-behaved server that keeps its connections open and notes each request."""

    def talk(connection: Connection) -> None:
        while request := connection.request():
            server_requests.append(request)
            connection.answer(body, status)

    return talk
