"""What stands above an order's timeline and form: what needs an answer, from the apps above."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.utils.safestring import SafeString

from orders.models import Order

# Ready HTML; nothing where there is nothing, or nothing to be seen.
type Card = Callable[[HttpRequest, Order], SafeString | str]

_cards: list[Card] = []


def register_card(card: Card) -> None:
    """Let an app above show something at the top of an order's page."""
    _cards.append(card)


def build(request: HttpRequest, order: Order) -> list[SafeString | str]:
    """The cards of this order for this person."""
    return [html for card in _cards if (html := card(request, order))]
