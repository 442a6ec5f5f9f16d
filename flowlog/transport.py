"""kombu's transport for Redis, with one client for all calls of a channel."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    """kombu makes a client for each command, which with redis-py 8 costs several times what the command does.

    What a client has beside its pool of connections never changes, and threads may share one.
    """

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
