"""The shop and the carrier at a word, `POST /sandbox/<action>`, and what they answer who asks them.

shop       {"webhook", "secret", "consumer_key", "consumer_secret"}: the shop's owner saves its webhook
carrier    {"webhook", "secret", "token"}: the same at the carrier
place      {"customer", "phone", "quantity"}: a customer orders in the shop; gives the `order`'s id
change     {"order", "to": "paid", "shipped" or "cancelled"}: what becomes of it in the shop
carry      {"order", "to": "posted", "out_for_delivery", "delivered" or "back"}: what becomes of its parcel
release    {}: what a fault of `news_fault` holds back leaves now
enable     {}: the shop's owner switches the webhook on again that the shop has switched off
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from flowlog.devtools.sandbox.errors import ActionError
from flowlog.devtools.sandbox.http import Answer, Request
from flowlog.devtools.sandbox.parcels import EVENTS, CarrierSettings
from flowlog.devtools.sandbox.shop import STATUSES, ShopSettings

if TYPE_CHECKING:
    from flowlog.devtools.sandbox.state import Sandbox

type Body = Mapping[str, object]

CUSTOMER, PHONE = "Carla Demonstração", "(11) 90000-1003"
"""Who orders if nobody says so."""
_LONGEST, _MOST_PIECES = 80, 99


def respond(sandbox: Sandbox, request: Request) -> Answer:
    """What the shop, or the carrier, answers."""
    if request.segments[0] == "wp-json":
        return sandbox.shop.respond(request)
    return sandbox.carrier.respond(request, sandbox.shop.orders())


def _shop(sandbox: Sandbox, body: Body) -> dict[str, object]:
    names = ("webhook", "secret", "consumer_key", "consumer_secret")
    sandbox.shop.set_up(ShopSettings(*(str(body.get(name) or "") for name in names)))
    sandbox.show_anew()
    return {}


def _carrier(sandbox: Sandbox, body: Body) -> dict[str, object]:
    sandbox.carrier.settings = CarrierSettings(*(str(body.get(name) or "") for name in ("webhook", "secret", "token")))
    sandbox.show_anew()
    return {}


def _place(sandbox: Sandbox, body: Body) -> dict[str, object]:
    customer, phone = (
        str(body.get(name) or usual).strip()[:_LONGEST] for name, usual in (("customer", CUSTOMER), ("phone", PHONE))
    )
    quantity = str(body.get("quantity") or 2)
    if not (quantity.isdecimal() and 1 <= int(quantity) <= _MOST_PIECES):
        raise ActionError(f"quantity must be a whole number from 1 to {_MOST_PIECES}.")
    order = sandbox.shop.place(customer, phone, int(quantity))
    sandbox.show_anew()
    return {"order": order.id, "tracking": order.label.tracking}


def _change(sandbox: Sandbox, body: Body) -> dict[str, object]:
    sandbox.shop.change(sandbox.shop.order(body.get("order")), _one_of(body, STATUSES))
    sandbox.show_anew()
    return {}


def _carry(sandbox: Sandbox, body: Body) -> dict[str, object]:
    sandbox.carrier.carry(sandbox.shop.order(body.get("order")), _one_of(body, EVENTS))
    sandbox.show_anew()
    return {}


def _one_of(body: Body, words: Mapping[str, str]) -> str:
    word = str(body.get("to"))
    if word not in words:
        raise ActionError(f"to must be one of: {', '.join(words)}.")
    return word


def _release(sandbox: Sandbox, _body: Body) -> dict[str, object]:
    sandbox.messenger.release()
    return {}


def _enable(sandbox: Sandbox, _body: Body) -> dict[str, object]:
    sandbox.shop.enable()
    sandbox.show_anew()
    return {}


ACTIONS: Mapping[str, Callable[[Sandbox, Body], dict[str, object]]] = {
    "shop": _shop,
    "carrier": _carrier,
    "place": _place,
    "change": _change,
    "carry": _carry,
    "release": _release,
    "enable": _enable,
}
