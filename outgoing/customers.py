"""What this app forgets of customers who are erased, and tells of those who ask what is kept."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Func, QuerySet
from django.utils.translation import gettext as _

from flowlog.times import moment
from orders.contacts import format_phone
from orders.disclosure import Record, filled
from orders.models import Order
from outgoing.models import OutgoingAttempt, OutgoingEvent

_PERSONAL = "customer"
# An erasure takes the carrier's page from the order, too.
_WITHOUT = Func(F("payload"), template="jsonb_set(%(expressions)s - 'customer', '{order,tracking_url}', '\"\"')")


def forget(*, orders: QuerySet[Order], **_kwargs: Any) -> dict[str, int]:
    """Receives `customers_erased`: what is still to be told of the orders names nobody any more."""
    events = OutgoingEvent.objects.filter(order__in=orders)
    OutgoingAttempt.objects.filter(event__in=events).exclude(answer="").update(answer="")
    naming = events.filter(payload__has_key=_PERSONAL).count()
    events.update(payload=_WITHOUT)
    return {"outgoing": naming}


def disclose(*, orders: QuerySet[Order], **_kwargs: Any) -> Record:
    """Receives `customer_data_asked`: which of the shop's systems got their phone."""
    events = OutgoingEvent.objects.filter(order__in=orders, payload__has_key=_PERSONAL).select_related("endpoint")
    return {_("Sent to the shop's own systems"): [_event(event) for event in events.order_by("pk")]}


def _event(event: OutgoingEvent) -> Record:
    return filled({
        _("when"): moment(event.created_at),
        _("system"): event.endpoint.description,
        _("event"): event.type,
        _("phone"): format_phone(event.payload[_PERSONAL]["phone"]),
    })  # fmt: skip
