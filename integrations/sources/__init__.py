"""What all have in common who send us news by webhook, shops' systems and carriers: a file for each knows whether they
sent it, and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol


class RefusedError(Exception):
    """The request changes nothing. `str()` is a sentence for its sender, `status` the answer's."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Nothing:
    """Authentic, and not about an order that Flowlog is to know. `reason` is a sentence for the staff.

    `trouble`: the sender has to mend something before more news can come.
    """

    reason: str
    trouble: bool = False


class Source[News](Protocol):
    """The language of one sender who is answered what became of it. A module with these two functions is one.

    Pure: neither looks at the database or the settings, or tells anybody.
    """

    def verify(self, headers: Mapping[str, str], body: bytes, secret: str) -> str:
        """What marks the authentic request, in at most 64 characters: a second one with it is refused as a replay.

        Where senders repeat a request as it is to make sure, each gets a mark of its own. Raises `RefusedError`. What
        is secret is compared in constant time.
        """

    def parse(self, body: bytes) -> Sequence[News]:
        """What the request says, in any order; empty if that is nothing of interest. Raises `RefusedError`."""
