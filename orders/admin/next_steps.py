"""The next step of each order in the list, at one press: done at once, or asked for what it takes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from orders.admin.transitions import TransitionViews
from orders.models import Order
from orders.statuses import TRACKED_METHODS
from orders.transitions import TRANSITIONS, Transition

# The way of an order; what is possible first is next.
_WAY = ("confirm", "ship", "ready_for_pickup", "out_for_delivery", "deliver", "pick_up", "pay")
# The form below the list that the buttons in its rows send: a form cannot stand in another.
FORM = "flowlog-step"


def next_step(order: Order) -> Transition | None:
    """What one hopes to do next with the order; None where nothing is left to be done."""
    possible = (TRANSITIONS[name] for name in _WAY if TRANSITIONS[name].is_possible(order))
    # The carrier brings it out for delivery, and says so.
    by_us = (
        step for step in possible if step.name != "out_for_delivery" or order.delivery_method not in TRACKED_METHODS
    )
    return next(by_us, None)


class NextStepViews(TransitionViews):
    """Adds the column and the address that its buttons lead to."""

    list_after_template = "admin/orders/order/step_form.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.step_view)
        return [path("<int:pk>/step/<str:name>/", view, name="orders_order_step"), *super().get_urls()]

    def step_view(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """The page of the transition, which leads back to the list as it was filtered."""
        response = self.transition_view(request, pk, name)
        if request.method == "POST" and isinstance(response, HttpResponseRedirect):
            return HttpResponseRedirect(self._list_url(request))
        return response

    @admin.display(description=_("next step"))
    def next_step(self, order: Order) -> SafeString | str:
        step = next_step(order)
        if step is None:
            return ""
        filters: str = getattr(order, "list_filters", "")
        address = reverse("admin:orders_order_step", args=[order.pk, step.name], query={"_changelist_filters": filters})
        if step.takes:
            return format_html('<a class="flowlog-step" href="{}">{}…</a>', address, step.label)
        markup = '<button type="submit" class="flowlog-step" form="{}" formaction="{}">{}</button>'
        return format_html(markup, FORM, address, step.label)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        for order in changelist.result_list:
            order.list_filters = request.GET.urlencode()
        return changelist
