"""Who may be written to. Read at every claim, so that a customer who opts out is left alone at once."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from integrations.messages.kinds import FREE_ANSWER, KINDS
from integrations.models import NotificationLog
from orders import consent
from orders.contacts import normalize_phone


def with_consent(rows: QuerySet[NotificationLog]) -> QuerySet[NotificationLog]:
    """The rows with whether their customer, under any form of the number, wants no messages."""
    return rows.annotate(customer_refuses=consent.refused("order__customer"))


def refusal(notification: NotificationLog) -> str:
    """The code of why this message must not be sent, or nothing. Needs the order's store, and a row of `with_consent`.

    A message without an order answers the customer, so it goes to one who has just opted out too.
    """
    if notification.instance_id is None:
        return "no_instance"
    if not notification.recipient:
        return "no_phone"
    if not _is_possible(notification.recipient):
        return "invalid_number"
    if notification.event == FREE_ANSWER:
        return _taken_back(notification)
    return _unwanted(notification) or _gone_by(notification) if notification.order else ""


def _taken_back(notification: NotificationLog) -> str:
    """Whether the customer has opted out since a person answered them.

    Who had before, and asks the shop something all the same, wants that answer (`integrations.inbound.conversation`).
    """
    customer = notification.parsed_snapshot.customer.id
    return "opted_out" if customer and consent.refused_since(customer, notification.created_at) else ""


def _unwanted(notification: NotificationLog) -> str:
    """Why the store or the customer does not want it."""
    order = notification.order
    assert order is not None  # noqa: S101 - asked for by the caller
    if notification.customer_refuses:  # type: ignore[attr-defined]
        return "opted_out"
    if not order.store.tells_customers:
        return "store_is_silent"
    return "kind_is_silent" if notification.event in order.store.silent_transitions else ""


def _gone_by(notification: NotificationLog) -> str:
    """Whether what it was written for is over. Who has it sent again wants that all the same."""
    kind = KINDS.get(notification.event)
    if kind is None or kind.occasion is None or notification.order is None or notification.resend_of_id:
        return ""
    return "" if kind.dedupe_key(notification.order) == notification.dedupe_key else "gone_by"


def _is_possible(phone: str) -> bool:
    try:
        normalize_phone(phone)
    except ValidationError:
        return False
    return True
