"""Every test here whose transactions are real ones sees to it that they take their locks in one order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integrations.models import NotificationLog
from tests.locks import watched


@pytest.fixture(autouse=True)
def one_lock_order(request: pytest.FixtureRequest) -> Iterator[None]:
    marker = request.node.get_closest_marker("django_db")
    if not (marker and marker.kwargs.get("transaction")):
        yield
        return
    request.getfixturevalue("transactional_db")
    with watched() as out_of_order:
        yield
    assert out_of_order == []


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float | None]]:
    """The wake-ups that are asked for, as the row and the countdown, instead of publishing them."""
    asked: list[tuple[int, float | None]] = []

    def publish(rows: list[NotificationLog], *, countdown: float | None = None) -> int:
        asked.extend((row.pk, countdown) for row in rows)
        return len(rows)

    monkeypatch.setattr("notifications.wakeups.publish", publish)
    return asked
