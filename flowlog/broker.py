"""How Celery reaches Redis: its address, its queues, and time-outs that suit a wake-up.

Kept apart from `flowlog.celery` so that the settings can import it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
from kombu import Queue
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import PRIORITY_STEPS, Channel

# What kombu calls ours: see there.
TRANSPORT = "flowlog"
TRANSPORT_ALIASES[TRANSPORT] = "flowlog.transport:Transport"

# Tasks are routed to a queue, not to an exchange: Celery then publishes straight to the queue's list, which needs
# no binding table in Redis and so survives a FLUSHALL without a restart.
QUEUES = (Queue("default"), Queue("whatsapp"))

# Seconds. Longer than any task may run and shorter than anyone wants to wait for a lost one.
VISIBILITY_TIMEOUT = 300

BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
    "visibility_timeout": VISIBILITY_TIMEOUT,
    "unacked_restore_interval": 30,
    "unacked_restore_throttle": 1,
    # Above the BRPOP of a worker (`flowlog.transport`); publishers use `PUBLISH_TRANSPORT_OPTIONS`.
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 25,
    "global_keyprefix": "flowlog:",
}

# A status change must not wait for Redis: the row is safe, and the sweep wakes what was not published.
PUBLISH_TRANSPORT_OPTIONS: dict[str, Any] = {"socket_timeout": 0.75, "socket_connect_timeout": 0.75}

# Seconds that a worker's clock may be ahead of the publisher's before tasks are thrown away unread: the worker judges
# by its own clock the `expires` that the publisher wrote by his. To be added to every expiry.
CLOCK_SKEW = 600.0


def broker_url(redis_url: str) -> str:
    """The broker address that Celery understands for a Redis address.

    Unix sockets are spelt otherwise; and kombu, unlike redis-py, trusts any certificate unless told not to.
    """
    parts = urlsplit(redis_url)
    if parts.scheme == "rediss" and "ssl_cert_reqs" not in parse_qs(parts.query):
        return parts._replace(query="&".join(filter(None, [parts.query, "ssl_cert_reqs=required"]))).geturl()
    if parts.scheme != "unix":
        return redis_url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={database}"


def periodic(task: str, every: float, **options: Any) -> dict[str, Any]:
    """An entry of beat's schedule: each `every` seconds.

    A worker that comes back finds only those of the last minutes alive, which must cost next to nothing.
    """
    return {"task": task, "schedule": every, "options": {"expires": every + CLOCK_SKEW, **options}}


def redis_client(redis_url: str) -> redis.Redis:
    """A client for a look at the broker: it gives up after a second, and is to be closed."""
    return redis.Redis.from_url(redis_url, socket_connect_timeout=1, socket_timeout=1)


def queue_keys(queue: str) -> list[str]:
    """The lists in Redis that hold the queue's tasks, one for each priority."""
    prefix = BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    return [f"{prefix}{queue}{Channel.sep}{step}" if step else f"{prefix}{queue}" for step in PRIORITY_STEPS]
