"""The numbers for Prometheus, read from the database and Redis when it asks.

So they are the same whichever of the web processes answers, and none is lost with a process. All are gauges: they
say how things stand, or stood within a window, and may fall.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Now
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.registry import Collector

from flowlog import heartbeats
from flowlog.broker import QUEUES, queue_keys, redis_client
from flowlog.monitoring import figures
from integrations.inbound import way_back
from integrations.models import EvolutionInstance, WebhookTally

__all__ = ("CONTENT_TYPE", "page")

logger = logging.getLogger(__name__)

SENT_WINDOW = timedelta(hours=1)
SENT_BUCKETS = (1, 2, 5, 10, 30, 60, 300, 900, 3600, 14_400, 43_200)


def page() -> bytes:
    """All numbers, in Prometheus's text format. What cannot be had is left out, and `flowlog_up` says so."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector())
    return generate_latest(registry)


class _Collector(Collector):
    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("flowlog_up", "Whether the part answers.", labels=["part"])
        for part, read, errors in (
            ("database", _from_database, (DatabaseError, InterfaceError)),
            ("broker", _from_broker, (redis.RedisError,)),
        ):
            try:
                metrics = list(read())
            except errors as error:
                logger.warning("No metrics of the %s: %s", part, error)
                up.add_metric([part], 0)
            else:
                up.add_metric([part], 1)
                yield from metrics
        yield up


def _from_broker() -> Iterator[Metric]:
    length = GaugeMetricFamily("flowlog_queue_length", "Tasks that wait in Redis for a worker.", labels=["queue"])
    with redis_client(settings.REDIS_URL) as client:
        for queue in QUEUES:
            length.add_metric([queue.name], sum(client.llen(key) for key in queue_keys(queue.name)))
    yield length


def _from_database() -> Iterator[Metric]:
    yield from _messages()
    yield _time_to_sent()
    yield from _instances()
    yield from _webhooks()
    age = GaugeMetricFamily(
        "flowlog_heartbeat_age_seconds", "Since a worker last took a task from the queue.", labels=["queue"]
    )
    pulses = heartbeats.pulses()
    # Never is older than anything.
    ages = {name: each.age if each.host and each.age is not None else float("inf") for name, each in pulses.items()}
    yield GaugeMetricFamily(
        "flowlog_sweep_age_seconds", "Since the last sweep was done to its end.", ages.pop(heartbeats.SWEEP)
    )
    for queue, seconds in ages.items():
        age.add_metric([queue], seconds)
    yield age


def _messages() -> Iterator[Metric]:
    created = GaugeMetricFamily(
        "flowlog_messages_created_last_day",
        "Messages created in the last 24 hours, by their present status and their event.",
        labels=["status", "event"],
    )
    for status, event, number in figures.of_last_day():
        created.add_metric([status, event], number)
    yield created
    unfinished = GaugeMetricFamily(
        "flowlog_messages_unfinished", "Messages that are not in a final status, however old.", labels=["status"]
    )
    for status, number in figures.unfinished().items():
        unfinished.add_metric([status], number)
    yield unfinished
    yield GaugeMetricFamily(
        "flowlog_oldest_due_seconds", "For how long the oldest due message has waited.", figures.oldest_due() or 0
    )


def _time_to_sent() -> Metric:
    """A histogram over a window is no counter: it is read as it is, without `rate()`."""
    took = F("sent_at") - F("created_at")
    rows = figures.sent_since(SENT_WINDOW).annotate(took=took)
    found = rows.aggregate(
        total=Count("pk"),
        time=Sum("took"),
        **{f"le_{limit}": Count("pk", filter=Q(took__lte=timedelta(seconds=limit))) for limit in SENT_BUCKETS},
    )
    buckets = [(str(float(limit)), found[f"le_{limit}"]) for limit in SENT_BUCKETS]
    return GaugeHistogramMetricFamily(
        "flowlog_time_to_sent_seconds",
        "From creation to sent, of the messages sent in the last hour.",
        buckets=[*buckets, ("+Inf", found["total"])],
        gsum_value=found["time"].total_seconds() if found["time"] else 0,
    )


def _instances() -> Iterator[Metric]:
    state = GaugeMetricFamily(
        "flowlog_instance_state", "1 for the connection's state as last known.", labels=["instance", "state"]
    )
    deaf = GaugeMetricFamily(
        "flowlog_instance_receipts_missing", "Whether no news of its messages comes back.", labels=["instance"]
    )
    held = GaugeMetricFamily("flowlog_instance_held", "Whether the instance's messages are held.", labels=["instance"])
    for instance in way_back.judged():
        deaf.add_metric([instance.name], int(instance.deaf or instance.refused))
        held.add_metric([instance.name], int(instance.held_at is not None))
        for value in EvolutionInstance.State.values:
            state.add_metric([instance.name, value], int(instance.state == value))
    yield from (state, held, deaf)


def _webhooks() -> Iterator[Metric]:
    labels = ["source", "name", "status"]
    number = GaugeMetricFamily("flowlog_webhooks", "Webhooks so far, by the status of their answer.", labels=labels)
    age = GaugeMetricFamily("flowlog_webhook_age_seconds", "Since the latest of them came.", labels=labels)
    for each in WebhookTally.objects.annotate(age=Now() - F("last_at")):
        values = [each.source, each.name, str(each.status)]
        number.add_metric(values, each.number)
        age.add_metric(values, each.age.total_seconds())
    yield from (number, age)
