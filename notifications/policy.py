"""Who may be written to. Read at every claim, so that a customer who opts out is left alone at once."""

from __future__ import annotations

from integrations.models import NotificationLog


def refusal(notification: NotificationLog) -> str:
    """The code of why this message must not be sent, or nothing. Needs the order's customer.

    A message without an order answers the customer, so it goes to one who has just opted out too.
    """
    if notification.instance_id is None:
        return "no_instance"
    if not notification.recipient:
        return "no_phone"
    if notification.order and notification.order.customer.opted_out_at:
        return "opted_out"
    return ""
