"""An order's content as the shop has it now, so far as it may still change; what may not is said, and nothing done."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from django.utils.translation import gettext as _

from api.models import ApiToken
from api.problems import Problem
from api.v1.given import PutOrderIn
from orders.models import Order
from orders.services import TransitionNotAllowed, apply_transition, revise_order

_ITEMS, _ADDRESS = ("/items", "/freight", "/discount"), "/delivery_address"


def revise(token: ApiToken, order: Order, body: PutOrderIn, differs: Sequence[str]) -> None:
    """Change what differs. Raises `Problem` that points at what cannot change, and `ValidationError`."""
    kept = {
        pointer: _("No program changes this of an order that is there: change it in the admin.")
        for pointer in differs
        if pointer not in {*_ITEMS, _ADDRESS}
    }
    if amounts := [pointer for pointer in differs if pointer in _ITEMS]:
        items = [each.dict() for each in body.items]
        try:
            revise_order(order, items=items, freight=body.freight, discount=body.discount, by=token.name)
        except TransitionNotAllowed as refusal:
            kept |= dict.fromkeys(amounts, str(refusal))
    if _ADDRESS in differs:
        try:
            # Where there is a state as well, its last step is what is told.
            notify = body.notify and body.state is None
            apply_transition(order, "change_address", notify=notify, delivery_address=body.delivery_address)
        except TransitionNotAllowed as refusal:
            kept[_ADDRESS] = str(refusal)
    if kept:
        words = _("Something of this order cannot change any more, and nothing was done: look at “errors”.")
        errors = [{"pointer": pointer, "code": "fixed", "message": message} for pointer, message in kept.items()]
        raise Problem(HTTPStatus.CONFLICT, "content-not-allowed", words, errors=errors)
