"""A customer's orders on their page."""

from __future__ import annotations

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from flowlog.staffpages.base import label_html
from flowlog.times import moment
from orders.admin.colours import STATUS_COLOURS, delivery_html, payment_html
from orders.models import Customer
from orders.wording import money

# More than anybody looks at on one page; the list has the rest.
SHOWN = 20


def have_orders(customer: Customer) -> bool:
    """Whether the customer has any. No query for one whose `orders_section` was made."""
    known: bool | None = getattr(customer, "_have_orders", None)
    return customer.orders.exists() if known is None else known


def orders_section(request: HttpRequest, customer: Customer) -> SafeString | str:
    """Their latest orders, each with how it stands. One query."""
    if not request.user.has_perm("orders.view_order"):
        return ""
    latest = list(customer.orders.order_by("-created_at", "-pk")[: SHOWN + 1])
    customer._have_orders = bool(latest)  # type: ignore[attr-defined]
    rows = [
        (
            order,
            moment(order.created_at),
            money(order.total),
            [
                label_html(STATUS_COLOURS[order.status], order.get_status_display()),
                payment_html(order),
                delivery_html(order),
            ],
        )
        for order in latest[:SHOWN]
    ]
    context = {
        "orders": rows,
        "more": len(latest) > SHOWN,
        "list": reverse("admin:orders_order_changelist", query={"customer__id__exact": customer.pk}),
    }
    return SafeString(render_to_string("admin/orders/customer/orders.html", context))
