"""Orders and instances for tests, made through the services as everybody makes them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from integrations.models import EvolutionInstance
from orders.models import Order, Store
from orders.services import apply_transition, create_order

PHONE = "+5511987654321"
TRACKING_CODE = "AA123456785BR"
# The way of an order from its creation to each delivery status.
WAY = {
    "confirmed": ("confirm",),
    "shipped": ("confirm", "ship"),
    "out_for_delivery": ("confirm", "ship", "out_for_delivery"),
    "delivered": ("confirm", "ship", "deliver"),
    "ready_for_pickup": ("confirm", "ready_for_pickup"),
}


def make_instance(store: Store | None = None, **values: Any) -> EvolutionInstance:
    """The store's default instance, without pacing unless the test asks for it."""
    values = {"name": "flowlog", "is_default": True, "messages_per_minute": 0} | values
    return EvolutionInstance.objects.create(store=store or Store.get_default(), **values)


def make_order(*, until: str = "", **values: Any) -> Order:
    """An order of Maria's, taken along `WAY[until]` in silence unless the test passes `notify=True`."""
    notify = values.pop("notify", False)
    values = {
        "store": values.get("store") or Store.get_default(),
        "customer_name": "Maria da Silva",
        "customer_phone": PHONE,
        "items": [{"description": "Camiseta azul", "quantity": 2, "unit_price": Decimal("59.90")}],
        "delivery_method": "pickup" if until == "ready_for_pickup" else "courier",
    } | values
    order = create_order(notify=notify, **values)
    for name in WAY.get(until, ()):
        data: dict[str, Any] = {"tracking_code": TRACKING_CODE} if name == "ship" else {}
        apply_transition(order, name, notify=notify, **data)
    return order
