"""What the outside world tells the apps above this one."""

from __future__ import annotations

from dataclasses import dataclass

from django.dispatch import Signal

instance_connection_changed = Signal()
"""Sent by `integrations.instances.connections` once it is committed that an instance is held, or no longer.

Arguments: `instance`, the `EvolutionInstance` as it is now, and `held`. A receiver that raises is logged and
changes nothing.
"""

message_receipt_changed = Signal()
"""Sent by `integrations.inbound.receipts` once it is committed that receipts were raised. Nobody listens as yet.

Argument `changes`: a list of `ReceiptChange`. A receiver that raises is logged and changes nothing.
"""

customer_consent_changed = Signal()
"""Sent by `integrations.inbound.replies` when customers opted out of messages, or in again, by answering one.

It is sent inside the transaction that records it; a receiver that raises undoes that. Arguments: `customers`, all of
them one person's, `opted_out`, and `reply`, the `CustomerReply` that did it.
"""


@dataclass(frozen=True, slots=True)
class ReceiptChange:
    """The receipt that a message has now, one of `NotificationLog.Receipt`."""

    notification_id: int
    receipt: str


shipment_status_changed = Signal()
"""Sent by `integrations.carriers.inbox` inside the transaction that stores a carrier's news of a known order, once the
order has been moved on. Nobody listens as yet.

Argument `news`: the `CarrierNews` with what became of it; its order is locked. A receiver that raises undoes the
whole request, which the carrier may then send again.
"""
