"""A mail server on the loopback that keeps what it gets.

with mail_server() as server:
    ...  # send to server.url
    assert [mail["Subject"] for mail in server.mails] == ["…"]
"""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

ANSWERS = {"EHLO": b"250 test", "HELO": b"250 test", "DATA": b"354 go on", "QUIT": b"221 bye"}


class MailServer(socketserver.ThreadingTCPServer):
    """Takes every mail, unless it is told to refuse them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[EmailMessage] = []
        self.refuses = False
        self.on_mail: Callable[[], object] = lambda: None  # called with each mail taken, before the sender knows
        self.url = f"smtp://127.0.0.1:{self.server_address[1]}"

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]


class _Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say(b"220 test")
        while line := self.rfile.readline():
            verb = line.split()[0].decode().upper()
            if verb == "MAIL" and self.server.refuses:
                self._say(b"451 not now")
                continue
            self._say(ANSWERS.get(verb, b"250 OK"))
            if verb == "DATA":
                self._take()
            if verb == "QUIT":
                return

    def _take(self) -> None:
        lines = []
        while (line := self.rfile.readline()).rstrip(b"\r\n") != b".":
            lines.append(line.removeprefix(b"."))
        mail = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.server.mails.append(mail)
        self.server.on_mail()
        self._say(b"250 taken")

    def _say(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")


@contextmanager
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()
