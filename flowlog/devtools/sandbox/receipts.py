"""What follows a send: the `send.message` webhook, and WhatsApp's receipts one after the other."""

from __future__ import annotations

from functools import partial

from flowlog.devtools.sandbox import meta_webhooks
from flowlog.devtools.sandbox.archive import Message
from flowlog.devtools.sandbox.faults import Fault
from flowlog.devtools.sandbox.ids import lid_of
from flowlog.devtools.sandbox.state import BUSINESS, EVOLUTION, META, Instance, Sandbox
from flowlog.devtools.sandbox.webhooks import emit

STATUSES = ("ERROR", "PENDING", "SERVER_ACK", "DELIVERY_ACK", "READ", "PLAYED", "DELETED")
_ON_THE_WAY = ("SERVER_ACK", "DELIVERY_ACK", "READ")
_OF_META = {"SERVER_ACK": "SENT", "DELIVERY_ACK": "DELIVERED", "READ": "READ", "ERROR": "FAILED"}
_UNANNOUNCED = frozenset({Fault.NOT_STORED, Fault.SERVER_ERROR_AFTER_SEND})


def follow(sandbox: Sandbox, instance: Instance, message: Message, body: object, fault: Fault | None) -> None:
    """Announce a message that was sent under `fault` by its 201 `body`, and let its receipts come."""
    options = sandbox.options
    if fault not in _UNANNOUNCED:
        emit(sandbox, instance, "send.message", body, delay=options.send_message_seconds)
    if not options.receipts or instance.integration == EVOLUTION or fault is Fault.NO_RECEIPTS:
        return
    delays = (options.server_ack_seconds, options.delivery_ack_seconds, options.read_seconds)
    coming = dict(zip(_ON_THE_WAY, delays, strict=True))
    if fault is Fault.RECEIPT_ERROR:
        coming = {"ERROR": options.server_ack_seconds}
    for status, seconds in coming.items():
        if seconds is not None:
            sandbox.clock.after(seconds, partial(receive_receipt, sandbox, message, status))


def receive_receipt(sandbox: Sandbox, message: Message, status: str, *, again: bool = False) -> None:
    """WhatsApp tells the gateway what became of a message: now, or once the instance is connected.

    `again`: even if it has told so before, which the gateway passes on each time.
    """
    if instance := sandbox.instance(message.instance):
        sandbox.when_open(instance, partial(_note, sandbox, instance, message, status, again=again))


def read(sandbox: Sandbox, jid: str) -> None:
    """The customer looks at the chat: everything in it has arrived and is read, unless receipts are off."""
    for message in sandbox.chat(jid):
        if sandbox.options.receipts and message.from_me and "ERROR" not in message.updates:
            for status in _ON_THE_WAY:
                receive_receipt(sandbox, message, status)


def _note(sandbox: Sandbox, instance: Instance, message: Message, status: str, *, again: bool) -> None:
    """The gateway passes a receipt on only for a message that it has stored."""
    news = sandbox.update(message, status)
    repeated = again and sandbox.message(message.key_id) is message
    if not message.stored or not (news or repeated):
        return
    if instance.integration == META:
        meta_webhooks.tell_status(sandbox, instance, message, status)
        return
    business = instance.integration == BUSINESS
    update = {
        "keyId": message.key_id,
        "remoteJid": lid_of(message.remote_jid) if sandbox.options.lid_receipts else message.remote_jid,
        "fromMe": not business,
        "status": _OF_META.get(status, status) if business else status,
        "instanceId": instance.id,
        "messageId": message.id,
    }
    emit(sandbox, instance, "messages.update", update)
