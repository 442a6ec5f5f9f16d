"""Counting how webhooks were answered, cheaply enough to do it for strangers too.

A refused request costs its sender nothing, so it must cost us next to nothing: a process writes a key down at most
once in `PAUSE` seconds, and `MOST` in all; what it must not write it adds to the next one.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from time import monotonic

from django.db import DatabaseError, InterfaceError
from django.db.models import F
from django.db.models.functions import Now

from integrations.models import EvolutionInstance, WebhookTally

logger = logging.getLogger(__name__)

PAUSE = 10.0
MOST = 20

type Key = tuple[str, str, int]


class _Recent:
    """What this process has written in this pause, and what it has not written yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a process that has just started."""
        self._written: set[Key] = set()
        self._waiting: Counter[Key] = Counter()
        self._ends = 0.0

    def to_write(self, key: Key) -> int:
        """How many of this key are to be written down now."""
        with self._lock:
            if monotonic() >= self._ends:
                self._written.clear()
                self._ends = monotonic() + PAUSE
            if key not in self._written and len(self._written) < MOST:
                self._written.add(key)
                return self._waiting.pop(key, 0) + 1
            if key in self._waiting or len(self._waiting) < MOST:
                self._waiting[key] += 1
            return 0


recent = _Recent()


def note(source: str, name: str, status: int) -> None:
    """One request of `source` to the address of `name` was answered with `status`. Never raises.

    At most three statements. `source` is a kind of gateway, or a `WebhookTally.Source`.
    """
    if number := recent.to_write((source, name, status)):
        try:
            _add(source, name, status, number)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("An answer to a webhook was not counted: %s", error)


def _add(source: str, name: str, status: int, number: int) -> None:
    if source not in WebhookTally.Source and not EvolutionInstance.objects.filter(name=name).exists():
        name = ""
    tally = WebhookTally.objects.filter(source=source, name=name, status=status)
    if not tally.update(number=F("number") + number, last_at=Now()):
        first = WebhookTally(source=source, name=name, status=status, number=number)
        WebhookTally.objects.bulk_create([first], ignore_conflicts=True)
