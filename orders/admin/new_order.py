"""What the customer will read of an order that is being filled in, shown under its form before it is saved.

The form asks again while it is filled in: the address of the new order's page, and `preview/`. Nothing is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from flowlog.staffpages.base import ModelAdmin
from orders.admin.previews import Asked, build_for
from orders.amounts import set_total
from orders.models import Order, OrderItem
from orders.transitions import TRANSITIONS

# Of no order: the rows that hang on one have to ask for its key.
_NO_KEY = 0


class NewOrderPreview(ModelAdmin):
    """Adds the address that answers with what stands under the form of a new order."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.new_preview_view)
        return [path("add/preview/", view, name="orders_order_add_preview"), *super().get_urls()]

    def new_preview_view(self, request: HttpRequest) -> HttpResponse:
        """The preview (POST) for what the form says so far; changes nothing."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form: Any = self.get_form(request)(request.POST)
        form.is_valid()
        formsets, _inlines = self._create_formsets(request, form.instance, change=False)  # type: ignore[attr-defined]
        wrong = [str(form.fields[name].label) for name in form.errors if name in form.fields]
        wrong += [_("items") for formset in formsets if not formset.is_valid()]
        order, cleaned = form.instance, form.cleaned_data
        values: dict[str, Any] = {"missing": ", ".join(capfirst(name) for name in wrong)}
        if cleaned.get("store") and cleaned.get("customer"):
            if order.customer.store_id != order.store_id:
                values["problem"] = _("The customer belongs to another store.")
            try:
                _fill(order, _items(formsets))
            except ValidationError as error:
                values["problem"] = " ".join(error.messages)
            else:
                asked = Asked(order, TRANSITIONS["create"], {}, bool(cleaned.get("tell_customer")))
                values["previews"] = build_for(request, asked)
        return HttpResponse(render_to_string("admin/orders/order/new_preview.html", values))


def _items(formsets: Sequence[BaseInlineFormSet]) -> list[OrderItem]:
    """Those that are filled in as they have to be."""
    forms = [form for formset in formsets for form in formset.forms]
    return [form.instance for form in forms if form.has_changed() and form.is_valid()]


def _fill(order: Order, items: list[OrderItem]) -> None:
    """Bring an order that is nowhere stored to where it can be looked at as one that is."""
    order.pk, order.ordered_as = _NO_KEY, ""
    order._prefetched_objects_cache = {"items": items}  # type: ignore[attr-defined]
    try:
        set_total(order, items)
    except ValidationError:
        # More is taken off than there is yet: the form says so.
        order.discount = type(order.discount)(0)
        set_total(order, items)
