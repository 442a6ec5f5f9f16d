"""Where connected systems' webhooks come in.

Some systems switch a webhook off for good after a few answers that are no success, and none tells again what it was
answered 200 for. So whatever is authentic is stored and answered 200, also what nothing can be made of; a signature
that is wrong is answered 403, and 503 says that nothing could be stored, or the secret not be read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import F, Model
from django.db.models.functions import Now
from django.http import HttpHeaders, HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone

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
_HEADER_LENGTH, _MOST_HEADERS = 300, 30


@dataclass(frozen=True, slots=True)
class Door:
    """The way in for the `sources`, by their names, of the `connections`.

    `store` keeps what one of these told, given its own headers and the body; `waker` has it worked off.
    """

    sources: Mapping[str, Any]
    connections: type[Model]
    store: Callable[[Any, dict[str, str], bytes], None]
    waker: Waker

    def answer(self, request: HttpRequest, source: str, token: str) -> HttpResponse:
        """Store what is told and have it worked off soon. What only asks whether somebody is here leaves nothing."""
        try:
            return self._answer(request, source, token)
        except (DatabaseError, InterfaceError) as failure:
            logger.warning("News (%s) could not be stored: %s", source, type(failure).__name__)
            return HttpResponse(status=HTTPStatus.SERVICE_UNAVAILABLE)

    def _answer(self, request: HttpRequest, name: str, token: str) -> HttpResponse:
        source, rows = self.sources.get(name), self.connections._default_manager
        connection = rows.filter(source=name, token=token).first() if source else None
        if source is None or connection is None:
            return Unread(request, HTTPStatus.NOT_FOUND)
        if request.method != "POST":
            return HttpResponse()
        try:
            body = request.read(LARGEST + 1)
        except UnreadablePostError:
            return HttpResponse(status=HTTPStatus.BAD_REQUEST)
        if len(body) > LARGEST:
            self._refuse(connection, Refusal.TOO_LARGE)
            return Unread(request, HTTPStatus.CONTENT_TOO_LARGE)
        return self._take(source, connection, request.headers, body)

    def _take(self, source: Any, connection: Any, headers: HttpHeaders, body: bytes) -> HttpResponse:
        if source.is_probe("POST", headers, body):
            return HttpResponse()
        credentials = connection.readable()
        if credentials is None:
            return HttpResponse(status=HTTPStatus.SERVICE_UNAVAILABLE)
        if not _is_authentic(source, credentials, headers, body):
            self._refuse(connection, Refusal.SIGNATURE)
            return HttpResponse(status=HTTPStatus.FORBIDDEN)
        # If the second statement fails and it is told again, that is nothing new.
        self.store(connection, _kept(headers), body)
        if connection.last_news_at is None or connection.last_news_at < timezone.now() - NOTED_EVERY:
            self.connections._default_manager.filter(pk=connection.pk).update(last_news_at=Now())
        if connection.is_on:
            transaction.on_commit(self.waker.wake, robust=True)
        return HttpResponse()

    def _refuse(self, connection: Any, why: Refusal) -> None:
        row = self.connections._default_manager.filter(pk=connection.pk)
        row.update(refused=F("refused") + 1, refused_at=Now(), refused_why=why)


def _is_authentic(source: Any, credentials: Mapping[str, str], headers: HttpHeaders, body: bytes) -> bool:
    """Without all that its source requires nothing is."""
    if any(each.required and not credentials.get(each.name) for each in source.CREDENTIALS):
        return False
    try:
        source.verify(headers, body, credentials)
    except RefusedError as refusal:
        logger.warning("News was refused: %s", refusal)
        return False
    return True


def _kept(headers: HttpHeaders) -> dict[str, str]:
    own = {
        name: value[:_HEADER_LENGTH].replace("\0", "")
        for name, value in headers.items()
        if name.startswith("X-") and not name.startswith(_OF_PROXIES) and not _is_of_signature(name)
    }
    return dict(list(own.items())[:_MOST_HEADERS])


def _is_of_signature(name: str) -> bool:
    return any(word in name.lower() for word in ("signature", "hmac", "token", "authorization", "secret", "key"))
