"""The client of Meta's Cloud API: each call answers, or raises a `GatewayError` that carries the decision."""

from __future__ import annotations

import functools
import os
import re
from http import HTTPStatus
from urllib.parse import urlsplit

from django.conf import settings

from integrations.gateways.http import Answer, call, check_number, keepable
from integrations.gateways.outcomes import UNEXPECTED, Accepted, GatewayError, Outcome, Refused
from integrations.gateways.parsing import parse_object
from integrations.gateways.protocol import SendReceipt, uptime
from integrations.gateways.transport import Clock, GatewaySession, writing_by
from integrations.meta.answers import classify
from integrations.meta.templates import Template, as_parameter

_NUMBER_ID = re.compile(r"[0-9]{5,20}")


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
        check_number(number)
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

    def _call(self, method: str, path: str, payload: dict[str, object] | None = None) -> Answer:
        """Meta's answer, whatever its status; raises `GatewayError` if none came whole."""
        if not _NUMBER_ID.fullmatch(self._phone_number_id):
            raise GatewayError(Outcome.INSTANCE_DOWN, "meta_number")
        if not self._token or not self._token.isascii() or not self._token.isprintable() or " " in self._token:
            raise GatewayError(Outcome.INSTANCE_DOWN, "meta_auth")
        return call(
            self._session,
            method,
            f"{self._base_url}/{self._phone_number_id}{path}",
            json=payload,
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=self._timeout,
        )

    def _error(self, refused: Refused, answer: Answer) -> GatewayError:
        return answer.error(refused, self._keep(answer.body))

    def _keep(self, body: str) -> str:
        return keepable(body, self._token)


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
