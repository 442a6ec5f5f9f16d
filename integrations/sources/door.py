"""Where connected systems' webhooks come in.

Some systems switch a webhook off for good after a few answers that are no success, and none tells again what it was
answered 200 for. So whatever is authentic is stored and answered 200, also what nothing can be made of; a signature
that is wrong is answered 403, and 503 says that nothing could be stored, or the secret not be read.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from http import HTTPStatus
from itertools import islice
from typing import Any, NamedTuple

from django.db import DatabaseError, InterfaceError
from django.db.models import F, Model
from django.db.models.functions import Now
from django.http import HttpHeaders, HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone

from flowlog.prepared import Statement
from integrations.inbound.views import Unread
from integrations.inbound.wakeups import Waker
from integrations.sources import RefusedError
from integrations.sources.models import Refusal

logger = logging.getLogger(__name__)

LARGEST = 1024 * 1024
# When news came last is written down no oftener than this, so that a flood of it does not wait for one row.
NOTED_EVERY = timedelta(seconds=10)
# A header of the sender's own says what it tells of; those of proxies and signatures say nothing of that.
_OF_PROXIES = ("X-Forwarded-", "X-Real-Ip", "X-Request-Id")
_OF_SIGNATURES = re.compile("signature|hmac|token|authorization|secret|key", re.IGNORECASE)
_HEADER_LENGTH, _MOST_HEADERS = 300, 30
_MOST_KNOWN = 1000


class _Address(NamedTuple):
    source: str
    token: str


@dataclass(frozen=True, slots=True)
class _Known:
    """A connection's credentials, as they can be used and as they were `kept` then."""

    credentials: Mapping[str, str]
    kept: str


@dataclass(frozen=True, slots=True)
class Door:
    """The way in for the `sources`, by their names, of the `connections`.

    `store` keeps what one of these told, given its own headers and the body; `waker` has it worked off. `at_once` is
    the statement (`integrations.sources.storing`) that stores the same as `store`: a process that has believed a
    connection once needs nothing else for what it tells then. It stores nothing by credentials that hold no more.
    """

    sources: Mapping[str, Any]
    connections: type[Model]
    store: Callable[[Any, dict[str, str], bytes], None]
    waker: Waker
    at_once: Statement | None = None
    _known: dict[_Address, _Known] = field(default_factory=dict, init=False)

    def answer(self, request: HttpRequest, source: str, token: str) -> HttpResponse:
        """Store what is told and have it worked off soon. What only asks whether somebody is here leaves nothing."""
        try:
            return self._answer(request, source, token)
        except (DatabaseError, InterfaceError) as failure:
            logger.warning("News (%s) could not be stored: %s", source, type(failure).__name__)
            return HttpResponse(status=HTTPStatus.SERVICE_UNAVAILABLE)

    def _answer(self, request: HttpRequest, name: str, token: str) -> HttpResponse:
        source, address = self.sources.get(name), _Address(name, token)
        known = self._known.get(address) if request.method == "POST" else None
        connection = None if known else self._connection(address)
        if source is None or not (known or connection):
            return Unread(request, HTTPStatus.NOT_FOUND)
        if request.method != "POST":
            return HttpResponse()
        try:
            body = request.read(LARGEST + 1)
        except UnreadablePostError:
            return HttpResponse(status=HTTPStatus.BAD_REQUEST)
        if known and self._has_taken(source, address, known, request.headers, body):
            return HttpResponse()
        return self._judge(request, source, connection or self._connection(address), body)

    def _judge(self, request: HttpRequest, source: Any, connection: Any, body: bytes) -> HttpResponse:
        if connection is None:
            return Unread(request, HTTPStatus.NOT_FOUND)
        if len(body) > LARGEST:
            self._refuse(connection, Refusal.TOO_LARGE)
            return Unread(request, HTTPStatus.CONTENT_TOO_LARGE)
        return self._take(source, connection, request.headers, body)

    def _connection(self, address: _Address) -> Any:
        if address.source not in self.sources:
            return None
        return self.connections._default_manager.filter(source=address.source, token=address.token).first()

    def _has_taken(self, source: Any, address: _Address, known: _Known, headers: HttpHeaders, body: bytes) -> bool:
        """Whether nothing is left to be done; else what came has to be judged by the connection as it is now."""
        if self.at_once is None or len(body) > LARGEST or source.is_probe("POST", headers, body):
            return False
        if _doubt(source, known.credentials, headers, body):
            return False
        told = {"headers": json.dumps(_kept(headers)), "body": body}
        stored = self.at_once.fetched(kept=known.kept, **told, **address._asdict())
        for pk, is_on, is_noted in stored:
            self._stored(pk, bool(is_on), bool(is_noted))
        return bool(stored)

    def _take(self, source: Any, connection: Any, headers: HttpHeaders, body: bytes) -> HttpResponse:
        if source.is_probe("POST", headers, body):
            return HttpResponse()
        credentials = connection.readable()
        if credentials is None:
            return HttpResponse(status=HTTPStatus.SERVICE_UNAVAILABLE)
        if refusal := _refusal(source, credentials, headers, body):
            logger.warning("News was refused: %s", refusal)
            self._refuse(connection, Refusal.SIGNATURE)
            return HttpResponse(status=HTTPStatus.FORBIDDEN)
        self.store(connection, _kept(headers), body)
        is_old = connection.last_news_at is None or connection.last_news_at < timezone.now() - NOTED_EVERY
        self._stored(connection.pk, is_on=connection.is_on, is_noted=not is_old)
        self._remember(connection, credentials)
        return HttpResponse()

    def _stored(self, pk: int, is_on: bool, is_noted: bool) -> None:
        # If this fails and it is told again, that is nothing new.
        if not is_noted:
            self.connections._default_manager.filter(pk=pk).update(last_news_at=Now())
        if is_on:
            self.waker.wake_after_commit()

    def _remember(self, connection: Any, credentials: Mapping[str, str]) -> None:
        if not self.at_once:
            return
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        address = _Address(connection.source, connection.token)
        self._known[address] = _Known(credentials, connection.credentials.token())

    def _refuse(self, connection: Any, why: Refusal) -> None:
        row = self.connections._default_manager.filter(pk=connection.pk)
        row.update(refused=F("refused") + 1, refused_at=Now(), refused_why=why)


def _refusal(source: Any, credentials: Mapping[str, str], headers: HttpHeaders, body: bytes) -> str:
    """Why it is not believed; empty if it is. Without all that its source requires nothing is."""
    missing = [each.name for each in source.CREDENTIALS if each.required and not credentials.get(each.name)]
    return f"without {', '.join(missing)} none is believed" if missing else _doubt(source, credentials, headers, body)


def _doubt(source: Any, credentials: Mapping[str, str], headers: HttpHeaders, body: bytes) -> str:
    """The same by credentials that are complete."""
    try:
        source.verify(headers, body, credentials)
    except RefusedError as refusal:
        return str(refusal)
    return ""


def _kept(headers: HttpHeaders) -> dict[str, str]:
    own = (name for name in headers if name.startswith("X-") and _is_own(name))
    return {name: headers[name][:_HEADER_LENGTH].replace("\0", "") for name in islice(own, _MOST_HEADERS)}


@lru_cache(_MOST_KNOWN)
def _is_own(name: str) -> bool:
    return not name.startswith(_OF_PROXIES) and not _OF_SIGNATURES.search(name)
