"""The client of the Evolution API: each call answers, or raises a `GatewayError` that carries the decision."""

from __future__ import annotations

import functools
import json
import os
import re
import time
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote, urlsplit

import requests
from django.conf import settings
from urllib3.exceptions import HTTPError

from integrations.evolution.classify import Accepted, Refused, classify, parse_object
from integrations.evolution.errors import GatewayError, Outcome
from integrations.evolution.transport import Clock, GatewaySession, transport_failure

_E164 = re.compile(r"\+[1-9][0-9]{7,14}")
_MAX_BODY = 64 * 1024
_KEPT_BODY = 2000
# Also where the gateway quotes JSON inside a text.
_SECRET_FIELD = re.compile(
    r'(\\?"(?:apikey|api_key|token|hash|jwt_key|authorization|access_?token)\\?"\s*:\s*\\?")[^"\\]*', re.IGNORECASE
)
_SECRET_WORD = re.compile(r"\bBearer\s+[\w.~+/=-]+|\bEAA[A-Za-z0-9]{20,}")


@dataclass(frozen=True, slots=True)
class SendReceipt:
    """A message that the gateway accepted.

    `provider_message_id` is empty if the message left but the gateway could not record it: it is sent,
    and no receipt will ever name it.
    """

    provider_message_id: str
    remote_jid: str
    http_status: int
    response_body: str
    duration: float


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: str
    duration: float


class EvolutionClient:
    """Calls one gateway with one key. Safe for several threads of one process; not across a fork.

    A call takes at most about `connect_timeout` and `read_timeout` together. An exception raised into it from
    outside, such as Celery's soft time limit, passes through unchanged: the connection in use is dropped
    and the client stays usable.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        connect_timeout: float,
        read_timeout: float,
        clock: Clock = time.monotonic,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("The gateway's address must be an http(s) address.")
        if not api_key.isascii() or not api_key.isprintable() or api_key != api_key.strip():
            raise ValueError("The gateway's key must be plain ASCII without surrounding space.")
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._timeout = (connect_timeout, read_timeout)
        self._session = GatewaySession(clock)
        self._session.headers.update({"apikey": api_key, "Accept-Encoding": "identity", "User-Agent": "flowlog"})

    def send_text(self, instance_name: str, number: str, text: str) -> SendReceipt:
        """Send `text` to `number` (E.164) once; raises `GatewayError` unless the gateway accepted it."""
        if not _E164.fullmatch(number):
            raise GatewayError(Outcome.PERMANENT, "invalid_number")
        # Looking for a preview of a link makes the gateway wait for a third party's site.
        payload = {"number": number.removeprefix("+"), "text": text, "linkPreview": False}
        answer = self._call("POST", f"/message/sendText/{_segment(instance_name)}", payload)
        verdict = classify(answer.status, answer.body)
        if isinstance(verdict, Refused):
            raise self._error(verdict, answer)
        return SendReceipt(
            verdict.provider_message_id,
            verdict.remote_jid,
            answer.status,
            self._keep(answer.body),
            answer.duration,
        )

    def connection_state(self, instance_name: str) -> str:
        """The instance's state as the gateway knows it: `open`, `connecting` or `close`; may be stale.

        Raises `GatewayError`.
        """
        answer = self._call("GET", f"/instance/connectionState/{_segment(instance_name)}")
        instance = parse_object(answer.body).get("instance") if answer.status == HTTPStatus.OK else None
        state = instance.get("state") if isinstance(instance, dict) else None
        if isinstance(state, str):
            return state
        verdict = classify(answer.status, answer.body)
        if isinstance(verdict, Accepted):
            verdict = Refused(Outcome.UNKNOWN, "unexpected_answer")
        raise self._error(verdict, answer)

    def _call(self, method: str, path: str, payload: dict[str, object] | None = None) -> _Answer:
        """The gateway's answer, whatever its status; raises `GatewayError` if none came whole."""
        started = time.monotonic()
        status = None
        try:
            response = self._session.request(
                method,
                self._base_url + path,
                json=payload,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            )
            with closing(response):
                status = response.status_code
                # A longer body is cut, which no JSON survives: its outcome is unknown.
                body = response.raw.read(_MAX_BODY, decode_content=False)
        except (requests.RequestException, HTTPError) as error:
            refused = transport_failure(error)
            duration = time.monotonic() - started
            raise GatewayError(refused.outcome, refused.code, http_status=status, duration=duration) from error
        return _Answer(status, body.decode(errors="replace"), time.monotonic() - started)

    def _error(self, refused: Refused, answer: _Answer) -> GatewayError:
        return GatewayError(
            refused.outcome,
            refused.code,
            http_status=answer.status,
            response_body=self._keep(answer.body),
            duration=answer.duration,
        )

    def _keep(self, body: str) -> str:
        """The body as a row may keep it: without keys, then cut, and without what PostgreSQL refuses."""
        if self._api_key:
            for form in (json.dumps(self._api_key)[1:-1], self._api_key):
                body = body.replace(form, "***")
        body = _SECRET_FIELD.sub(r"\1***", body)
        return _SECRET_WORD.sub("***", body).replace("\0", "�")[:_KEPT_BODY]


def client() -> EvolutionClient:
    """This process's client for the gateway of the settings."""
    return _shared_client(
        os.getpid(),
        settings.EVOLUTION_API_URL,
        settings.EVOLUTION_API_KEY,
        settings.NOTIFICATIONS.connect_timeout,
        settings.NOTIFICATIONS.read_timeout,
    )


@functools.lru_cache(maxsize=2)
def _shared_client(
    _process_id: int, base_url: str, api_key: str, connect_timeout: float, read_timeout: float
) -> EvolutionClient:
    """One client for each process: a forked child must not write into its parent's connections."""
    return EvolutionClient(base_url, api_key, connect_timeout=connect_timeout, read_timeout=read_timeout)


def _segment(name: str) -> str:
    return quote(name, safe="")
