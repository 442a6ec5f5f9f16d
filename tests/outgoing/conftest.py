"""A system of the shop's own that takes webhooks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integrations.receiver import Receiver, receiver


@pytest.fixture
def system() -> Iterator[Receiver]:
    with receiver() as taker:
        yield taker
