"""What customers write back."""

from __future__ import annotations

from functools import partial

from integrations.evolution.sandbox.archive import Message
from integrations.evolution.sandbox.ids import lid_of
from integrations.evolution.sandbox.options import ReplyForm
from integrations.evolution.sandbox.state import OWN_JID, Instance, Sandbox
from integrations.evolution.sandbox.webhooks import emit


def reply(
    sandbox: Sandbox, instance: Instance, jid: str, text: str, *, quoted: str = "", form: ReplyForm | None = None
) -> Message:
    """The customer at `jid` writes to the shop: it arrives now, or once the instance is connected.

    `quoted` is the key's id of the shop's message that is answered; `form` overrules the option `reply_form`.
    One without a number quotes the shop's latest message if it quotes none.
    """
    form = form or sandbox.options.reply_form
    if form is ReplyForm.ANONYMOUS and not quoted:
        quoted = next((each.key_id for each in reversed(sandbox.chat(jid)) if each.from_me), "")
    message = sandbox.receive(instance, jid, text, quoted=quoted)
    sandbox.when_open(instance, partial(_arrive, sandbox, instance, message, form))
    return message


def _arrive(sandbox: Sandbox, instance: Instance, message: Message, form: ReplyForm) -> None:
    if sandbox.update(message, "DELIVERY_ACK") and not instance.deaf:
        emit(sandbox, instance, "messages.upsert", _upsert(sandbox, instance, message, form))


def _upsert(sandbox: Sandbox, instance: Instance, message: Message, form: ReplyForm) -> dict[str, object]:
    return {
        "key": _key(message, form),
        "pushName": "Cliente",
        "status": "DELIVERY_ACK",
        "message": {"conversation": message.text, "messageContextInfo": {"deviceListMetadataVersion": 2}},
        **({"contextInfo": _quote(sandbox, message)} if message.quoted else {}),
        "messageType": message.message_type,
        "messageTimestamp": message.timestamp,
        "instanceId": instance.id,
        "source": message.source,
    }


def _key(message: Message, form: ReplyForm) -> dict[str, object]:
    key: dict[str, object] = {"remoteJid": message.remote_jid, "id": message.key_id, "fromMe": False, "participant": ""}
    if form is ReplyForm.NUMBER:
        return {**key, "addressingMode": "pn"}
    key["remoteJid"] = lid_of(message.remote_jid)
    if form is ReplyForm.LID:
        key["remoteJidAlt"] = message.remote_jid
    return {**key, "addressingMode": "lid"}


def _quote(sandbox: Sandbox, message: Message) -> dict[str, object]:
    quoted = sandbox.message(message.quoted)
    return {
        "stanzaId": message.quoted,
        "participant": OWN_JID,
        "quotedMessage": {"conversation": quoted.text if quoted else ""},
    }
