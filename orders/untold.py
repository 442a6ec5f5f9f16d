"""Telling afterwards that an order was placed, where nobody was to be told when it came in."""

from __future__ import annotations

from django.db import transaction

from orders.changes import lock_and_read
from orders.models import Order
from orders.signals import StatusChange, creation_untold
from orders.statuses import DeliveryStatus, OrderStatus, PaymentStatus

_AS_IT_CAME_IN = (OrderStatus.PENDING, PaymentStatus.PENDING, DeliveryStatus.PENDING)


@transaction.atomic
def tell_of_creation(order: Order) -> bool:
    """Have the customer told that the order was placed; whether they are.

    The order is locked and re-read first. They are told only while it is as it came in, and has been told nothing of:
    once, whoever asks for it at the same moment.
    """
    lock_and_read(order)
    if (order.status, order.payment_status, order.delivery_status) != _AS_IT_CAME_IN:
        return False
    creation = order.events.filter(transition="create").first()
    if creation is None:
        return False
    change = StatusChange(order=order, event=creation, notify=True)
    return any(told for _receiver, told in creation_untold.send(Order, change=change))
