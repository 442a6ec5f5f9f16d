"""What notifications do when the apps below them speak."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from integrations.erasure import messages_of
from integrations.models import CustomerReply, NotificationLog
from notifications import corrections, outbox
from notifications.actions.cancel import cancel_for
from orders.erasure import ErasureRefusedError
from orders.models import Customer, OrderEvent
from orders.signals import StatusChange


def tell_customers(*, changes: list[StatusChange], **_kwargs: Any) -> None:
    """Put a message into the outbox for every change that the customer is to be told of."""
    outbox.add(corrections.news(changes))


def tell_of_creation(*, change: StatusChange, **_kwargs: Any) -> bool:
    """Tell of an order that came in quietly, unless its customer was told something of it since."""
    if NotificationLog.objects.filter(order=change.order).exists():
        return False
    return bool(outbox.add([change]))


def told_of(*, events: Sequence[OrderEvent], **_kwargs: Any) -> set[int | None]:
    """Those of the entries, just written, of which there is a message."""
    return set(NotificationLog.objects.filter(order_event__in=events).values_list("order_event_id", flat=True))


def confirm_consent(*, customers: list[Customer], opted_out: bool, reply: CustomerReply, **_kwargs: Any) -> None:
    """Confirm it once, however many customers this one person is."""
    outbox.confirm_consent(customers[0], reply, opted_out=opted_out)


def cancel_unsent(*, customers: list[Customer], actor: User | None, **_kwargs: Any) -> dict[str, int]:
    """Cancel what waits; refuse the erasure while it is not known of a message whether it leaves."""
    rows = messages_of(customers).filter(status__in=NotificationLog.UNFINISHED)
    unfinished = list(rows.select_for_update(of=("self",)).order_by("pk"))
    if any(row.status != NotificationLog.Status.PENDING for row in unfinished):
        words = _("A message to this customer is being sent, or it is not known whether it went out. Try again later.")
        raise ErasureRefusedError(words)
    return {"cancelled": len(cancel_for(unfinished, actor=actor))}
