"""Connections to the gateway whose every step is bounded in time, under a `requests` session.

`requests` bounds each read of a socket, not their sum, and hides whether a failure came before or
after the request could have been written. The connections made here close both gaps, and none that
the gateway may be about to close is used again.
"""

from __future__ import annotations

import functools
import http.client
import io
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from http.cookiejar import DefaultCookiePolicy
from typing import Any, override

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, ReadTimeoutError

from flowlog.public_addresses import may_be_called
from integrations.gateways.outcomes import Outcome, Refused
from integrations.gateways.protocol import TOO_LATE, uptime

IDLE_LIMIT = 4.0
"""Seconds after which an idle connection is not used again; the gateway closes it at five."""
_POOL_SIZE = 4
# So many addresses whose requests a session keeps, but for what they say.
_MOST_ADDRESSES = 64

Clock = Callable[[], float]

_write_by: ContextVar[float | None] = ContextVar("write_by", default=None)


class TooLateError(HTTPError):
    """It was too late to write the request: no more than a part of it was written, of which nothing comes."""


class NotPublicError(NewConnectionError):
    """The name leads only to where a session of public addresses alone does not connect: nothing was sent."""


@contextmanager
def writing_by(moment: float | None) -> Iterator[None]:
    """Let requests of this block raise `TooLateError` instead of going out after `moment`, by the session's clock."""
    token = _write_by.set(moment)
    try:
        yield
    finally:
        _write_by.reset(token)


class _BoundedReader(io.RawIOBase):
    """Reads a socket until a moment in time, however slowly the bytes come."""

    def __init__(self, sock: socket.socket, read_by: float, clock: Clock) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._read_by = read_by
        self._clock = clock

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int | None:
        remaining = self._read_by - self._clock()
        if remaining <= 0:
            raise TimeoutError("the answer took too long")
        self._sock.settimeout(remaining)
        return self._raw.readinto(buffer)

    @override
    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(http.client.HTTPResponse):
    """An answer whose head and body together have to arrive by `read_by`."""

    def __init__(self, sock: socket.socket, *args: Any, read_by: float, clock: Clock, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_BoundedReader(sock, read_by, clock))


class _BoundedConnection(HTTPConnection):
    """A connection whose `connect` and whose answer each have one deadline.

    Whatever fails in `connect` is raised as `NewConnectionError`, TLS included: nothing of the request
    has been written then. Any other error may have come after it.
    """

    clock: Clock = staticmethod(uptime)
    public_only = False
    idle_since = 0.0
    _connect_by = 0.0

    @override
    def connect(self) -> None:
        self._connect_by = self.clock() + (self.timeout or 0)
        try:
            super().connect()
        except NewConnectionError:
            self.close()
            raise
        except (OSError, HTTPError, ValueError) as error:
            self.close()
            raise NewConnectionError(self, f"Failed to secure a new connection: {error}") from error
        self.sock.settimeout(self.timeout)

    @override
    def _new_conn(self) -> socket.socket:
        """Try each of the host's addresses in turn; all of them share the time to connect."""
        failure: Exception = OSError("no address")
        try:
            addresses = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, f"Failed to resolve the name: {error}") from error
        if self.public_only:
            addresses = [each for each in addresses if may_be_called(str(each[4][0]))]
            if not addresses:
                raise NotPublicError(self, "The name leads to no public address")
        for family, kind, protocol, _, address in addresses:
            sock = socket.socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.settimeout(self._time_to_connect())
                sock.connect(address)
                # TLS shakes hands within what is left.
                sock.settimeout(self._time_to_connect())
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise NewConnectionError(self, f"Failed to establish a new connection: {failure}") from failure

    def _time_to_connect(self) -> float:
        remaining = self._connect_by - self.clock()
        if remaining <= 0:
            raise TimeoutError("connecting took too long")
        return remaining

    @override
    def send(self, data: Any) -> None:
        """Write a part of the request, connected by now, unless it is too late for it.

        A process may have stood still since its caller looked at the clock: over the name, the connection or TLS. The
        last part makes the request whole, so whoever is late for that has sent nothing.
        """
        if self.sock is None:
            self.connect()
        write_by = _write_by.get()
        if write_by is not None and self.clock() > write_by:
            raise TooLateError
        super().send(data)

    @override
    def getresponse(self) -> Any:
        read_by = self.clock() + (self.timeout or 0)
        self.response_class = functools.partial(_BoundedResponse, read_by=read_by, clock=self.clock)  # type: ignore[assignment]
        return super().getresponse()


class _BoundedTLSConnection(_BoundedConnection, HTTPSConnection):
    """The same over TLS."""


class _FreshPool(HTTPConnectionPool):
    """A pool that does not hand out a connection that has been idle for `IDLE_LIMIT`."""

    ConnectionCls = _BoundedConnection

    def __init__(self, *args: Any, clock: Clock, public_only: bool, **kwargs: Any) -> None:
        self._clock, self._public_only = clock, public_only
        super().__init__(*args, **kwargs)

    @override
    def _new_conn(self) -> Any:
        connection: Any = super()._new_conn()
        connection.clock, connection.public_only = self._clock, self._public_only
        return connection

    @override
    def _get_conn(self, timeout: float | None = None) -> Any:
        connection: Any = super()._get_conn(timeout)
        if not connection.is_closed and self._clock() - connection.idle_since >= IDLE_LIMIT:
            connection.close()
        return connection

    @override
    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = self._clock()
        super()._put_conn(conn)


class _FreshTLSPool(_FreshPool, HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = _BoundedTLSConnection


class _Adapter(HTTPAdapter):
    """Sends over the pools above, each request once."""

    def __init__(self, clock: Clock, *, public_only: bool) -> None:
        self._own: dict[str, Any] = {"clock": clock, "public_only": public_only}
        super().__init__(pool_connections=1, pool_maxsize=_POOL_SIZE, max_retries=0)

    @override
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": functools.partial(_FreshPool, **self._own),
            "https": functools.partial(_FreshTLSPool, **self._own),
        }


class GatewaySession(requests.Session):
    """A session that talks to the gateway alone: no proxy, credentials or cookies of others, no redirect.

    `public_only`: it connects to none but public addresses (`flowlog.public_addresses.may_be_called`), for those whose
    address somebody typed; `is_not_public` tells when that was why a call failed. Its headers are set before its first
    request.
    """

    def __init__(self, clock: Clock = uptime, *, public_only: bool = False) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        adapter = _Adapter(clock, public_only=public_only)
        self.mount("http://", adapter)
        self.mount("https://", adapter)
        self._addressed = functools.lru_cache(_MOST_ADDRESSES)(self._address)

    @override
    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """As `requests` does, which costs a fifth of a call; of one that says JSON, all but that is made once."""
        if request.json is None or request.data or request.files or request.params or request.auth or request.cookies:
            return super().prepare_request(request)
        prepared = copy(self._addressed(request.method, request.url, *(request.headers or {}).items()))
        prepared.headers = prepared.headers.copy()
        prepared.prepare_body(None, None, request.json)
        return prepared

    def _address(self, method: str, url: str, *headers: tuple[str, str]) -> requests.PreparedRequest:
        return super().prepare_request(requests.Request(method, url, dict(headers)))

    @override
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None, always: even where redirects are off, `requests` reads the whole body of one it knows."""
        return


def transport_failure(error: requests.RequestException | HTTPError) -> Refused:
    """What a call that ended in `error` means: only one that was never connected, or came too late, sent nothing."""
    if isinstance(error, TooLateError):
        return Refused(Outcome.RETRYABLE, TOO_LATE)
    if isinstance(_cause(error), NewConnectionError):
        return Refused(Outcome.RETRYABLE, "gateway_unreachable")
    if isinstance(error, requests.exceptions.InvalidURL):
        return Refused(Outcome.RETRYABLE, "gateway_unreachable")
    if isinstance(error, requests.ReadTimeout | ReadTimeoutError):
        return Refused(Outcome.UNKNOWN, "read_timeout")
    return Refused(Outcome.UNKNOWN, "connection_reset")


def is_not_public(error: requests.RequestException | HTTPError) -> bool:
    """Whether a call ended in `error` because its address leads to no public one."""
    return isinstance(_cause(error), NotPublicError)


def _cause(error: requests.RequestException | HTTPError) -> BaseException | None:
    cause = error.args[0] if isinstance(error, requests.ConnectionError) and error.args else error
    return cause.reason if isinstance(cause, MaxRetryError) else cause
