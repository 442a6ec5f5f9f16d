"""What an order is made of: its items, freight and discount, as long as they may change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from orders.amounts import number, set_total
from orders.changes import lock_and_read
from orders.contacts import is_storable
from orders.desk_models import OrderNote
from orders.models import Order, OrderItem
from orders.statuses import OrderStatus
from orders.transitions import TransitionNotAllowed
from orders.wording import money


def item_of(values: Mapping[str, Any]) -> OrderItem:
    """An item of `description`, `quantity` (1 if missing) and `unit_price`. Raises `ValidationError`."""
    item = OrderItem(
        description=str(values.get("description", "")).strip(),
        unit_price=number(values.get("unit_price"), _("An item needs a price like 19.90.")),
    )
    item.quantity = number(values.get("quantity", 1), _("An item needs a quantity like 2 or 1.5."))
    return item


@transaction.atomic
def revise_order(
    order: Order,
    *,
    items: Sequence[Mapping[str, Any]],
    freight: Decimal | str,
    discount: Decimal | str,
    by: str,
) -> Order:
    """Put these items, freight and discount in the place of the order's, which is locked, re-read and totalled.

    As in the admin that is for orders that nobody has confirmed. No customer is told; a note for the staff says `by`
    what program it was done. Raises `TransitionNotAllowed`, and `ValidationError` as for a new order.
    """
    lock_and_read(order)
    if order.status != OrderStatus.PENDING:
        words = _("Items, freight and discount of order %(code)s do not change any more: it is not pending.")
        raise TransitionNotAllowed(words % {"code": order.code})
    new, before = [item_of(values) for values in items], order.total
    if not new:
        raise ValidationError(_("An order needs at least one item."))
    for item in new:
        if not is_storable(item.description):
            raise ValidationError(_("The text has characters that cannot be stored."))
        item.clean_fields(exclude=["order"])
    order.freight = number(freight, _("The freight must be an amount like 19.90."))
    order.discount = number(discount, _("The discount must be an amount like 19.90."))
    order.clean_fields(exclude=["store", "customer"])
    set_total(order, new)
    order.items.all().delete()
    for item in new:
        item.order = order
    OrderItem.objects.bulk_create(new)
    order.save(update_fields=["freight", "discount", "total"])
    words = _("Items, freight or discount were changed by the program “%(by)s”: %(before)s before, %(after)s now.")
    text = words % {"by": by, "before": money(before), "after": money(order.total)}
    OrderNote.objects.create(order=order, text=text[: OrderNote.LENGTH])
    return order
