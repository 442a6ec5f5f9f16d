"""What a worker has in hand is noted in Redis until it is done: who dies with it does not take it along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from django.conf import settings

from flowlog.broker import redis_client
from flowlog.celery import app
from flowlog.publishing import WakeUp, publish
from tests.broker import purge, take_all

TASK = "notifications.tasks.sweep"


@pytest.fixture(autouse=True)
def empty_queue() -> Iterator[None]:
    purge("default")
    yield
    purge("default")


@pytest.fixture
def redis() -> Iterator[Any]:
    with closing(redis_client(settings.REDIS_URL)) as client:
        client.delete("flowlog:unacked", "flowlog:unacked_index")
        yield client


def noted(redis: Any) -> tuple[int, int]:
    return redis.hlen("flowlog:unacked"), redis.zcard("flowlog:unacked_index")


def transactions(redis: Any) -> int:
    return int(redis.info("commandstats").get("cmdstat_multi", {"calls": 0})["calls"])


def test_a_task_is_noted_until_it_is_done_and_no_transaction_is_made(redis: Any) -> None:
    before = transactions(redis)
    publish([WakeUp(TASK)], expires=60)
    with app.connection_for_write() as broker:
        channel: Any = broker.default_channel
        message = channel.basic_get("default")
        assert noted(redis) == (1, 1)
        message.ack()
        assert noted(redis) == (0, 0)
    assert transactions(redis) == before


def test_what_somebody_died_with_comes_again(redis: Any) -> None:
    publish([WakeUp(TASK)], expires=60)
    with app.connection_for_write() as broker:
        channel: Any = broker.default_channel
        tag = channel.basic_get("default").delivery_tag
        redis.zadd("flowlog:unacked_index", {tag: 0})
        channel.qos.restore_visible(interval=1)
        assert noted(redis) == (0, 0)
        channel.qos._delivered.clear()  # as if it had died: nothing is given back at its end
    assert [message.headers["task"] for message in take_all("default")] == [TASK]
