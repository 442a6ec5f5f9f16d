"""The client of Meta's Cloud API: each call answers, or raises a `GatewayError` that carries the decision."""

from __future__ import annotations

import functools
import json
import os
import re
import time
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import requests
from django.conf import settings
from urllib3.exceptions import HTTPError

from integrations.evolution.classify import UNEXPECTED, Accepted, parse_object
from integrations.evolution.transport import Clock, GatewaySession, transport_failure, writing_by
from integrations.gateways.outcomes import GatewayError, Outcome, Refused
from integrations.gateways.protocol import SendReceipt, uptime
from integrations.meta.answers import classify
from integrations.meta.templates import Template, as_parameter

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_NUMBER_ID = re.compile(r"[0-9]{5,20}")
_MAX_BODY = 64 * 1024
_KEPT_BODY = 2000
_TOKEN = re.compile(r"\bBearer\s+[\w.~+/=-]+|\bEAA[A-Za-z0-9]{20,}")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: str
    duration: float


class MetaClient:
    """Calls the Graph API for one of the shop's numbers, `phone_number_id`, with its token.

    Safe for several threads of one process; not across a fork. A request takes at most about `connect_timeout` and
    `read_timeout` together. The token is in no exception, no kept body and no `repr`.
    """

    def __init__(
        self,
        session: GatewaySession,
        base_url: str,
        phone_number_id: str,
        token: str,
        *,
        connect_timeout: float,
        read_timeout: float,
        clock: Clock = uptime,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("Meta's address must be an http(s) address.")
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._phone_number_id = phone_number_id
        self._token = token
        self._timeout = (connect_timeout, read_timeout)
        self.clock = clock

    def send(
        self, number: str, text: str, callback_data: str = "", *, template: Template | None, not_after: float | None
    ) -> SendReceipt:
        """Send `text` to `number` (E.164) once, as it is or, with a `template`, in that one's variable.

        `callback_data` comes back with each of the message's receipts. Raises `GatewayError` unless Meta accepted it.
        After `not_after`, by `clock`, nothing is written any more: the code is `too_late`, for certain not sent.
        """
        if not _E164.fullmatch(number):
            raise GatewayError(Outcome.PERMANENT, "invalid_number")
        payload: dict[str, object] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": number.removeprefix("+"),
            **(_in_template(template, text) if template else _as_text(text)),
            **({"biz_opaque_callback_data": callback_data} if callback_data else {}),
        }
        with writing_by(not_after):
            answer = self._call("POST", "/messages", payload)
        verdict = classify(answer.status, answer.body)
        if isinstance(verdict, Refused):
            raise self._error(verdict, answer)
        return SendReceipt(verdict.provider_message_id, answer.status, self._keep(answer.body), answer.duration)

    def status(self) -> str:
        """The number's status at Meta, such as `CONNECTED` or `BANNED`. Raises `GatewayError`."""
        answer = self._call("GET", "?fields=status")
        told = parse_object(answer.body).get("status") if answer.status == HTTPStatus.OK else None
        if isinstance(told, str):
            return told
        verdict = classify(answer.status, answer.body)
        raise self._error(UNEXPECTED if isinstance(verdict, Accepted) else verdict, answer)

    def _call(self, method: str, path: str, payload: dict[str, object] | None = None) -> _Answer:
        """Meta's answer, whatever its status; raises `GatewayError` if none came whole."""
        if not _NUMBER_ID.fullmatch(self._phone_number_id):
            raise GatewayError(Outcome.INSTANCE_DOWN, "meta_number")
        if not self._token or not self._token.isascii() or not self._token.isprintable() or " " in self._token:
            raise GatewayError(Outcome.INSTANCE_DOWN, "meta_auth")
        started, status = time.monotonic(), None
        try:
            response = self._session.request(
                method,
                f"{self._base_url}/{self._phone_number_id}{path}",
                json=payload,
                headers={"Authorization": f"Bearer {self._token}"},
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
        """The body as a row may keep it: without the token, then cut, and without what PostgreSQL refuses."""
        for form in (json.dumps(self._token)[1:-1], self._token):
            body = body.replace(form, "***")
        return _TOKEN.sub("***", body).replace("\0", "�")[:_KEPT_BODY]


def client_for(phone_number_id: str, token: str) -> MetaClient:
    """A client for one of the shop's numbers, on this process's connections to the Graph API of the settings."""
    return MetaClient(
        _session(os.getpid()),
        f"{settings.META_GRAPH_URL}/{settings.META_GRAPH_VERSION}",
        phone_number_id,
        token,
        connect_timeout=settings.NOTIFICATIONS.connect_timeout,
        read_timeout=settings.NOTIFICATIONS.read_timeout,
    )


@functools.lru_cache(maxsize=2)
def _session(_process_id: int) -> GatewaySession:
    """One for each process: a forked child must not write into its parent's connections."""
    session = GatewaySession()
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": "flowlog"})
    return session


def _as_text(text: str) -> dict[str, object]:
    return {"type": "text", "text": {"preview_url": False, "body": text}}


def _in_template(template: Template, text: str) -> dict[str, object]:
    body = {"type": "body", "parameters": [{"type": "text", "text": as_parameter(text)}]}
    return {
        "type": "template",
        "template": {"name": template.name, "language": {"code": template.language}, "components": [body]},
    }
