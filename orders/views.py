"""The customer's page of an order, for whoever has its link: no login, no script, one request."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.middleware.csp import get_nonce
from django.template.loader import render_to_string
from django.utils.csp import CSP
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.csp import csp_override
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from flowlog.prepared import Rows, keep, param, standalone
from orders import journey
from orders.contacts import format_phone, is_storable
from orders.models import Order, OrderEvent, OrderItem
from orders.names import first_name
from orders.statuses import CORREIOS_METHODS, OFF, DeliveryStatus, PaymentStatus
from orders.throttle import is_too_often
from orders.wording import charges, money, spoken_moment

# A longer list is cut, so that the page stays light on a phone.
LISTED_ITEMS = 20
_MINUTE = 60

_POLICY: dict[str, list[str]] = {
    "default-src": [CSP.NONE],
    "style-src": [CSP.NONCE],
    "img-src": ["data:"],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}
_PRIVATE = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}

type View = Callable[..., HttpResponse]


def _private(view: View) -> View:
    """The page is for who has its link: kept by no cache, found by no search, its address told to no other site."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        for name, value in _PRIVATE.items():
            response.headers[name] = value
        return response

    return guarded


@csrf_exempt  # a POST is told which methods there are, not that it lacks a token
@csp_override(_POLICY)
@_private
@require_safe
def tracking_page(request: HttpRequest, token: str = "") -> HttpResponse:
    """The order that has this token; the same page for every token that none has."""
    if is_too_often(request):
        words = _("You have asked many times in a row. Wait a minute and open the link again.")
        response = _notice(request, HTTPStatus.TOO_MANY_REQUESTS, _("One moment, please"), words)
        response.headers["Retry-After"] = str(_MINUTE)
        return response
    order = _read(token) if token and is_storable(token) else None
    if order is None:
        words = _("Check that the link is complete: the best way is to open it from the message you received.")
        return _notice(request, HTTPStatus.NOT_FOUND, _("We did not find this order"), words)
    return _page(request, "orders/public/order.html", _order_context(order))


_ORDER = Rows(
    lambda: Order.objects.select_related("store", "customer").filter(tracking_token=param("token")).order_by()
)
_EVENTS = Rows(lambda: OrderEvent.objects.filter(order__tracking_token=param("token")))
_ITEMS = Rows(lambda: OrderItem.objects.filter(order__tracking_token=param("token")))


def _read(token: str) -> Order | None:
    """The order with all that the page says of it, in one round trip."""
    order, events, items = (rows.given(token=token) for rows in (_ORDER, _EVENTS, _ITEMS))
    standalone(order, events, items)
    for found in order.result:
        keep(found, "events", events.result)
        keep(found, "items", items.result)
        return cast("Order", found)
    return None


def _notice(request: HttpRequest, status: HTTPStatus, heading: str, words: str) -> HttpResponse:
    return _page(request, "orders/public/notice.html", {"heading": heading, "words": words}, status)


def _page(
    request: HttpRequest, template: str, context: dict[str, Any], status: HTTPStatus = HTTPStatus.OK
) -> HttpResponse:
    # Without the request's context processors: they know the session, and this page has none.
    return HttpResponse(render_to_string(template, context | {"nonce": get_nonce(request)}), status=status)


def _order_context(order: Order) -> dict[str, Any]:
    way = journey.of(order)
    zone = order.store.zone
    items = list(order.items.all())
    goes_on = order.status not in OFF
    waits = goes_on and order.delivery_status == DeliveryStatus.READY_FOR_PICKUP
    is_tracked = goes_on and order.delivery_status != DeliveryStatus.PENDING
    return {
        "order": order,
        "journey": way,
        "steps": [(step, spoken_moment(step.when, zone) if step.when else "") for step in way.steps],
        "waits_at_counter": waits,
        "deadline": spoken_moment(order.pickup_deadline, zone) if waits and order.pickup_deadline else "",
        "parcels": order.parcels if is_tracked else [],
        "by_correios": order.delivery_method in CORREIOS_METHODS,
        "items": [(item, money(item.subtotal)) for item in items[:LISTED_ITEMS]],
        "more_items": max(len(items) - LISTED_ITEMS, 0),
        "charges": charges(order),
        "payment": _payment_words(order),
        "total": money(order.total),
        "phone": format_phone(order.store.phone),
        "first_name": first_name(order.addressee),
        "whatsapp": _whatsapp_link(order),
    }


def _payment_words(order: Order) -> str:
    """Empty for the payment of an order that is off, if it never came."""
    if order.payment_status != PaymentStatus.PENDING:
        return capfirst(order.get_payment_status_display())
    return "" if order.status in OFF else pgettext("payment", "Awaited")


def _whatsapp_link(order: Order) -> str:
    """A chat with the store that begins with the order's code; empty where the store has no phone."""
    if not order.store.phone:
        return ""
    hello = _("Hello! It is about my order %(code)s.") % {"code": order.code}
    return f"https://wa.me/{order.store.phone.removeprefix('+')}?text={quote(hello)}"
