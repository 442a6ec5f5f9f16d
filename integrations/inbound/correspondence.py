"""What the page of an order or of a customer shows of what the customer wrote, read at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import BooleanField, ExpressionWrapper, Q

from integrations.inbound import inbox
from integrations.inbound.models import CustomerReply
from orders.models import Customer, Order

# More than anybody reads before answering, and than anybody reads on one page; the list has the rest.
SHOWN_WAITING, SHOWN = 20, 50


@dataclass(frozen=True, slots=True)
class Correspondence:
    """`waiting` for an answer, whoever waits longest first, one more than is shown if there are more; what is `over`,
    the latest first; of an order's page what is `about` it, the latest first."""

    latest: CustomerReply | None
    waiting: Sequence[CustomerReply]
    over: Sequence[CustomerReply]
    about: Sequence[CustomerReply]


def with_customer(customer: Customer, order: Order | None = None) -> Correspondence:
    """Of the customer, for the page of this order or for their own. One query for all that asks for the same page."""
    known: dict[int | None, Correspondence] = customer.__dict__.setdefault("_correspondence", {})
    key = order.pk if order else None
    if key not in known:
        known[key] = _read(customer, order)
    return known[key]


def _read(customer: Customer, order: Order | None) -> Correspondence:
    """What is shown of each kind is cut off by the database: however much was written, little more comes."""
    theirs = Q(customer=customer) | Q(order=order) if order else Q(customer=customer)
    newest = CustomerReply.objects.order_by("-received_at", "-pk")
    parts = [
        newest.filter(customer=customer)[:1],
        inbox.open_replies().filter(customer=customer)[: SHOWN_WAITING + 1],
        newest.filter(order=order)[:SHOWN] if order else newest.filter(customer=customer).exclude(inbox.OPEN)[:SHOWN],
    ]
    shown = Q()
    for part in parts:
        shown |= Q(pk__in=part.values("pk"))
    waits = ExpressionWrapper(inbox.OPEN, output_field=BooleanField())
    rows = list(inbox.replies().filter(theirs).filter(shown).annotate(waits=waits).order_by("-received_at", "-pk"))
    own = [row for row in rows if row.customer_id == customer.pk]
    return Correspondence(
        latest=next(iter(own), None),
        waiting=[row for row in reversed(own) if row.waits][: SHOWN_WAITING + 1],
        over=[row for row in own if not row.waits][:SHOWN],
        about=[row for row in rows if order and row.order_id == order.pk][:SHOWN],
    )
