"""kombu's transport for Redis, with one client for all calls of a channel, and fewer commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, override

from kombu.transport import redis


class QoS(redis.QoS):
    """What a worker has in hand. kombu notes it, and its end, in two keys, in a transaction.

    Sent together they do as well: if Redis itself dies between the two, a wake-up is lost, or a few bytes stay behind.
    """

    @override
    @contextmanager
    def pipe_or_acquire(self, pipe: Any = None, client: Any = None) -> Iterator[Any]:
        if pipe:
            yield pipe
        else:
            channel: Any = self.channel
            with channel.conn_or_acquire(client) as connected:
                yield connected.pipeline(transaction=False)


class Channel(redis.Channel):
    """kombu makes a client for each command, which with redis-py 8 costs several times what the command does.

    What a client has beside its pool of connections never changes, and threads may share one.
    """

    QoS = QoS

    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        kombus: Any = super()
        if asynchronous:
            return kombus._create_client(asynchronous=True)
        # A pool is thrown away with its connections, when they are lost.
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = kombus._create_client()
        return self._kept


class Transport(redis.Transport):
    """What `redis://`, `rediss://` and `redis+socket://` stand for, with such channels."""

    Channel = Channel

    # Seconds that whoever takes from a queue waits before it asks again; workers wait longer (`flowlog.celery`). Who
    # asks the workers something waits for answers as long at least: what is still waited for afterwards would be the
    # first answer to the next question, taken by nobody.
    brpop_timeout = 1
