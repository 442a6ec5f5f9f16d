"""What one who sends us news by webhook is to this app: a file that knows whether they sent it, and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Protocol


class RefusedError(Exception):
    """The request changes nothing. `str()` is a sentence for its sender, `status` the answer's."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Source[News](Protocol):
    """The language of one sender. A module with these two functions is one.

    Pure: neither looks at the database or the settings, or tells anybody.
    """

    def verify(self, headers: Mapping[str, str], body: bytes, secret: str) -> str:
        """What marks the authentic request, in at most 64 characters: a second one with it is refused as a replay.

        Where senders repeat a request as it is to make sure, each gets a mark of its own. Raises `RefusedError`. What
        is secret is compared in constant time.
        """

    def parse(self, body: bytes) -> Sequence[News]:
        """What the request says, in any order; empty if that is nothing of interest. Raises `RefusedError`."""
