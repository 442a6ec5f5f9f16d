"""The sandbox's HTTP server: keep-alive, headers and reading of bodies as the gateway's."""

from __future__ import annotations

import json
import os
import socket
import socketserver
import struct
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, override
from urllib.parse import parse_qsl, urlsplit

from flowlog.devtools.sandbox import api, control, meta, outside
from flowlog.devtools.sandbox.http import RESET, Answer, Request, answer, is_loopback
from flowlog.devtools.sandbox.pages import Pages
from flowlog.devtools.sandbox.state import Sandbox

IDLE_SECONDS = 5
_LARGEST_BODY = 1024 * 1024


class MalformedBodyError(ValueError):
    """The body is not the JSON that its type promises; the text is the gateway's."""


class SandboxServer(ThreadingHTTPServer):
    """Serves one sandbox on a loopback address; a thread for each connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, sandbox: Sandbox, pages: Pages, *, log: bool = False) -> None:
        if not is_loopback(host):
            raise ValueError(f"The sandbox listens on loopback addresses only, not on {host!r}.")
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sandbox = sandbox
        self.pages = pages
        self.log = log
        super().__init__((host, port), _Handler)
        sandbox.server_url = self.url

    @property
    def url(self) -> str:
        """The address to call."""
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    @override
    def server_bind(self) -> None:
        # Not the base's: it looks the host's name up, which may wait for a name server.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away is no news; anything else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave in one packet, and an idle connection is closed.
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    server: SandboxServer

    def _handle(self) -> None:
        reply = self._reply()
        if reply.reset:
            self._reset()
            return
        self.send_response_only(reply.status)
        self.send_header("Date", self.date_time_string())
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.content)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        else:
            self.send_header("Connection", "keep-alive")
            self.send_header("Keep-Alive", f"timeout={IDLE_SECONDS}")
        self.end_headers()
        self.wfile.write(reply.content)

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - the base class's names

    def _reply(self) -> Answer:
        parts = urlsplit(self.path)
        try:
            body = self._body()
        except MalformedBodyError as error:
            # The body is read before the route is looked for, with an error page of its own.
            wrong = {"status": 400, "error": "Internal Server Error", "response": {"message": str(error)}}
            return answer(HTTPStatus.BAD_REQUEST, wrong)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        request = Request(self.command, self.path, parts.path, query, dict(self.headers.items()), body)
        sandbox = self.server.sandbox
        match request.segments[0]:
            case "sandbox":
                return control.respond(sandbox, request)
            case "phone":
                return self.server.pages.respond(sandbox, request)
            case "wp-json" | "api":
                return outside.respond(sandbox, request)
        sandbox.pause(sandbox.options.latency_ms / 1000)
        if sandbox.stopped.is_set():
            return RESET
        return meta.respond(sandbox, request) if meta.is_for(request) else api.respond(sandbox, request)

    def _body(self) -> Mapping[str, object]:
        """The body as the gateway reads it: nothing without a known type. Raises `MalformedBodyError`."""
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _LARGEST_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise MalformedBodyError("request size did not match content length")
        content = self.rfile.read(int(length))
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind == "application/x-www-form-urlencoded":
            return dict(parse_qsl(content.decode(errors="replace"), keep_blank_values=True))
        if kind != "application/json" or not content:
            return {}
        return _json(content)

    def _reset(self) -> None:
        """Close the connection with a reset, not in order: what a killed process or a proxy does."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    @override
    def log_message(self, format: str, *args: Any) -> None:
        if self.server.log:
            super().log_message(format, *args)


def _json(content: bytes) -> Mapping[str, object]:
    text = content.decode(errors="replace")
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()):
            raise MalformedBodyError("Unexpected end of JSON input") from None
        token = text[error.pos]
        raise MalformedBodyError(f"Unexpected token '{token}', \"{text}\" is not valid JSON") from None
    except (RecursionError, ValueError) as error:
        raise MalformedBodyError(str(error)) from None
    return data if isinstance(data, dict) else {}
