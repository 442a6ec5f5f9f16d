"""What passes between the server and the functions that answer."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote

JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, its body parsed as the gateway would."""

    method: str
    url: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Mapping[str, object]

    @property
    def segments(self) -> list[str]:
        """The path's parts, decoded: a name may hold a slash."""
        return [unquote(segment) for segment in self.path.strip("/").split("/")]

    @property
    def key(self) -> str:
        """The key of the only header that the gateway looks at."""
        return next((value for name, value in self.headers.items() if name.lower() == "apikey"), "")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. With `reset`, the connection is reset instead."""

    status: int
    content: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    reset: bool = False


def answer(status: int, data: object) -> Answer:
    """`data` as JSON."""
    return Answer(status, json.dumps(data, ensure_ascii=False).encode("utf-8", errors="replace"))


def failure(status: HTTPStatus, message: object) -> Answer:
    """The shape of nearly all of the gateway's errors."""
    return answer(status, {"status": status, "error": status.phrase, "response": {"message": message}})


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


RESET = Answer(0, reset=True)
