"""What customers write back, and change or take back afterwards."""

from __future__ import annotations

import time
from functools import partial

from flowlog.devtools.sandbox import meta_webhooks
from flowlog.devtools.sandbox.archive import Message
from flowlog.devtools.sandbox.ids import lid_of
from flowlog.devtools.sandbox.jids import digits_of
from flowlog.devtools.sandbox.options import ReplyForm, Version
from flowlog.devtools.sandbox.state import EVOLUTION, META, OWN_JID, Instance, Sandbox
from flowlog.devtools.sandbox.webhooks import emit

# WhatsApp's number for an edit, among the kinds of what is said about a message.
_EDIT = 14


def reply(
    sandbox: Sandbox, instance: Instance, jid: str, text: str, *, quoted: str = "", form: ReplyForm | None = None
) -> Message:
    """The customer at `jid` writes to the shop: it arrives now, or once the instance is connected.

    `quoted` is the key's id of the shop's message that is answered; `form` overrules the option `reply_form`.
    An anonymous one quotes the shop's latest message if it quotes none.
    """
    form = form or sandbox.options.reply_form
    if form is ReplyForm.ANONYMOUS and not quoted:
        quoted = next((each.key_id for each in reversed(sandbox.chat(jid)) if each.from_me), "")
    message = sandbox.receive(instance, jid, text, quoted=quoted, form=form)
    sandbox.when_open(instance, partial(_arrive, sandbox, instance, message))
    return message


def edit(sandbox: Sandbox, instance: Instance, message: Message, text: str) -> None:
    """The customer changes what they wrote; the gateway hears of it now, or once the instance is connected."""
    sandbox.edit(message, text)
    edited = {
        "key": _key(sandbox, instance, message),
        "type": _EDIT,
        "editedMessage": {"conversation": text},
        "timestampMs": str(int(time.time() * 1000)),
    }
    sandbox.when_open(instance, partial(emit, sandbox, instance, "messages.edited", edited))


def delete(sandbox: Sandbox, instance: Instance, message: Message) -> None:
    """The customer takes back what they wrote."""
    if not sandbox.update(message, "DELETED"):
        return
    gone = {
        "remoteJid": _key(sandbox, instance, message)["remoteJid"],
        "id": message.key_id,
        "fromMe": False,
        "status": "DELETED",
    }
    sandbox.when_open(instance, partial(emit, sandbox, instance, "messages.delete", gone))


def _arrive(sandbox: Sandbox, instance: Instance, message: Message) -> None:
    if not sandbox.update(message, "DELIVERY_ACK"):
        return
    if instance.integration == META:
        meta_webhooks.tell_message(sandbox, instance, message)
    else:
        emit(sandbox, instance, "messages.upsert", _upsert(sandbox, instance, message))


def _upsert(sandbox: Sandbox, instance: Instance, message: Message) -> dict[str, object]:
    return {
        "key": _key(sandbox, instance, message),
        "pushName": "Cliente",
        "status": "DELIVERY_ACK",
        "message": {"conversation": message.text, "messageContextInfo": {"deviceListMetadataVersion": 2}},
        **({"contextInfo": _quote(sandbox, message)} if message.quoted else {}),
        "messageType": message.message_type,
        "messageTimestamp": message.timestamp,
        "instanceId": instance.id,
        "source": message.source,
    }


def _key(sandbox: Sandbox, instance: Instance, message: Message) -> dict[str, object]:
    number, hidden = message.remote_jid, lid_of(message.remote_jid)
    key: dict[str, object] = {"remoteJid": number, "id": message.key_id, "fromMe": False, "participant": ""}
    if instance.integration == EVOLUTION:
        return {**key, "remoteJid": digits_of(number)}
    match message.form:
        case ReplyForm.NUMBER:
            return {**key, "addressingMode": "pn"}
        case ReplyForm.LID:
            other = hidden if sandbox.options.version is Version.CANDIDATE else number
            key["remoteJidAlt"] = other
        case ReplyForm.LID_FIRST:
            key |= {"remoteJid": hidden, "remoteJidAlt": number}
        case ReplyForm.SENDER_PN:
            key |= {"remoteJid": hidden, "senderPn": number}
        case _:
            key["remoteJid"] = hidden
    return {**key, "addressingMode": "lid"}


def _quote(sandbox: Sandbox, message: Message) -> dict[str, object]:
    quoted = sandbox.message(message.quoted)
    return {
        "stanzaId": message.quoted,
        "participant": OWN_JID,
        "quotedMessage": {"conversation": quoted.text if quoted else ""},
    }
