"""Takes the webhooks of the shop and the carrier to Flowlog: one after the other, in the order in which things
happened, unless a fault is asked for (`options.NewsFault`)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import requests

from flowlog.devtools.sandbox.options import NewsFault, Options
from flowlog.devtools.sandbox.schedule import Schedule

_HOLDS = frozenset({NewsFault.LATE, NewsFault.REORDERED, NewsFault.COALESCED})
_TIMEOUT = 10
_SHOWN = 20
# Melhor Envio waits so long before it tells again.
_WAIT = 900


@dataclass(frozen=True, slots=True)
class Letter:
    """One webhook: its body, and the secret whose HMAC-SHA256 of it goes, in base64, into the header `signed_in`.

    `what` is for people. It is tried so many times; `answered` hears each HTTP status, 0 for no answer.
    """

    what: str
    url: str
    headers: Mapping[str, str]
    signed_in: str
    secret: str
    body: bytes
    answered: Callable[[int], object]
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Answered:
    """A letter that was answered, at a time in Unix seconds."""

    at: float
    what: str
    status: int


class Messenger:
    """Sends in one thread. What a fault holds back leaves together, so long after the first of it was held."""

    def __init__(self, options: Callable[[], Options], changed: Callable[[], None]) -> None:
        self._options, self._changed = options, changed
        self._lock = threading.Lock()
        self._road, self._timer = Schedule(), Schedule()
        self._held: list[tuple[NewsFault, str, Callable[[], Letter | None]]] = []
        self._round = 0
        self._answered: deque[Answered] = deque(maxlen=_SHOWN)

    def tell(self, about: str, write: Callable[[], Letter | None]) -> None:
        """Tell what `write` says of the thing `about`, which may by then be nothing."""
        fault = self._options().news_fault
        if fault in _HOLDS:
            self._hold(fault, about, write)
        elif letter := write():
            for _ in range(2 if fault is NewsFault.DUPLICATE else 1):
                self._send(letter, 0, is_wrong=fault is NewsFault.WRONG_SIGNATURE)

    def release(self) -> None:
        """Let what is held back leave now."""
        with self._lock:
            held, self._held = self._held, []
            self._round += 1
        in_order = [write for fault, _about, write in held if fault is not NewsFault.REORDERED]
        newest_first = [write for fault, _about, write in reversed(held) if fault is NewsFault.REORDERED]
        for write in (*in_order, *newest_first):
            if letter := write():
                self._send(letter, 0)
        self._changed()

    def state(self) -> dict[str, object]:
        """How many are held back and under way, and how the last ones were answered."""
        with self._lock:
            answered = [[each.what, each.status] for each in self._answered]
            return {"held": len(self._held), "pending": self._road.pending, "answered": answered}

    def answered(self) -> list[Answered]:
        """The last ones that were answered, the newest first."""
        with self._lock:
            return list(reversed(self._answered))

    @property
    def held(self) -> int:
        """How many are held back."""
        with self._lock:
            return len(self._held)

    def _hold(self, fault: NewsFault, about: str, write: Callable[[], Letter | None]) -> None:
        if fault is not NewsFault.COALESCED:
            letter = write()
            write = partial(_as_it_was, letter)
        with self._lock:
            if fault is NewsFault.COALESCED:
                self._held = [each for each in self._held if each[:2] != (fault, about)]
            if not self._held:
                self._round += 1
                self._timer.after(self._options().news_hold_seconds, partial(self._leave, self._round))
            self._held.append((fault, about, write))
        self._changed()

    def _leave(self, held_in: int) -> None:
        if held_in == self._round:
            self.release()

    def _send(self, letter: Letter, delay: float, *, is_wrong: bool = False) -> None:
        self._road.after(delay, partial(self._post, letter, is_wrong=is_wrong))

    def _post(self, letter: Letter, *, is_wrong: bool) -> None:
        status = _post(letter, f"{letter.secret}?" if is_wrong else letter.secret)
        with self._lock:
            self._answered.append(Answered(time.time(), letter.what, status))
        letter.answered(status)
        if not is_success(status) and letter.tries > 1:
            wait = _WAIT * self._options().webhook_retry_scale
            self._timer.after(wait, partial(self._send, replace(letter, tries=letter.tries - 1), 0, is_wrong=is_wrong))
        self._changed()


def _as_it_was(letter: Letter | None) -> Letter | None:
    return letter


def is_success(status: int) -> bool:
    """Whether the receiver has taken it."""
    return 200 <= status < 300  # noqa: PLR2004 - what HTTP calls success


def _post(letter: Letter, secret: str) -> int:
    signature = base64.b64encode(hmac.digest(secret.encode(), letter.body, hashlib.sha256)).decode()
    headers = {"Content-Type": "application/json", **letter.headers, letter.signed_in: signature}
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.post(
                letter.url, letter.body, headers=headers, timeout=_TIMEOUT, allow_redirects=False
            ).status_code
    except (requests.RequestException, ValueError):
        return 0
