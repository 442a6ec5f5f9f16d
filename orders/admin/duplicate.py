"""An order once more: the form of a new one, filled in from one that there is."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from flowlog.staffpages.base import ModelAdmin
from orders.models import Order

PARAMETER = "copy"
# By the columns that hold them.
_COPIED = {"store": "store_id", "customer": "customer_id"} | {
    name: name for name in ("delivery_method", "delivery_address", "freight", "discount")
}


class DuplicateViews(ModelAdmin):
    """What `?copy=<id>` fills in on the page of a new order. Nothing is stored before it is saved, under a new code."""

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        order = self.copied(request)
        if order is None:
            return initial
        return initial | {name: getattr(order, column) for name, column in _COPIED.items()}

    def get_formset_kwargs(self, request: HttpRequest, obj: Any, inline: Any, prefix: str) -> dict[str, Any]:
        kwargs: dict[str, Any] = super().get_formset_kwargs(request, obj, inline, prefix)
        order = self.copied(request)
        if order is None:
            return kwargs
        items = [
            {"description": item.description, "quantity": item.quantity, "unit_price": item.unit_price}
            for item in order.items.all()
        ]
        return {**kwargs, "initial": items}

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        order = self.copied(request)
        if order:
            words = _("Filled in from order %(code)s. Check it: nothing is saved or told before you save it.")
            self.message_user(request, words % {"code": order.code}, messages.INFO)
        return super().add_view(request, form_url, extra_context)

    def copied(self, request: HttpRequest) -> Order | None:
        """The order that a new one is filled in from, of those that this person may see; None where it is sent."""
        written = request.GET.get(PARAMETER, "")
        if request.method != "GET" or not (written.isascii() and written.isdigit()):
            return None
        if not hasattr(request, "copied_order"):
            orders = self.get_queryset(request).select_related("customer").prefetch_related("items")
            request.copied_order = orders.filter(pk=int(written[:18]), customer__erased_at=None).first()  # type: ignore[attr-defined]
        copied: Order | None = request.copied_order  # type: ignore[attr-defined]
        return copied
