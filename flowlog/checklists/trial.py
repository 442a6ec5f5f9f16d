"""A test order goes through its status change, to the phone of the operator's choice, and leaves nothing behind.

It belongs to a store of its own, so that no figure of the shop and no customer of the shop is touched; its messages go
out through the default store's instance.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.db import transaction
from django.utils.translation import gettext as _

from flowlog.checklists.items import Item, failed, ok, warning
from integrations.models import CustomerReply, NotificationLog
from notifications import staff, texts
from orders.contacts import mask_phone
from orders.models import Customer, Order, OrderEvent, OrderItem, Store
from orders.services import apply_transition, create_order
from orders.statuses import DeliveryMethod

STORE = "Flowlog: teste de implantação"
_PAUSE = 0.2
# Nobody's: a dry trial is rolled back before anything could be sent.
_FICTION = "+5511900000000"
Status = NotificationLog.Status


def send(phone: str, timeout: float) -> Iterator[Item]:
    """Confirm a test order, and wait until its message to `phone` (E.164) is `sent`; then remove both."""
    name = _("test order")
    clean_up()
    row = _confirmed_order(phone)
    ends = time.monotonic() + timeout
    while row.status in NotificationLog.UNFINISHED and time.monotonic() < ends:
        time.sleep(_PAUSE)
        row.refresh_from_db()
    if row.status == Status.PENDING:
        staff.cancel([row])
    where = {"phone": mask_phone(row.recipient), "seconds": timeout}
    if row.status == Status.SENT:
        yield ok(name, _("Its status changed, and the message to %(phone)s was sent.") % where)
    elif row.status in NotificationLog.UNFINISHED:
        words = _("Its message to %(phone)s was not sent in %(seconds)d s.") % where
        reason = row.error_message or (row.instance.held_reason if row.instance else "")
        yield failed(
            name, f"{words} {reason}".strip(), _("See whether worker-whatsapp runs and the instance is connected.")
        )
    else:
        yield failed(
            name, f"{row.get_status_display()}: {row.error_message}", _("See Admin > Integrations > Notification Logs.")
        )
    if clean_up():
        yield ok(name, _("Removed again."))
    else:
        words = _("Its message is still on its way, so it stays for now.")
        yield warning(name, words, _("The next postdeploy removes it."))


def rehearse() -> Iterator[Item]:
    """The same without sending: the order, its change, the message and its text are made, and all is undone."""
    name = _("test order")
    with transaction.atomic():
        row = _confirmed_order(_FICTION)
        text = texts.render(row.event, row.snapshot)
        transaction.set_rollback(True)
    yield ok(name, _("Its message would be: “%(text)s” Nothing was sent.") % {"text": text.partition("\n")[0]})


def clean_up() -> bool:
    """Remove what trials have left, but for messages that are still on their way; returns whether all is gone."""
    orders = Order.objects.filter(store__name=STORE, store__is_default=False)
    with transaction.atomic():
        rows = NotificationLog.objects.filter(order__in=orders)
        if rows.select_for_update().filter(status__in=NotificationLog.UNFINISHED).exists():
            return False
        customers = Customer.objects.filter(store__name=STORE, store__is_default=False)
        CustomerReply.objects.filter(customer__in=customers).delete()
        rows.delete()
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
    return NotificationLog.objects.get(order=order)
