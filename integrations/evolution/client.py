"""The client of the Evolution API: each call answers, or raises a `GatewayError` that carries the decision."""

from __future__ import annotations

import functools
import math
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from django.conf import settings

from flowlog import heartbeats
from integrations.evolution.classify import classify
from integrations.evolution.jids import addresses, bare
from integrations.evolution.messages import Page, key_of, own_message, parse_page
from integrations.evolution.servers import Server, of_settings
from integrations.gateways.http import MAX_BODY, Answer, call, check_number, keepable
from integrations.gateways.outcomes import UNEXPECTED, Accepted, GatewayError, Outcome, Refused
from integrations.gateways.parsing import parse_object
from integrations.gateways.protocol import FoundMessage, SendReceipt, uptime
from integrations.gateways.transport import Clock, GatewaySession, writing_by

_MAX_PAGE_BODY = 1024 * 1024
_PAGE_SIZE = 50
_MAX_PAGES = 50
# The connections of one that has to go are closed with it.
_MOST_CLIENTS = 16
# Also where the gateway quotes JSON inside a text.
_SECRET_FIELD = re.compile(
    r'(\\?"(?:apikey|api_key|token|hash|jwt_key|authorization|access_?token)\\?"\s*:\s*\\?")[^"\\]*', re.IGNORECASE
)
# Where a licence is asked for: the host tells where, the rest may tell who.
_REGISTER_URL = re.compile(
    r'("register_url\\?"\s*:\s*\\?"https?:\\?/\\?/)(?:[^"/?#@]*@)?([^"\\/?#]*)[^"]*', re.IGNORECASE
)
_HIDDEN = ((_SECRET_FIELD, r"\1***"), (_REGISTER_URL, r"\1\2/***"))


class EvolutionClient:
    """Calls one gateway with one key. Safe for several threads of one process; not across a fork.

    A request takes at most about `connect_timeout` and `read_timeout` together. An exception raised into it from
    outside, such as Celery's soft time limit, passes through unchanged: the connection in use is dropped
    and the client stays usable. `on_page` is called before each page that is asked for, any of which may be slow.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        connect_timeout: float,
        read_timeout: float,
        clock: Clock = uptime,
        on_page: Callable[[], None] = lambda: None,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("The gateway's address must be an http(s) address.")
        if not api_key.isascii() or not api_key.isprintable() or api_key != api_key.strip():
            raise ValueError("The gateway's key must be plain ASCII without surrounding space.")
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._timeout = (connect_timeout, read_timeout)
        self.clock = clock
        self._on_page = on_page
        self._session = GatewaySession(clock)
        self._session.headers.update({"apikey": api_key, "Accept-Encoding": "identity", "User-Agent": "flowlog"})

    def send_text(
        self, instance_name: str, number: str, text: str, message_id: str = "", *, not_after: float | None = None
    ) -> SendReceipt:
        """Send `text` to `number` (E.164) once; raises `GatewayError` unless the gateway accepted it.

        From 2.4 on the message has the id that is given; until then the gateway ignores it and makes one. After
        `not_after`, by `clock`, nothing is written any more: the code is `too_late`, for certain not sent.
        """
        check_number(number)
        # Looking for a preview of a link makes the gateway wait for a third party's site.
        payload: dict[str, object] = {"number": number.removeprefix("+"), "text": text, "linkPreview": False}
        if message_id:
            payload["messageId"] = message_id
        with writing_by(not_after):
            answer = self._call("POST", f"/message/sendText/{path_segment(instance_name)}", payload)
        verdict = classify(answer.status, answer.body)
        if isinstance(verdict, Refused):
            raise self._error(verdict, answer)
        return SendReceipt(verdict.provider_message_id, answer.status, self._keep(answer.body), answer.duration)

    def connection_state(self, instance_name: str) -> str:
        """The instance's state as the gateway knows it: `open`, `connecting` or `close`; may be stale.

        Raises `GatewayError`.
        """
        answer = self._call("GET", f"/instance/connectionState/{path_segment(instance_name)}")
        instance = parse_object(answer.body).get("instance") if answer.status == HTTPStatus.OK else None
        state = instance.get("state") if isinstance(instance, dict) else None
        if isinstance(state, str):
            return state
        raise self._unreadable(answer)

    def find_messages(self, instance_name: str, number: str, *, since: datetime, until: datetime) -> list[FoundMessage]:
        """What the instance sent to `number` (E.164), under whatever address, from `since` to `until` (aware).

        Both ends count, the first rounded down and the last up to whole seconds. A record that is not whole
        is left out; the latest come first. Raises `GatewayError` unless the gateway gave all that it has, so
        an empty list says that it has nothing. Makes a request for each page of each address.
        """
        check_number(number)
        between = {"gte": _stamp(math.floor(since.timestamp())), "lte": _stamp(math.ceil(until.timestamp()))}
        found = [each for jid in addresses(number) for each in self._own_messages(instance_name, jid, between)]
        # An instance keeps all that it sends by JIDs or, on the gateway's own channel, all by bare numbers.
        found = found or self._own_messages(instance_name, bare(number), between)
        return sorted(found, key=lambda message: message.timestamp, reverse=True)

    def find_by_id(self, instance_name: str, provider_message_id: str) -> FoundMessage | None:
        """The instance's message of that id, which must not be empty, whoever got it; None if there is none.

        Without text if its record is not whole, or of a message that the instance did not send. Raises `GatewayError`
        unless the answer is certain.
        """
        records = self._of_id(instance_name, provider_message_id)
        found = (own_message(record, key_of(record).get("remoteJid")) for record in records)
        nothing_more = FoundMessage(provider_message_id, "", 0) if records else None
        return next((each for each in found if each), nothing_more)

    def _of_id(self, instance_name: str, provider_message_id: str) -> list[object]:
        if not provider_message_id:
            # The gateway would take it for no filter at all.
            raise ValueError("There is no message without an id.")
        answer, page = self._page(instance_name, {"key": {"id": provider_message_id}}, 1)
        named = [record for record in page.records.values() if key_of(record).get("id") == provider_message_id]
        if not named and (page.total or page.records):
            raise self._error(UNEXPECTED, answer)
        return named

    def _own_messages(self, instance_name: str, address: str, between: dict[str, str]) -> list[FoundMessage]:
        where = {"key": {"remoteJid": address, "fromMe": True}, "messageTimestamp": between}
        records = self._records(instance_name, where)
        return [message for record in records if (message := own_message(record, address))]

    def _records(self, instance_name: str, where: dict[str, object]) -> list[object]:
        """All records that match; raises `GatewayError` unless it is certain that they are all."""
        answer, first = self._page(instance_name, where, 1)
        if first.pages > _MAX_PAGES:
            raise self._error(Refused(Outcome.UNKNOWN, "too_many_messages"), answer)
        records = dict(first.records)
        for number in range(2, first.pages + 1):
            answer, page = self._page(instance_name, where, number)
            records.update(page.records)
        # The gateway has no fixed order within a second, and messages may come or go between two pages.
        if len(records) < first.total:
            raise self._error(Refused(Outcome.UNKNOWN, "incomplete_answer"), answer)
        return list(records.values())

    def _page(self, instance_name: str, where: dict[str, object], number: int) -> tuple[Answer, Page]:
        """A page of the records that match; raises `GatewayError` unless it came whole and well-formed."""
        # One look-up asks for several, and would else look like a dead worker to whoever waits for a sign of life.
        self._on_page()
        answer = self._call(
            "POST",
            f"/chat/findMessages/{path_segment(instance_name)}",
            {"where": where, "page": number, "offset": _PAGE_SIZE},
            max_body=_MAX_PAGE_BODY,
        )
        page = parse_page(answer.body) if answer.status == HTTPStatus.OK else None
        if page is None:
            raise self._unreadable(answer)
        return answer, page

    def _call(
        self, method: str, path: str, payload: dict[str, object] | None = None, *, max_body: int = MAX_BODY
    ) -> Answer:
        url = self._base_url + path
        return call(self._session, method, url, json=payload, timeout=self._timeout, max_body=max_body)

    def _unreadable(self, answer: Answer) -> GatewayError:
        """The failure of a read whose answer is not what was asked for."""
        verdict = classify(answer.status, answer.body)
        return self._error(UNEXPECTED if isinstance(verdict, Accepted) else verdict, answer)

    def _error(self, refused: Refused, answer: Answer) -> GatewayError:
        return answer.error(refused, self._keep(answer.body))

    def _keep(self, body: str) -> str:
        return keepable(body, self._api_key, _HIDDEN)


def client(server: Server | None = None) -> EvolutionClient:
    """This process's client for the server, by default that of the settings."""
    times = settings.NOTIFICATIONS
    return _shared_client(os.getpid(), server or of_settings(), times.connect_timeout, times.read_timeout)


@functools.lru_cache(maxsize=_MOST_CLIENTS)
def _shared_client(_process_id: int, server: Server, connect_timeout: float, read_timeout: float) -> EvolutionClient:
    """One client for each process and server: a forked child must not write into its parent's connections."""
    return EvolutionClient(
        server.url,
        server.key,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        on_page=heartbeats.note_progress,
    )


def _stamp(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def path_segment(name: str) -> str:
    """The name as one segment of an address."""
    return quote(name, safe="")
