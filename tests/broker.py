"""Looking into the broker's queues, and working with another broker for a while."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flowlog.broker import broker_url
from flowlog.celery import app


def purge(*queues: str) -> None:
    """Empty the queues."""
    with app.connection_for_write() as broker:
        channel: Any = broker.default_channel
        for queue in queues:
            channel.queue_purge(queue)


def forget_unfinished() -> None:
    """Forget the tasks that workers of earlier tests had in hand when they were killed."""
    with app.connection_for_write() as broker:
        channel: Any = broker.default_channel
        channel.client.delete("unacked", "unacked_index")


def take_all(queue: str) -> list[Any]:
    """Take all messages out of the queue, oldest first."""
    with app.connection_for_write() as broker:
        channel: Any = broker.default_channel
        found = []
        while message := channel.basic_get(queue):
            message.ack()
            found.append(message)
        return found


@contextmanager
def broker_at(redis_url: str, settings: Any) -> Iterator[None]:
    """This process, and those started meanwhile, use another broker."""
    conf: Any = app.conf
    names = ("broker_url", "broker_read_url", "broker_write_url")
    before = {name: getattr(conf, name) for name in names}, settings.REDIS_URL
    for name in names:
        setattr(conf, name, broker_url(redis_url))
    settings.REDIS_URL = redis_url
    try:
        yield
    finally:
        for name, value in before[0].items():
            setattr(conf, name, value)
        settings.REDIS_URL = before[1]


@contextmanager
def hanging_server() -> Iterator[str]:
    """The address of a broker that accepts connections and never says a word."""
    connections: list[socket.socket] = []

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connections.append(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
    for one in connections:
        one.close()
