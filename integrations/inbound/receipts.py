"""Receipts: what became of a message after the gateway had accepted it. They come in any order, and repeatedly."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.functions import Coalesce, Now

from integrations.inbound import payloads
from integrations.inbound.models import WebhookEvent
from integrations.inbound.verdicts import Verdict, Verdicts
from integrations.models import EvolutionInstance, NotificationLog
from integrations.signals import ReceiptChange, message_receipt_changed

logger = logging.getLogger(__name__)

Receipt = NotificationLog.Receipt
RANK: dict[str, int] = {receipt: rank for rank, receipt in enumerate(Receipt)}


def take_in(instance: EvolutionInstance, events: Sequence[WebhookEvent]) -> Verdicts:
    """Raise the receipts of the messages that these are about; the ones whose message nobody has yet are parked.

    A receipt is only ever raised, so that neither order nor repetition matters. One of `error` changes no status: the
    message was sent, and is not sent again by itself.
    """
    told = {event.pk: payloads.receipt(event.data) for event in events}
    verdicts = {pk: Verdict.UNEXPECTED for pk, each in told.items() if each is None}
    receipts = {pk: each for pk, each in told.items() if each is not None}
    rows = _rows(instance, {message_id for message_id, _receipt in receipts.values()})
    highest: dict[int, str] = {}
    for pk, (message_id, receipt) in receipts.items():
        row = rows.get(message_id)
        if receipt is None:
            continue
        if row is None:
            verdicts[pk] = Verdict.PARKED
        elif RANK[receipt] > RANK[highest.get(row.pk, row.receipt)]:
            highest[row.pk] = receipt
    _raise(highest)
    return verdicts


def _rows(instance: EvolutionInstance, message_ids: Iterable[str]) -> Mapping[str, NotificationLog]:
    rows = NotificationLog.objects.filter(instance=instance, provider_message_id__in=message_ids)
    # The partial index is used only if the query says so too.
    known = rows.exclude(provider_message_id="").only("provider_message_id", "receipt")
    return {row.provider_message_id: row for row in known}


def _raise(highest: Mapping[int, str]) -> None:
    alike: defaultdict[str, list[int]] = defaultdict(list)
    for pk, receipt in highest.items():
        alike[receipt].append(pk)
    for receipt, pks in alike.items():
        lower = [each for each in Receipt if RANK[each] < RANK[receipt]]
        NotificationLog.objects.filter(pk__in=pks, receipt__in=lower).update(receipt=receipt, **_times(receipt))
    if highest:
        changes = [ReceiptChange(pk, receipt) for pk, receipt in highest.items()]
        transaction.on_commit(partial(_tell, changes), robust=True)


def _times(receipt: str) -> dict[str, Any]:
    """When it was delivered and read, by the database's clock; whoever reads a message has got it."""
    reached = [("delivered_at", Receipt.DELIVERY_ACK), ("read_at", Receipt.READ)]
    return {field: Coalesce(field, Now()) for field, least in reached if RANK[receipt] >= RANK[least]}


def _tell(changes: list[ReceiptChange]) -> None:
    for change in changes:
        if change.receipt == Receipt.ERROR:
            logger.warning("Notification %s was accepted by the gateway, but not delivered", change.notification_id)
    message_receipt_changed.send_robust(NotificationLog, changes=changes)
