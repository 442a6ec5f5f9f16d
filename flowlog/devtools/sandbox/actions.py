"""What the customers, WhatsApp and the network do at a word: `POST /sandbox/<action>`, and the pages' buttons.

reply      {"number", "text", "quoted": key's id, "form": a `reply_form`, "instance"}: the customer writes; without
           an instance to the one that wrote last, or the first
edit       {"key_id": a reply's, "text"}: the customer changes what they wrote
delete     {"key_id": a reply's}: the customer takes it back
read       {"number"}: the customer looks at the chat
receipt    {"key_id", "status"}: WhatsApp says what became of a message; ERROR and DELETED too
pair       {"instance"}: a phone scans the QR code
renew      {"instance"}: WhatsApp gives another QR code
storm      {"instance", "count"}: so many updates of the connection at once
meta       {"phone_number_id", "token", "app_secret", "webhook", "verify_token", "templates": [{"name", "language",
           "body" with {{1}}}]}: the shop sets a number up at Meta, anew if it is there; Meta takes no webhook that
           does not know the token

What a shop and its carrier do is in `outside.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flowlog.devtools.sandbox import connection, meta_webhooks, outside
from flowlog.devtools.sandbox.archive import Message
from flowlog.devtools.sandbox.errors import ActionError
from flowlog.devtools.sandbox.options import ReplyForm
from flowlog.devtools.sandbox.receipts import STATUSES, read, receive_receipt
from flowlog.devtools.sandbox.replies import delete, edit, reply
from flowlog.devtools.sandbox.state import META, Instance, MetaApp, Sandbox

_LARGEST_STORM = 10_000
_LONGEST_TEXT = 4096


def _reply(sandbox: Sandbox, body: Mapping[str, object]) -> dict[str, object]:
    jid, text, form = _jid(sandbox, body), _text(body), body.get("form")
    if form is not None and form not in list(ReplyForm):
        raise ActionError(f"form must be one of: {', '.join(ReplyForm)}.")
    quoted = str(body.get("quoted") or "")
    if quoted and quoted not in {message.key_id for message in sandbox.chat(jid) if message.from_me}:
        raise ActionError("quoted must be the key's id of a message that the shop sent to this number.")
    instance = _instance(sandbox, body) if body.get("instance") else _writer(sandbox, jid)
    message = reply(sandbox, instance, jid, text, quoted=quoted, form=ReplyForm(str(form)) if form else None)
    return {"key_id": message.key_id}


def _edit(sandbox: Sandbox, body: Mapping[str, object]) -> dict[str, object]:
    instance, message = _of_customer(sandbox, body)
    edit(sandbox, instance, message, _text(body))
    return {}


def _delete(sandbox: Sandbox, body: Mapping[str, object]) -> dict[str, object]:
    delete(sandbox, *_of_customer(sandbox, body))
    return {}


def _read(sandbox: Sandbox, body: Mapping[str, object]) -> dict[str, object]:
    read(sandbox, _jid(sandbox, body))
    return {}


def _receipt(sandbox: Sandbox, body: Mapping[str, object]) -> dict[str, object]:
    message = sandbox.message(str(body.get("key_id")))
    if message is None or not message.from_me:
        raise ActionError("key_id must be the key's id of a message that the shop sent.")
    if body.get("status") not in STATUSES:
        raise ActionError(f"status must be one of: {', '.join(STATUSES)}.")
    receive_receipt(sandbox, message, str(body["status"]), again=True)
    return {}


def _pair(sandbox: Sandbox, body: Mapping[str, object]) -> dict[str, object]:
    if not connection.pair(sandbox, _instance(sandbox, body)):
        raise ActionError("There is no QR code to scan: connect the instance first.")
    return {}


def _renew(sandbox: Sandbox, body: Mapping[str, object]) -> dict[str, object]:
    if not connection.renew(sandbox, _instance(sandbox, body)):
        raise ActionError("There is no QR code to renew: connect the instance first.")
    return {}


def _storm(sandbox: Sandbox, body: Mapping[str, object]) -> dict[str, object]:
    instance, count = _instance(sandbox, body), body.get("count")
    if not isinstance(count, int) or not 1 <= count <= _LARGEST_STORM:
        raise ActionError(f"count must be a whole number from 1 to {_LARGEST_STORM}.")
    connection.storm(sandbox, instance, count)
    return {}


def _meta(sandbox: Sandbox, body: Mapping[str, object]) -> dict[str, object]:
    values = {name: str(body.get(name) or "") for name in ("phone_number_id", "token", "app_secret", "webhook")}
    if not (values["phone_number_id"].isdecimal() and values["token"] and values["app_secret"]):
        raise ActionError("phone_number_id must be digits; token and app_secret must not be empty.")
    if values["webhook"] and not meta_webhooks.is_answered(values["webhook"], str(body.get("verify_token") or "")):
        raise ActionError("The webhook does not answer with the challenge.")
    given = body.get("templates")
    templates = {
        (str(each.get("name")), str(each.get("language"))): str(each.get("body"))
        for each in (given if isinstance(given, list) else [])
        if isinstance(each, dict)
    }
    app = MetaApp(values["app_secret"], values["webhook"], templates)
    number = Instance(values["phone_number_id"], META, values["token"], state="open", was_connected=True, meta=app)
    sandbox.add(number)
    return {"phone_number_id": number.name}


ACTIONS: dict[str, Callable[[Sandbox, Mapping[str, object]], dict[str, object]]] = {
    "reply": _reply,
    "edit": _edit,
    "delete": _delete,
    "read": _read,
    "receipt": _receipt,
    "pair": _pair,
    "renew": _renew,
    "storm": _storm,
    "meta": _meta,
    **outside.ACTIONS,
}


def _text(body: Mapping[str, object]) -> str:
    text = str(body.get("text") or "").strip()
    if not text or len(text) > _LONGEST_TEXT:
        raise ActionError(f"text must have 1 to {_LONGEST_TEXT} characters.")
    return text


def _of_customer(sandbox: Sandbox, body: Mapping[str, object]) -> tuple[Instance, Message]:
    """A reply that the customer has not taken back, and the instance that it went to."""
    message = sandbox.message(str(body.get("key_id")))
    if message is None or message.from_me or message.deleted:
        raise ActionError("key_id must be the key's id of a message that a customer wrote and did not delete.")
    instance = sandbox.instance(message.instance)
    if instance is None:
        raise ActionError("The instance that it went to is gone.")
    return instance, message


def _jid(sandbox: Sandbox, body: Mapping[str, object]) -> str:
    number = str(body.get("number") or "").removeprefix("+")
    if not number.isdecimal():
        raise ActionError("number must be a phone number.")
    return sandbox.resolve(number)[0]


def _instance(sandbox: Sandbox, body: Mapping[str, object]) -> Instance:
    instance = sandbox.instance(str(body.get("instance")))
    if instance is None:
        raise ActionError("instance must be the name of an instance.")
    return instance


def _writer(sandbox: Sandbox, jid: str) -> Instance:
    """The instance that wrote to the phone last, or else the first of all."""
    wrote = [sandbox.instance(message.instance) for message in reversed(sandbox.chat(jid))]
    for instance in (*wrote, *sandbox.instances(), *sandbox.meta_numbers()):
        if instance is not None:
            return instance
    raise ActionError("There is no instance to write to.")
