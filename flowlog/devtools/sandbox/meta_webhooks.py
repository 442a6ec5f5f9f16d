"""What Meta tells of a number: each of its webhooks is signed with the secret of the shop's app."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from http import HTTPStatus

import requests

from flowlog.devtools.sandbox.archive import Message
from flowlog.devtools.sandbox.courier import Delivery
from flowlog.devtools.sandbox.jids import digits_of
from flowlog.devtools.sandbox.state import Instance, Sandbox

_ACCOUNT = "102290129340398"
_TIMEOUT = 10
_STATUSES = {"SERVER_ACK": "sent", "DELIVERY_ACK": "delivered", "READ": "read", "PLAYED": "played", "ERROR": "failed"}
_TITLES = {
    131026: "Message undeliverable",
    131047: "Re-engagement message",
    131049: "This message was not delivered to maintain healthy ecosystem engagement.",
    131042: "Business eligibility payment issue",
}


def is_answered(url: str, verify_token: str) -> bool:
    """Whether the address gives back what Meta asks it when it is set, knowing the token."""
    challenge = str(secrets.randbelow(10**10))
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(url, params=query, timeout=_TIMEOUT, allow_redirects=False)
    except (requests.RequestException, ValueError):
        return False
    return answer.status_code == HTTPStatus.OK and answer.text == challenge


def tell_status(sandbox: Sandbox, number: Instance, message: Message, status: str, *, code: int = 0) -> None:
    """What became of a message, with the code of a failure, else that of the options.

    What Meta has no word for is not told.
    """
    if word := _STATUSES.get(status):
        told: dict[str, object] = {
            "id": message.key_id,
            "status": word,
            "timestamp": str(int(time.time())),
            "recipient_id": digits_of(message.remote_jid),
            **({"biz_opaque_callback_data": message.callback_data} if message.callback_data else {}),
        }
        if word == "failed":
            told = {**told, "errors": [_error(code or sandbox.options.meta_failure)]}
        _tell(sandbox, number, {"statuses": [told]})


def tell_message(sandbox: Sandbox, number: Instance, message: Message) -> None:
    """What a customer wrote."""
    sender = digits_of(message.remote_jid)
    told = {
        "from": sender,
        "id": message.key_id,
        "timestamp": str(message.timestamp),
        "type": "text",
        "text": {"body": message.text},
        **({"context": {"from": number.name, "id": message.quoted}} if message.quoted else {}),
    }
    _tell(sandbox, number, {"contacts": [{"profile": {"name": "Cliente"}, "wa_id": sender}], "messages": [told]})


def _error(code: int) -> dict[str, object]:
    title = _TITLES.get(code, "Something went wrong")
    return {"code": code, "title": title, "message": title, "error_data": {"details": title}}


def _tell(sandbox: Sandbox, number: Instance, value: dict[str, object]) -> None:
    if number.meta is None or not number.meta.webhook_url:
        return
    metadata = {"display_phone_number": "5511999990000", "phone_number_id": number.name}
    change = {"value": {"messaging_product": "whatsapp", "metadata": metadata, **value}, "field": "messages"}
    event = {"object": "whatsapp_business_account", "entry": [{"id": _ACCOUNT, "changes": [change]}]}
    # Signed as it goes out: with every sign that is not ASCII escaped.
    body = json.dumps(event).encode()
    signature = hmac.new(number.meta.app_secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={signature}", "User-Agent": "facebookexternalua"}
    sandbox.dispatch(Delivery(number.meta.webhook_url, headers, event, body), 0)
