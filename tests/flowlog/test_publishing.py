"""What a wake-up is on the broker, and how often publishing one builds what it could keep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from kombu.pools import producers

from flowlog import publishing
from flowlog.broker import CLOCK_SKEW
from flowlog.celery import app
from flowlog.publishing import WakeUp
from tests.broker import take_all

pytestmark = pytest.mark.usefixtures("empty_queues")

SWEEP = WakeUp("notifications.tasks.sweep")


def test_a_wake_up_is_what_celery_itself_would_publish() -> None:
    name, args = "notifications.tasks.send_whatsapp", [7, {"event": "confirm"}]
    app.send_task(name, args, argsrepr="(7, …)", expires=60 + CLOCK_SKEW, ignore_result=True)
    assert publishing.publish([WakeUp(name, (7, {"event": "confirm"}), "(7, …)")], expires=60) == 1
    theirs, ours = take_all("whatsapp")
    assert ours.decode() == theirs.decode()
    # The limits are for the worker to say: Celery adds the publisher's wherever it knows the task.
    assert ours.headers["timelimit"] == [None, None]
    its_own = {"id", "root_id", "expires", "timelimit"}
    assert {k: v for k, v in ours.headers.items() if k not in its_own} == {
        k: v for k, v in theirs.headers.items() if k not in its_own
    }
    left = datetime.fromisoformat(ours.headers["expires"]) - datetime.now(UTC)
    assert timedelta(minutes=10) < left <= timedelta(minutes=11)
    assert ours.headers["eta"] is None


def test_a_countdown_is_on_the_wake_up() -> None:
    assert publishing.publish([SWEEP], expires=60, countdown=20) == 1
    [message] = take_all("default")
    left = datetime.fromisoformat(message.headers["eta"]) - datetime.now(UTC)
    assert timedelta(seconds=10) < left <= timedelta(seconds=20)


def test_publishing_uses_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    publishing.publish([SWEEP], expires=60)
    made: list[object] = []
    original = redis.Redis.__init__

    def made_one(self: Any, *args: Any, **kwargs: Any) -> None:
        made.append(self)
        original(self, *args, **kwargs)

    monkeypatch.setattr(redis.Redis, "__init__", made_one)
    assert publishing.publish([SWEEP] * 3, expires=60) == 3
    assert publishing.publish([SWEEP], expires=60) == 1
    assert made == []


def test_a_lost_pool_takes_its_client_with_it() -> None:
    publishing.publish([SWEEP], expires=60)
    with producers[publishing._connection(app.conf.broker_write_url)].acquire() as producer:
        channel: Any = producer.channel
        before = channel._create_client()
        channel._disconnect_pools()
        assert channel._create_client() is not before
    assert publishing.publish([SWEEP], expires=60) == 1
    assert len(take_all("default")) == 2
