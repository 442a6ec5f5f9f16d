"""Takes webhooks to their receivers, with the gateway's patience: in memory, each for itself, in no order."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import requests

from flowlog.devtools.sandbox.schedule import Schedule

_TIMEOUT = 30
_THREADS = 16
_AT_ONCE_FINAL = frozenset({400, 401, 403, 404, 422})
WAITS = (5, 10, 20, 40, 80, 160, 300, 300, 300)
"""The seconds between the attempts, each give or take a fifth."""
_SPREAD = 0.2
_HEADERS = {
    "Accept": "application/json, text/plain, */*",
    "Content-Type": "application/json",
    "User-Agent": "axios/1.12.2",
    "Accept-Encoding": "gzip, compress, deflate, br",
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one receiver; `headers` are those that the webhook was set with.

    With a `body` that goes out, byte for byte, instead of the event.
    """

    url: str
    headers: Mapping[str, str]
    event: Mapping[str, object]
    body: bytes = b""


class Courier:
    """Delivers, and counts what became of it. `scale` says what to multiply the waits with."""

    def __init__(self, scale: Callable[[], float]) -> None:
        self._scale = scale
        self._schedule = Schedule(_THREADS)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter(delivered=0, dropped=0, given_up=0)

    def send(self, delivery: Delivery, delay: float) -> None:
        """Deliver it in so many seconds."""
        self._schedule.after(delay, partial(self._attempt, delivery, 1))

    def forget(self) -> None:
        """Give up what waits for another attempt, or its first."""
        self._schedule.clear()

    @property
    def pending(self) -> int:
        """How many deliveries wait or are under way."""
        return self._schedule.pending

    def counts(self) -> dict[str, int]:
        """How many deliveries ended, and how."""
        with self._lock:
            return dict(self._counts)

    def _attempt(self, delivery: Delivery, number: int) -> None:
        status = _post(delivery)
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            self._count("delivered")
        elif status in _AT_ONCE_FINAL:
            self._count("dropped")
        elif number > len(WAITS):
            self._count("given_up")
        else:
            spread = random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 - no secret
            wait = WAITS[number - 1] * spread * self._scale()
            self._schedule.after(wait, partial(self._attempt, delivery, number + 1))

    def _count(self, outcome: str) -> None:
        with self._lock:
            self._counts[outcome] += 1


def _post(delivery: Delivery) -> int:
    """The receiver's HTTP status; 0 if there is none. A connection for each request, as the gateway does."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            body = delivery.body or json.dumps(delivery.event, ensure_ascii=False).encode("utf-8", errors="replace")
            headers = {**_HEADERS, **delivery.headers}
            with session.post(
                delivery.url, data=body, headers=headers, timeout=_TIMEOUT, allow_redirects=False, stream=True
            ) as answer:
                return answer.status_code
    except (requests.RequestException, ValueError):
        return 0
