"""Saved views of the order list: the questions with which people open it, as tabs with how many there are.

They are about orders that are not finished, which one index leads to, however many others there are. What an app above
adds to one (`also_in_view`) is found by its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext, pgettext_lazy
from unfold.contrib.filters.admin import DropdownFilter

from flowlog.staffpages.asking import counted
from flowlog.staffpages.tabs import MOST, Tab
from flowlog.translations import Words
from orders.models import Order
from orders.statuses import DeliveryStatus, OrderStatus

type Orders = QuerySet[Order]

# What nobody has sent or made ready by then is late.
LATE_AFTER = timedelta(days=2)
# The very condition of the index `order_unfinished`.
UNFINISHED = Q(status__in=(OrderStatus.PENDING, OrderStatus.CONFIRMED))
_CONFIRMED = Q(status=OrderStatus.CONFIRMED)
_WAITS = Q(delivery_status=DeliveryStatus.PENDING)
_READY = _CONFIRMED & Q(delivery_status=DeliveryStatus.READY_FOR_PICKUP)


@dataclass(frozen=True, slots=True)
class View:
    """`rows` takes from the orders that a person may see those of the view; `visible` says who may see it at all."""

    name: str
    words: Words
    rows: Callable[[Orders], Orders]
    visible: Callable[[HttpRequest], bool] = lambda _request: True


def _where(*conditions: Any) -> Callable[[Orders], Orders]:
    return lambda orders: orders.filter(UNFINISHED, *conditions)


_views: list[View] = [
    View("to_confirm", _("to confirm"), _where(Q(status=OrderStatus.PENDING))),
    View("to_ship", _("to send"), _where(_CONFIRMED, _WAITS)),
    View("ready", pgettext_lazy("orders", "ready"), _where(_READY)),
    View(
        "late",
        _("late"),
        _where(_WAITS & Q(created_at__lt=Now() - LATE_AFTER) | _READY & Q(pickup_deadline__lt=Now())),
    ),
    View(
        "problems",
        _("with a problem"),
        _where(_CONFIRMED, Q(delivery_status__in=(DeliveryStatus.FAILED_ATTEMPT, DeliveryStatus.EXPIRED))),
    ),
]
_additions: list[tuple[str, Callable[[HttpRequest], bool], Callable[[], QuerySet[Any, Any]]]] = []


def register_view(view: View) -> None:
    """Let an app above add a view."""
    _views.append(view)


def also_in_view(name: str, visible: Callable[[HttpRequest], bool], keys: Callable[[], QuerySet[Any, Any]]) -> None:
    """Let an app above add to a view, for who may see them, the orders whose ids a query of one column finds."""
    _additions.append((name, visible, keys))


def _rows(request: HttpRequest, view: View, orders: Orders) -> Orders:
    """Those of the orders that the view shows to this person."""
    more = [keys() for name, visible, keys in _additions if name == view.name and visible(request)]
    if not more:
        return view.rows(orders)
    # Not `OR`: PostgreSQL would look at all orders.
    own = view.rows(Order.objects.order_by()).values("pk")
    return orders.filter(pk__in=own.union(*more, all=True))


def _visible(request: HttpRequest) -> list[View]:
    return [view for view in _views if view.visible(request)]


class ViewFilter(DropdownFilter):  # type: ignore[misc]
    """The same views among the filters, so that others go with them."""

    title = _("view")
    parameter_name = "view"

    def lookups(self, request: HttpRequest, _model_admin: Any) -> Sequence[tuple[str, Words]]:
        return [(view.name, view.words) for view in _visible(request)]

    def queryset(self, request: HttpRequest, queryset: Orders) -> Orders:
        view = next((view for view in _visible(request) if view.name == self.value()), None)
        return _rows(request, view, queryset) if view else queryset


def tabs(request: HttpRequest, orders: Orders) -> list[Tab]:
    """The views for a person who may see these orders. One query, which counts no further than is shown."""
    address = reverse("admin:orders_order_changelist")
    chosen = request.GET.get(ViewFilter.parameter_name, "")
    visible = _visible(request)
    counts = counted((_rows(request, view, orders) for view in visible), MOST)
    views = [
        Tab(capfirst(str(view.words)), f"{address}?view={view.name}", chosen == view.name, count)
        for view, count in zip(visible, counts, strict=True)
    ]
    return [Tab(capfirst(pgettext("orders", "all")), address, not request.GET), *views]
