"""What requests do to orders, all of it through the services of `orders`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.translation import gettext as _

from api import origins
from api.models import ApiToken, ShopClock
from api.problems import Problem, invalid
from api.v1.given import OrderIn, PutOrderIn, StateIn, TransitionIn
from api.v1.revising import revise
from api.v1.told import possible
from orders.models import Order
from orders.origin import made_before, origin
from orders.services import TransitionNotAllowed, apply_transition, bring_to, create_order
from orders.states import Brought
from orders.statuses import DeliveryStatus, PaymentStatus
from orders.transitions import TRANSITIONS

# What the services call otherwise.
_POINTERS = {"name": "/customer/name", "phone": "/customer/phone", "cpf": "/customer/document"}


@dataclass(frozen=True, slots=True)
class Put:
    """What became of an order that was put: a `Result`, and why not all of its state was reached."""

    order: Order
    result: str
    reason: str = ""


def create(token: ApiToken, body: OrderIn, source: str, external_id: str) -> Put:
    """A new order, brought where it is said to be. The customer is told of the last step alone. Raises `Problem`."""
    order = _make(token, body, source, external_id)
    # Who was told of nothing does not hear that it is off.
    notify = body.notify and not (body.state and body.state.cancelled)
    return Put(order, "created", _bring(order, body.state, notify=notify).reason)


def make_or_find(token: ApiToken, body: OrderIn, source: str, external_id: str) -> Put:
    """The order of this reference, made unless it was before. Raises `Problem`."""
    known = _known(token, source, external_id)
    return Put(known, "nothing_new") if known else create(token, body, source, external_id)


def put(token: ApiToken, body: PutOrderIn, source: str, reference: str) -> Put:
    """Make the order, or bring it where the shop has it, unless that is older than what the shop said before.

    Raises `Problem`.
    """
    made = make_or_find(token, body, source, reference)
    if body.changed_at and not _is_newest(made.order, body.changed_at):
        return Put(made.order, "late")
    if made.result == "created":
        return made
    differs = differences(made.order, body) if body.revise else []
    if differs:
        _revise(token, made.order, body, differs)
    done = _bring(made.order, body.state, notify=body.notify)
    return replace(done, result="applied") if differs and done.result == "nothing_new" else done


def transition(order: Order, body: TransitionIn) -> None:
    """Take the order a step on. Raises `Problem`."""
    data: dict[str, Any] = body.data.given()
    taken = TRANSITIONS[body.name].takes
    if strange := [name for name in data if name not in taken]:
        words = _("“%(step)s” does not take this. It takes: %(names)s.")
        told = {"step": body.name, "names": ", ".join(taken) or "—"}
        raise invalid([{"pointer": f"/data/{name}", "code": "not-taken", "message": words % told} for name in strange])
    try:
        apply_transition(order, body.name, notify=body.notify, **data)
    except TransitionNotAllowed as refusal:
        raise not_allowed(order, str(refusal), "transition-not-allowed") from None


def not_allowed(order: Order, sentence: str, code: str) -> Problem:
    """The order does not take that now; what it does is said."""
    return Problem(HTTPStatus.CONFLICT, code, sentence, possible=possible(order))


def differences(order: Order, body: OrderIn) -> list[str]:
    """What of an order that was there before the shop has otherwise: this is not changed by putting it."""
    test = origins.public_source(order.source)[1]
    pairs = {
        "/customer/name": (" ".join(body.customer.name.split()), order.addressee),
        "/customer/phone": ("" if test else body.customer.phone, order.customer.phone),
        "/items": (
            [(each.description.strip(), Decimal(each.quantity), Decimal(each.unit_price)) for each in body.items],
            [(each.description, each.quantity, each.unit_price) for each in order.items.all()],
        ),
        "/delivery_method": (body.delivery_method, order.delivery_method),
        "/delivery_address": (body.delivery_address.strip(), order.delivery_address),
        "/freight": (Decimal(body.freight), order.freight),
        "/discount": (Decimal(body.discount), order.discount),
    }
    return [pointer for pointer, (theirs, ours) in pairs.items() if theirs != ours]


def _known(token: ApiToken, source: str, external_id: str) -> Order | None:
    stored = origins.stored_source(token, source)
    return made_before(token.store, origin(stored, external_id, "")) if external_id else None


def _make(token: ApiToken, body: OrderIn, source: str, external_id: str) -> Order:
    test_words = _("Test order of the API: the customer's phone is not kept, and nobody is told anything.")
    try:
        return create_order(
            store=token.store,
            customer_name=body.customer.name,
            customer_phone="" if token.is_test else body.customer.phone,
            customer_cpf=body.customer.document,
            items=[each.dict() for each in body.items],
            delivery_method=body.delivery_method,
            delivery_address=body.delivery_address,
            notes="\n".join(filter(None, (test_words if token.is_test else "", body.notes.strip()))),
            freight=body.freight,
            discount=body.discount,
            source=origins.stored_source(token, source or origins.API),
            external_id=external_id,
            external_number=body.number,
            notify=body.notify and not _moves_on(body.state),
        )
    except ValidationError as error:
        raise invalid(_errors(error)) from None


def _moves_on(state: StateIn | None) -> bool:
    """Whether the state is beyond that of an order that was only placed: then only its last step is told."""
    return state is not None and (
        state.confirmed
        or state.cancelled
        or state.returned
        or state.payment not in {None, PaymentStatus.PENDING}
        or state.delivery not in {None, DeliveryStatus.PENDING}
    )


def _bring(order: Order, state: StateIn | None, *, notify: bool) -> Put:
    """As far as the order gets. Raises `Problem` if that is nowhere of what the state says."""
    brought = bring_to(order, state.wanted(), notify=notify) if state else Brought()
    if brought.events:
        return Put(order, "applied", brought.reason)
    if brought.reason and not (brought.late or brought.is_partly):
        raise not_allowed(order, brought.reason, "state-not-allowed")
    return Put(order, "late" if brought.late else "nothing_new", brought.reason)


def _revise(token: ApiToken, order: Order, body: PutOrderIn, differs: Sequence[str]) -> None:
    try:
        revise(token, order, body, differs)
    except ValidationError as error:
        raise invalid(_errors(error)) from None


def _is_newest(order: Order, changed_at: datetime) -> bool:
    """Whether the shop has said nothing newer of it before; then this is remembered. Whoever comes second waits."""
    clock, is_new = ShopClock.objects.select_for_update().get_or_create(
        order=order, defaults={"changed_at": changed_at}
    )
    if not is_new and clock.changed_at < changed_at:
        clock.changed_at = changed_at
        clock.save(update_fields=["changed_at"])
    return clock.changed_at <= changed_at


def _errors(error: ValidationError) -> list[dict[str, str]]:
    if not hasattr(error, "error_dict"):
        # One of several has no code of its own.
        code = getattr(error, "code", None) or "invalid"
        return [{"pointer": "", "code": code, "message": " ".join(error.messages)}]
    return [
        {
            "pointer": "" if name == NON_FIELD_ERRORS else _POINTERS.get(name, f"/{name}"),
            "code": each.code or "invalid",
            "message": " ".join(each.messages),
        }
        for name, errors in error.error_dict.items()
        for each in errors
    ]
