"""Receipts: what became of a message after the gateway had accepted it. They come in any order, and repeatedly."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models.functions import Now

from integrations.gateways import sentences
from integrations.inbound.models import WebhookEvent
from integrations.inbound.reading import reader_of
from integrations.inbound.verdicts import Verdict, Verdicts
from integrations.instances.connections import hold
from integrations.locks import unlocked
from integrations.messages import state_changes
from integrations.models import EvolutionInstance, NotificationLog
from integrations.signals import ReceiptChange, message_receipt_changed

logger = logging.getLogger(__name__)

Receipt = NotificationLog.Receipt
RANK: dict[str, int] = {receipt: rank for rank, receipt in enumerate(Receipt)}
# The receipt from which on each time is known: whoever reads a message has got it.
_REACHED = {"delivered_at": Receipt.DELIVERY_ACK, "read_at": Receipt.READ}


def ingest(instance: EvolutionInstance, events: Sequence[WebhookEvent]) -> Verdicts:
    """Raise the receipts of the messages that these are about; the ones whose message nobody has yet are parked.

    A receipt is only ever raised, so that neither order nor repetition matters. One of `error` changes no status: the
    message was sent, and is not sent again by itself. What it says of the cause is on the row.
    """
    told = {event: reader_of(event).receipt(event) for event in events}
    verdicts = {event.pk: Verdict.UNEXPECTED for event, each in told.items() if each is None}
    receipts = {event: each for event, each in told.items() if each is not None}
    rows = _rows(instance, {message_id for message_id, _receipt in receipts.values()})
    before = {row.pk: row.receipt for row in rows.values()}
    changed: dict[int, NotificationLog] = {}
    for event, (message_id, receipt) in receipts.items():
        row = rows.get(message_id)
        if receipt is None:
            continue
        if row is None:
            verdicts[event.pk] = Verdict.PARKED
        elif _note(row, receipt, event.received_at, reader_of(event).why_not_delivered(event)):
            changed[row.pk] = row
    state_changes.note_receipts(changed.values())
    _hold(instance, [row for row in changed.values() if row.receipt == Receipt.ERROR])
    _look_up(instance, [event for event in receipts if verdicts.get(event.pk) is Verdict.PARKED])
    raised = [ReceiptChange(row.pk, row.receipt) for row in changed.values() if row.receipt != before[row.pk]]
    if raised:
        transaction.on_commit(partial(_tell, raised), robust=True)
    return verdicts


def _hold(instance: EvolutionInstance, not_delivered: Sequence[NotificationLog]) -> None:
    """Hold the instance if one of these did not arrive for its sake: so Meta says that the shop has not paid, say."""
    codes = [row.error_code for row in not_delivered if row.error_code in sentences.INSTANCE]
    if codes:
        hold(instance.pk, codes[-1])


def _look_up(instance: EvolutionInstance, parked: Sequence[WebhookEvent]) -> None:
    """Have messages of unknown outcome to these numbers looked up at once: one of them may be what was received."""
    numbers = {number for event in parked for number in reader_of(event).recipients(event)}
    unknown = NotificationLog.objects.filter(instance=instance, status=NotificationLog.Status.UNKNOWN)
    if numbers:
        state_changes.look_up_now(unlocked(unknown.filter(recipient__in=numbers, lookup_at__gt=Now())))


def _rows(instance: EvolutionInstance, message_ids: Iterable[str]) -> Mapping[str, NotificationLog]:
    """The messages by these ids, locked. What somebody else has locked is left for later, as if it were not there."""
    rows = NotificationLog.objects.filter(instance=instance, provider_message_id__in=message_ids)
    # The partial index is used only if the query says so too.
    known = rows.exclude(provider_message_id="").only("provider_message_id", "receipt", "error_code", *_REACHED)
    free = known.select_for_update(no_key=True, skip_locked=True).order_by()
    return {row.provider_message_id: row for row in free}


def _note(row: NotificationLog, receipt: str, received_at: datetime, why: str) -> bool:
    """Take the receipt down on the row, with the earliest time at which that much was known; whether that is news."""
    before = {name: getattr(row, name) for name in ("receipt", *_REACHED)}
    if RANK[receipt] > RANK[row.receipt]:
        row.receipt = receipt
        row.error_code = why if receipt == Receipt.ERROR else ""
    for name, least in _REACHED.items():
        if RANK[receipt] >= RANK[least]:
            setattr(row, name, min(before[name] or received_at, received_at))
    return any(getattr(row, name) != value for name, value in before.items())


def _tell(changes: list[ReceiptChange]) -> None:
    for change in changes:
        if change.receipt == Receipt.ERROR:
            logger.warning("Notification %s was accepted by the gateway, but not delivered", change.notification_id)
    message_receipt_changed.send_robust(NotificationLog, changes=changes)
