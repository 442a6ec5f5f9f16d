"""The only way to make an order or change its statuses.

Each service works in one transaction: rows locked, statuses checked and changed, timeline written and
`order_status_changed` sent. What is refused changes nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import batched
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from flowlog import schema
from flowlog.prepared import among, keep
from orders import codes, customers, erasure
from orders.amounts import number, set_total
from orders.bring import bring_to
from orders.changes import (
    NO_DELAY,
    Actor,
    DataOf,
    lock,
    lock_and_read,
    read_locked,
    record_all,
    save_all,
    take,
    values_of,
)
from orders.contacts import format_document, is_storable, normalize_document, normalize_phone
from orders.content import item_of, revise_order
from orders.models import Customer, Order, OrderEvent, OrderItem, Store
from orders.origin import made_before, origin
from orders.statuses import DeliveryMethod, DeliveryStatus, OrderStatus
from orders.transitions import TRANSITIONS, Transition, TransitionNotAllowed, clean_data, get_transition
from orders.typed import visible
from orders.untold import tell_of_creation

__all__ = [
    "BulkResult",
    "TransitionNotAllowed",
    "add_order",
    "apply_transition",
    "apply_transition_bulk",
    "apply_transition_to",
    "bring_to",
    "create_order",
    "expire_due_pickups",
    "recalculate_total",
    "revise_order",
    "tell_of_creation",
]

EXPIRY_BATCH = 500
# Of many orders so many are changed together.
CHUNK = 500


@dataclass(slots=True)
class BulkResult:
    """What a bulk transition did: the orders it changed, and those it refused with the sentence why.

    `events` are the entries in the timelines of those that it changed.
    """

    applied: list[Order] = field(default_factory=list)
    events: list[OrderEvent] = field(default_factory=list)
    refused: list[tuple[Order, str]] = field(default_factory=list)


@transaction.atomic
def create_order(
    *,
    store: Store,
    customer_name: str,
    customer_phone: str,
    items: Sequence[dict[str, Any]],
    delivery_method: str,
    delivery_address: str = "",
    customer_cpf: str = "",
    notes: str = "",
    freight: Decimal | str = "0",
    discount: Decimal | str = "0",
    source: str = "",
    external_id: str = "",
    external_number: str = "",
    created_at: datetime | None = None,
    actor: Actor = None,
    notify: bool = True,
) -> Order:
    """Create an order for the store's customer whose WhatsApp account this phone is, who is made if there is none.

    A customer is not renamed by an order in another name: that stands on the order (`ordered_as`), whose messages greet
    it, and a CPF or CNPJ that came with it in the order's notes.

    `items` are dicts of `description`, `quantity` (1 if missing; up to three decimals) and `unit_price` (Decimal or
    str). The discount is at most what goods and freight come to.

    `source`, `external_id` and `external_number` say where the order was made, if not here. An id is one order's of the
    store and source: who comes with it again, even at the same moment, gets that order as it is by now; nothing is
    changed and nobody told.

    `created_at`, aware: when it was made, if that was elsewhere and before. Its timeline begins now all the same.

    Raises `ValidationError` for anything that cannot be; then nothing is stored. A phone that may be another's than was
    meant is taken: whoever can ask asks `contacts.phone_warning` before.
    """
    schema.require()
    typed = [customer_name, customer_phone, customer_cpf, delivery_address, notes]
    if not all(is_storable(text) for text in [*typed, *(str(values.get("description", "")) for values in items)]):
        raise ValidationError(_("The text has characters that cannot be stored."))
    made = origin(source, external_id, external_number)
    if known := made_before(store, made):
        return known
    customer = _find_or_make_customer(store, customer_name, customer_phone, customer_cpf)
    name = " ".join(visible(customer_name).split())
    order = Order(
        store=store,
        customer=customer,
        ordered_as="" if customer.name == name else name,
        delivery_method=delivery_method,
        delivery_address=delivery_address.strip(),
        notes="\n".join(filter(None, (notes.strip(), _cpf_of_another(customer, customer_cpf)))),
        freight=number(freight, _("The freight must be an amount like 19.90.")),
        discount=number(discount, _("The discount must be an amount like 19.90.")),
        created_at=created_at or timezone.now(),
        **asdict(made),
    )
    return _add(order, [item_of(values) for values in items], actor=actor, notify=notify, delay=NO_DELAY)


@transaction.atomic
def add_order(
    order: Order,
    items: Sequence[OrderItem],
    *,
    actor: Actor = None,
    notify: bool = True,
    delay: timedelta = NO_DELAY,
) -> Order:
    """Store a new order that has its store, customer and delivery set, with its items; total it and tell of it.

    `delay`: as for `apply_transition`.

    Raises `ValidationError`.
    """
    return _add(order, items, actor=actor, notify=notify, delay=delay)


def _add(order: Order, items: Sequence[OrderItem], *, actor: Actor, notify: bool, delay: timedelta) -> Order:
    schema.require()
    if order.delivery_method not in DeliveryMethod:
        raise ValidationError(_("“%(method)s” is not a delivery method."), params={"method": order.delivery_method})
    if order.customer.store_id != order.store_id:
        raise ValidationError(_("The customer belongs to another store."))
    if not items:
        raise ValidationError(_("An order needs at least one item."))
    for item in items:
        item.clean_fields(exclude=["order"])
    order.clean_fields(exclude=["store", "customer"])
    set_total(order, items)
    while Order.objects.filter(code=order.code).exists():
        order.code = codes.order_code()
    order.save(force_insert=True)
    for item in items:
        item.order = order
    keep(order, "items", OrderItem.objects.bulk_create(items))
    record_all([(order, {})], TRANSITIONS["create"], lambda _: {}, actor=actor, notify=notify, delay=delay)
    return order


@transaction.atomic
def recalculate_total(order: Order) -> None:
    """Bring the order's total up to date after its items, freight or discount have changed; the order is locked
    meanwhile. Raises `ValidationError`."""
    lock_and_read(order)
    set_total(order, order.items.all())
    order.save(update_fields=["total"])


@transaction.atomic
def apply_transition(
    order: Order,
    name: str,
    *,
    actor: Actor = None,
    notify: bool = True,
    delay: timedelta = NO_DELAY,
    **data: Any,
) -> Order:
    """Apply one transition to the order, which is locked and re-read first; returns that same object.

    The customer is told at once, or after `delay`: until then a person may still take the step back (`orders.undo`).

    Raises `TransitionNotAllowed` with a sentence for the person; then nothing has changed.
    """
    transition = get_transition(name)
    cleaned = clean_data(transition, data.items())
    lock_and_read(order)
    take(order, transition, cleaned, actor=actor, notify=notify, delay=delay)
    return order


def apply_transition_bulk(orders: Iterable[Order], name: str, **how: Any) -> BulkResult:
    """Apply one transition to many orders in a handful of statements, refusing those that cannot take it.

    `how`: as for `apply_transition_to`.
    """
    given = {order.pk: order for order in orders}
    result = apply_transition_to(Order.objects.filter(among("pk", given)), name, **how)
    for order in [*result.applied, *(order for order, _reason in result.refused)]:
        given.pop(order.pk)
    result.refused += [(order, _("This order does not exist any more.")) for order in given.values()]
    return result


@transaction.atomic
def apply_transition_to(
    chosen: QuerySet[Order],
    name: str,
    *,
    actor: Actor = None,
    notify: bool = True,
    delay: timedelta = NO_DELAY,
    wake: bool = True,
    each: Mapping[int, Mapping[str, Any]] | None = None,
    **data: Any,
) -> BulkResult:
    """The same for the orders that a query, which joins nothing, finds at this moment: of others nothing is said.

    `each` has what is one order's alone, by its id, beside the data of all of them. `delay`: as for `apply_transition`.
    `wake`: as in a `StatusChange`.
    """
    transition = get_transition(name)
    common = clean_data(transition, data.items())
    own = {pk: common | clean_data(transition, values.items()) for pk, values in (each or {}).items()}
    data_of: DataOf = lambda order: own.get(order.pk, common)  # noqa: E731 - a name for the call below
    return _apply_to_all(chosen, transition, data_of, actor=actor, notify=notify, delay=delay, wake=wake)


@transaction.atomic
def expire_due_pickups() -> int:
    """Expire up to `EXPIRY_BATCH` orders whose pickup deadline has passed; returns how many.

    The deadline is part of the locking query, so one that was extended meanwhile is left alone.
    """
    due = Order.objects.filter(
        status=OrderStatus.CONFIRMED,
        delivery_status=DeliveryStatus.READY_FOR_PICKUP,
        pickup_deadline__lte=Now(),
    )
    batch = due.filter(pk__in=due.order_by("pickup_deadline").values("pk")[:EXPIRY_BATCH])
    return len(_apply_to_all(batch, TRANSITIONS["expire_pickup"], lambda _: {}, actor=None, notify=True).applied)


def _apply_to_all(
    chosen: QuerySet[Order],
    transition: Transition,
    data_of: DataOf,
    *,
    actor: Actor,
    notify: bool,
    delay: timedelta = NO_DELAY,
    wake: bool = True,
) -> BulkResult:
    """So many at a time that neither this process nor the database has to hold them all."""
    result = BulkResult()
    for pks in batched(lock(chosen), CHUNK, strict=False):
        changed = []
        for order in read_locked(pks):
            before = values_of(order)
            try:
                transition.apply(order, data_of(order))
            except TransitionNotAllowed as refusal:
                result.refused.append((order, str(refusal)))
            else:
                changed.append((order, before))
        save_all(changed)
        result.applied += [order for order, _before in changed]
        result.events += record_all(changed, transition, data_of, actor=actor, notify=notify, delay=delay, wake=wake)
    return result


def _find_or_make_customer(store: Store, name: str, phone: str, cpf: str) -> Customer:
    """The store's customer with this phone's account, who is made if there is none. Raises `ValidationError`.

    A customer keeps the name that the store knows, unless this one is only another spelling of it; and takes over a CPF
    or CNPJ with a name.
    """
    name = " ".join(visible(name).split())
    phone = normalize_phone(phone) if phone.strip() else ""
    values = {"name": name, **({"cpf": normalize_document(cpf)} if cpf.strip() else {})}
    Customer(phone=phone, **values).clean_fields(exclude=["store"])
    if not phone:
        return Customer.objects.create(store=store, **values)
    known = customers.locked_holder(store, phone)
    if known is None:
        customers.lock_account(store, phone)
        known = customers.locked_holder(store, phone)
    if known is None:
        new = Customer.objects.create(store=store, phone=phone, **values)
        erasure.recall_refusal(new)
        return new
    if customers.same_name(known.name, name):
        changed = [field for field, value in values.items() if getattr(known, field) != value]
        for field in changed:
            setattr(known, field, values[field])
        if changed:
            known.save(update_fields=changed)
    return known


def _cpf_of_another(customer: Customer, cpf: str) -> str:
    """The line for the notes with a document that is not the customer's, since the order is in another name."""
    typed = normalize_document(cpf) if cpf.strip() else ""
    if not typed or typed == customer.cpf:
        return ""
    return _("CPF or CNPJ given with this order: %(cpf)s") % {"cpf": format_document(typed)}
