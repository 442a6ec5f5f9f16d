"""What the tests of the monitoring look at, and how they have something fall silent."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now
from django.test import Client

from flowlog.models import Alarm, Heartbeat
from flowlog.monitoring import checks

BANNER = "flowlog-banner"
NOWHERE = "redis://127.0.0.1:9/0"


def metric(client: Client, sample: str) -> float:
    """The value of a sample in the metrics as this machine reads them."""
    lines = client.get("/metrics").content.decode().splitlines()
    [value] = [line.rpartition(" ")[2] for line in lines if line.startswith(f"{sample} ")]
    return float(value)


def not_ok() -> list[str]:
    return [check.name for check in checks.run() if not check.ok]


def silence(queue: str, seconds: float) -> None:
    Heartbeat.objects.filter(queue=queue).update(beat_at=Now() - timedelta(seconds=seconds))


def seen_gone(seconds: float) -> None:
    """It was that long ago that trouble was seen to be gone."""
    assert Alarm.objects.filter(over_since__isnull=False).update(over_since=Now() - timedelta(seconds=seconds))
