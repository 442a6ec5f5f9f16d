"""The only way to make an order or change its statuses.

Each service works in one transaction: rows locked, statuses checked and changed, timeline written and
`order_status_changed` sent. What is refused changes nothing at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from orders import codes, customers, erasure
from orders.amounts import number, set_total
from orders.contacts import format_document, is_storable, normalize_document, normalize_phone
from orders.models import Customer, Order, OrderEvent, OrderItem, Store
from orders.origin import made_before, origin
from orders.signals import StatusChange, order_status_changed
from orders.statuses import DeliveryMethod, DeliveryStatus, OrderStatus
from orders.transitions import TRANSITIONS, Data, Transition, TransitionNotAllowed, clean_data, get_transition
from orders.typed import visible

__all__ = [
    "BulkResult",
    "TransitionNotAllowed",
    "add_order",
    "apply_transition",
    "apply_transition_bulk",
    "create_order",
    "expire_due_pickups",
    "recalculate_total",
]

_CHANGED_FIELDS = (
    "status",
    "payment_status",
    "delivery_status",
    "delivery_attempts",
    "tracking_code",
    "tracking_url",
    "pickup_deadline",
)
EXPIRY_BATCH = 500
_CODES_AT_ONCE = 200

type Actor = User | None
type Values = dict[str, Any]
type DataOf = Callable[[Order], Data]


@dataclass(slots=True)
class BulkResult:
    """What a bulk transition did: the orders it changed, and those it refused with the sentence why."""

    applied: list[Order] = field(default_factory=list)
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

    Raises `ValidationError` for anything that cannot be; then nothing is stored. A phone that may be another's than was
    meant is taken: whoever can ask asks `contacts.phone_warning` before.
    """
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
        **asdict(made),
    )
    return add_order(order, [_item(values) for values in items], actor=actor, notify=notify)


@transaction.atomic
def add_order(order: Order, items: Sequence[OrderItem], *, actor: Actor = None, notify: bool = True) -> Order:
    """Store a new order that has its store, customer and delivery set, with its items; total it and tell of it.

    Raises `ValidationError`.
    """
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
    OrderItem.objects.bulk_create(items)
    _record([(order, ("", "", ""))], TRANSITIONS["create"], lambda _: {}, actor=actor, notify=notify)
    return order


@transaction.atomic
def recalculate_total(order: Order) -> None:
    """Bring the order's total up to date after its items, freight or discount have changed; the order is locked
    meanwhile. Raises `ValidationError`."""
    _lock_and_read(order)
    set_total(order, order.items.all())
    order.save(update_fields=["total"])


@transaction.atomic
def apply_transition(order: Order, name: str, *, actor: Actor = None, notify: bool = True, **data: Any) -> Order:
    """Apply one transition to the order, which is locked and re-read first; returns that same object.

    Raises `TransitionNotAllowed` with a sentence for the person; then nothing has changed.
    """
    transition = get_transition(name)
    cleaned = clean_data(transition, data.items())
    _lock_and_read(order)
    before = _statuses(order)
    transition.apply(order, cleaned)
    order.save(update_fields=_CHANGED_FIELDS)
    _record([(order, before)], transition, lambda _: cleaned, actor=actor, notify=notify)
    return order


@transaction.atomic
def apply_transition_bulk(
    orders: Iterable[Order],
    name: str,
    *,
    actor: Actor = None,
    notify: bool = True,
    each: Mapping[int, Mapping[str, Any]] | None = None,
    **data: Any,
) -> BulkResult:
    """Apply one transition to many orders in a handful of statements, refusing those that cannot take it.

    `each` has what is one order's alone, by its id, beside the data of all of them.
    """
    transition = get_transition(name)
    common = clean_data(transition, data.items())
    own = {pk: common | clean_data(transition, values.items()) for pk, values in (each or {}).items()}
    given = {order.pk: order for order in orders}
    chosen = Order.objects.filter(pk__in=given)
    result = _apply_to_all(chosen, transition, lambda order: own.get(order.pk, common), actor=actor, notify=notify)
    for order in [*result.applied, *(order for order, _reason in result.refused)]:
        given.pop(order.pk)
    result.refused += [(order, _("This order does not exist any more.")) for order in given.values()]
    return result


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
    chosen: QuerySet[Order], transition: Transition, data_of: DataOf, *, actor: Actor, notify: bool
) -> BulkResult:
    result = BulkResult()
    changed = []
    stored: dict[int, Values] = {}
    for order in _locked(chosen):
        before = _statuses(order)
        stored[order.pk] = _values(order)
        try:
            transition.apply(order, data_of(order))
        except TransitionNotAllowed as refusal:
            result.refused.append((order, str(refusal)))
        else:
            changed.append((order, before))
    result.applied = [order for order, _before in changed]
    _save_all(result.applied, stored)
    _record(changed, transition, data_of, actor=actor, notify=notify)
    return result


def _save_all(orders: Sequence[Order], stored: dict[int, Values]) -> None:
    """Save what has changed. A transition changes many orders alike: one UPDATE for all that change in one way.

    Tracking codes differ, and go first: an order may not have left without one.
    """
    coded = [order for order in orders if order.tracking_code != stored[order.pk]["tracking_code"]]
    Order.objects.bulk_update(coded, ["tracking_code"], batch_size=_CODES_AT_ONCE)
    alike: defaultdict[tuple[tuple[str, Any], ...], list[int]] = defaultdict(list)
    for order in orders:
        new = _values(order)
        changes = {name: new[name] for name in _CHANGED_FIELDS if new[name] != stored[order.pk][name]}
        changes.pop("tracking_code", None)
        alike[tuple(changes.items())].append(order.pk)
    for values, pks in alike.items():
        Order.objects.filter(pk__in=pks).update(**dict(values))


def _values(order: Order) -> Values:
    return {name: getattr(order, name) for name in _CHANGED_FIELDS}


def _locked(orders: QuerySet[Order]) -> QuerySet[Order]:
    """The orders locked in one global order, so that two bulk actions never wait for each other in a ring.

    They are read after the locks are held, with their store and customer: a join under FOR UPDATE would drop, or
    show as it was, what changed while waiting.
    """
    pks = list(orders.select_for_update().order_by("pk").values_list("pk", flat=True))
    return _whole_orders().filter(pk__in=pks).order_by("pk")


def _lock_and_read(order: Order) -> None:
    Order.objects.select_for_update().get(pk=order.pk)
    order.refresh_from_db(from_queryset=_whole_orders())


def _whole_orders() -> QuerySet[Order]:
    return Order.objects.select_related("store", "customer")


def _statuses(order: Order) -> tuple[str, str, str]:
    return order.status, order.payment_status, order.delivery_status


def _record(
    changed: Sequence[tuple[Order, tuple[str, str, str]]],
    transition: Transition,
    data_of: DataOf,
    *,
    actor: Actor,
    notify: bool,
) -> None:
    """Write the timeline and tell the apps above, for a whole batch at once."""
    if not changed:
        return
    events = OrderEvent.objects.bulk_create(
        OrderEvent(
            order=order,
            transition=transition.name,
            from_status=before[0],
            from_payment_status=before[1],
            from_delivery_status=before[2],
            status=order.status,
            payment_status=order.payment_status,
            delivery_status=order.delivery_status,
            note=_note(order, data_of(order)),
            actor=actor,
        )
        for order, before in changed
    )
    changes = [
        StatusChange(order=order, event=event, notify=notify and transition.tells_customer, data=data_of(order))
        for (order, _before), event in zip(changed, events, strict=True)
    ]
    order_status_changed.send(sender=Order, changes=changes)


def _note(order: Order, data: Data) -> str:
    return data.get("reason") or (order.tracking_code if "tracking_code" in data else "")


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


def _item(values: dict[str, Any]) -> OrderItem:
    item = OrderItem(
        description=str(values.get("description", "")).strip(),
        unit_price=number(values.get("unit_price"), _("An item needs a price like 19.90.")),
    )
    item.quantity = number(values.get("quantity", 1), _("An item needs a quantity like 2 or 1.5."))
    return item
