"""A system that is well."""

from __future__ import annotations

import pytest

from flowlog import heartbeats


@pytest.fixture
def alive() -> None:
    """Both workers were heard just now, and the sweep was done."""
    heartbeats.beat(heartbeats.SWEEP, "default@test")
    for queue in ("default", "whatsapp"):
        heartbeats.beat(queue, f"{queue}@test")
