"""Reminding customers, a while before its deadline, of an order that waits at the counter for them."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Greatest, Now

from integrations.messages.kinds import KINDS, PICKUP_REMINDER
from integrations.models import NotificationLog
from notifications import outbox
from orders.models import Order
from orders.statuses import DeliveryStatus, OrderStatus

BATCH = 500
# So soon after the news that it repeats nobody needs it.
LEAST_AFTER_NEWS = timedelta(hours=12)
# A moment that was missed for longer is left out: beat stood still, the deadline was brought forward, or nobody was
# reminded at all before.
LATEST = timedelta(hours=3)


def remind_of_pickups() -> int:
    """Remind up to `BATCH` customers `PICKUP_REMINDER_HOURS` before their deadline; returns how many.

    Each once for each deadline, and only who was told that the order is ready. A message that is not written now, since
    somebody else has the order locked, is written by the next pass.
    """
    if not settings.PICKUP_REMINDER_HOURS:
        return 0
    pks = [order.pk for order in _new(list(_due().only("pk", "status", "delivery_status", "pickup_deadline")))][:BATCH]
    if not pks:
        return 0
    with transaction.atomic():
        # Locked first, and looked at then: who comes at the same time sees the messages of the other.
        locked = _due().filter(pk__in=pks).select_for_update(skip_locked=True, of=("self",)).order_by("pk")
        orders = Order.objects.select_related("store", "customer").filter(pk__in=[order.pk for order in locked])
        new = _new(list(orders.order_by("pk")))
        deadlines = [order.pickup_deadline for order in new if order.pickup_deadline]
        return len(outbox.add_for(PICKUP_REMINDER, new, until=deadlines)) if new else 0


def _due() -> QuerySet[Order]:
    """Orders that wait at the counter, whose customers are to be reminded by now, whether they were or not."""
    before = timedelta(hours=settings.PICKUP_REMINDER_HOURS)
    told = NotificationLog.objects.filter(order=OuterRef("pk"), event="ready_for_pickup", resend_of=None)
    return Order.objects.filter(
        status=OrderStatus.CONFIRMED,
        delivery_status=DeliveryStatus.READY_FOR_PICKUP,
        pickup_deadline__gt=Greatest(Now(), Now() + before - LATEST),
        pickup_deadline__lte=Now() + before,
    ).filter(
        pickup_deadline__gte=Subquery(told.order_by("-pk").values("created_at")[:1]) + before + LEAST_AFTER_NEWS,
    )


def _new(orders: list[Order]) -> list[Order]:
    """Those of whose deadline there is no message yet."""
    keys = {KINDS[PICKUP_REMINDER].dedupe_key(order): order for order in orders}
    written = NotificationLog.objects.filter(dedupe_key__in=keys).values_list("dedupe_key", flat=True)
    for key in written:
        del keys[key]
    return list(keys.values())
