"""Live orders and those of tests, which no token sees both of: the source of an order says which it is."""

from __future__ import annotations

from django.db.models import QuerySet

from api.models import ApiToken
from orders.models import Order
from orders.origin import OF_TESTS

_TEST = OF_TESTS
# Of what came without a reference of the shop's.
API = "api"


def stored_source(token: ApiToken, source: str) -> str:
    """How the source stands on an order that this token makes. No other way leads to one with a colon."""
    return f"{_TEST}{source}" if token.is_test else source


def public_source(stored: str) -> tuple[str, bool]:
    """The source as programs know it, and whether the order was made for a test."""
    return stored.removeprefix(_TEST), stored.startswith(_TEST)


def orders_of(token: ApiToken) -> QuerySet[Order]:
    """The orders that the token may see, with store and customer."""
    orders = Order.objects.filter(store=token.store_id).select_related("store", "customer")
    if token.is_test:
        return orders.filter(source__startswith=_TEST)
    return orders.exclude(source__startswith=_TEST)
