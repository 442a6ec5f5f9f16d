"""A test order goes through its status change, to the phone of the operator's choice, and leaves nothing behind.

It belongs to a store of its own, so that no figure of the shop and no customer of the shop is touched; its messages go
out through the default store's instance.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from flowlog.checklist import Item, Judge, failed, ok, warning
from flowlog.operations.checklists import workers
from integrations.gateways import sentences
from integrations.messages import state_changes
from integrations.messages.sentences import sentence
from integrations.models import CustomerReply, EvolutionInstance, NotificationLog
from notifications import claims, texts
from notifications.actions import cancel
from orders.contacts import mask_phone
from orders.models import Customer, Order, OrderEvent, OrderItem, Store
from orders.services import apply_transition, create_order
from orders.statuses import DeliveryMethod

STORE = "Flowlog: teste de implantação"
_PAUSE = 0.2
# Nobody's: a dry trial is rolled back before anything could be sent.
_FICTION = "+5511900000000"
# It was tried, and what came of it is the gateway's doing.
_THE_GATEWAYS = sentences.PASSING.keys() | {"read_timeout"}
Status = NotificationLog.Status


def send(phone: str, timeout: float, own: frozenset[str] | None = None) -> Iterator[Item]:
    """Confirm a test order, and wait until its message to `phone` (E.164) is `sent`; then remove both.

    `own` are the queues that this machine serves, None for all.
    """
    clean_up()
    row = _confirmed_order(phone)
    _wait(row, timeout)
    if row.status == Status.PENDING and not cancel.cancel([row]):
        _wait(row, _PAUSE)  # a worker has just taken it
    amiss = warning if workers.left_to_others("whatsapp", own) else failed
    yield _outcome(row, timeout, amiss)
    if clean_up():
        yield ok(_("test order"), _("Removed again."))
    else:
        words = _("Its message is still on its way, so it stays for now.")
        yield warning(_("test order"), words, _("The next postdeploy removes it."))


def _outcome(row: NotificationLog, timeout: float, amiss: Judge) -> Item:
    name, where = _("test order"), {"phone": mask_phone(row.recipient), "seconds": timeout}
    if row.status == Status.SENT:
        return ok(name, _("Its status changed, and the message to %(phone)s was sent.") % where)
    if row.status not in NotificationLog.UNFINISHED:
        words = f"{row.get_status_display()}: {row.error_message}"
        return amiss(name, words, _("See Admin > Integrations > Notification Logs."))
    words = _("Its message to %(phone)s was not sent in %(seconds)d s.") % where
    if reason := _reason_to_wait(row):
        todo = _("This version is not to blame. Run postdeploy again when it is over.")
        return warning(name, f"{words} {reason}", todo)
    todo = _("See whether worker-whatsapp runs and the instance is connected.")
    return amiss(name, f"{words} {row.error_message}".strip(), todo)


def _wait(row: NotificationLog, timeout: float) -> None:
    """Until the message's end, or for `timeout` seconds; longer while a call keeps it or its instance busy."""
    times, ends = settings.NOTIFICATIONS, time.monotonic() + timeout
    last = ends + times.lease
    while row.status in NotificationLog.UNFINISHED and (now := time.monotonic()) < ends:
        if now < last and _in_hand(row):
            # When that call is over, the sweep wakes this one at the latest.
            ends = max(ends, now + 2 * times.sweep_interval)
        time.sleep(_PAUSE)
        row.refresh_from_db()


def _in_hand(row: NotificationLog) -> bool:
    if row.status == Status.PENDING:
        return EvolutionInstance.objects.filter(notifications=row, slot_until__gt=Now()).exists()
    return row.status == Status.SENDING


def _reason_to_wait(row: NotificationLog) -> str:
    """What keeps the message from going, if that is no fault of this version; else empty."""
    if row.error_code in _THE_GATEWAYS:
        return row.error_message
    if row.status != Status.PENDING or row.attempts or row.error_code == "cannot_prepare":
        return ""
    instance = EvolutionInstance.objects.filter(notifications=row)
    if held := instance.filter(held_at__isnull=False).first():
        return held.held_reason
    if instance.filter(claims.capped()).exists():
        return sentence("daily_cap")
    if instance.filter(next_send_at__gt=Now()).exists():
        return _("It is the next to go, as soon as the instance's pace allows it.")
    return ""


def rehearse() -> Iterator[Item]:
    """The same without sending: the order, its change, the message and its text are made, and all is undone."""
    name = _("test order")
    with transaction.atomic():
        row = _confirmed_order(_FICTION)
        text = texts.render(row.event, row.parsed_snapshot)
        transaction.set_rollback(True)
    yield ok(name, _("Its message would be: “%(text)s” Nothing was sent.") % {"text": text.partition("\n")[0]})


def clean_up() -> bool:
    """Remove what trials have left, but for messages that are still on their way; returns whether all is gone."""
    orders = Order.objects.filter(store__name=STORE, store__is_default=False)
    with transaction.atomic():
        rows = NotificationLog.objects.filter(order__in=orders)
        if any(row.status in NotificationLog.UNFINISHED for row in rows.select_for_update(of=("self",)).order_by("pk")):
            return False
        rows.delete()
        customers = Customer.objects.filter(store__name=STORE, store__is_default=False)
        CustomerReply.objects.filter(customer__in=customers).delete()
        OrderEvent.objects.filter(order__in=orders).delete()
        OrderItem.objects.filter(order__in=orders).delete()
        orders.delete()
        customers.delete()
        Store.objects.filter(name=STORE, is_default=False).delete()
    return True


@transaction.atomic
def _confirmed_order(phone: str) -> NotificationLog:
    """The row of the message about the confirmation of a new test order."""
    store, _new = Store.objects.get_or_create(name=STORE, is_default=False)
    order = create_order(
        store=store,
        customer_name="Teste",
        customer_phone=phone,
        items=[{"description": "Teste de implantação", "quantity": 1, "unit_price": "0.01"}],
        delivery_method=DeliveryMethod.PICKUP,
        notify=False,
    )
    apply_transition(order, "confirm")
    row = NotificationLog.objects.get(order=order)
    # Before all that wait at its instance: else it would say nothing about a shop that has many messages to send.
    state_changes.put_first(row)
    return row
