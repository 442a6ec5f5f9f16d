"""What goes with a parcel, on paper: a packing slip, and a label with a code that the counter reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import segno
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from flowlog.staffpages.base import ModelAdmin
from flowlog.times import moment
from flowlog.translations import Words
from orders.contacts import format_phone
from orders.models import Order
from orders.wording import charges, money

# More than a printer is fed with at once.
MOST = 200
_KINDS: dict[str, Words] = {"slip": gettext_lazy("Print packing slips"), "label": gettext_lazy("Print labels")}
_SIZES: dict[str, Words] = {"a4": "A4", "80mm": "80 mm", "10x15": "10 × 15 cm"}
_USUAL = {"slip": "a4", "label": "10x15"}


@dataclass(frozen=True, slots=True)
class Sheet:
    """One order as it is printed."""

    order: Order
    qr: SafeString
    phone: str
    created: str
    deadline: str
    items: list[tuple[Any, str]]
    charges: list[tuple[Words, str]]
    total: str


class PrintViews(ModelAdmin):
    """Adds the pages that are printed."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.print_view)
        return [path("print/<str:kind>/", view, name="orders_order_print"), *super().get_urls()]

    def print_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        """A sheet for each order that `ids` names, of those that the person may see, the newest first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if kind not in _KINDS:
            raise Http404
        size = request.GET.get("size", "")
        size = size if size in _SIZES else _USUAL[kind]
        written = [pk[:18] for pk in request.GET.get("ids", "").split(",") if pk.isascii() and pk.isdigit()]
        pks = [int(pk) for pk in written[:MOST]]
        orders = self.get_queryset(request).filter(pk__in=pks).select_related("store", "customer")
        context = {
            "kind": kind,
            "size": size,
            "title": _KINDS[kind],
            "sizes": [(name, words, f"{print_address(kind, pks)}&size={name}") for name, words in _SIZES.items()],
            "sheets": [_sheet(order) for order in orders.prefetch_related("items").order_by("-created_at", "-pk")],
            "back": reverse("admin:orders_order_changelist"),
        }
        return TemplateResponse(request, "admin/orders/print.html", context)


def print_address(kind: str, pks: list[int]) -> str:
    return reverse("admin:orders_order_print", args=[kind], query={"ids": ",".join(map(str, pks))})


def print_actions() -> list[Callable[..., HttpResponse | None]]:
    """The list's actions: a page to print for the orders that were chosen."""
    return [_print_action(kind, words) for kind, words in _KINDS.items()]


def _print_action(kind: str, words: Words) -> Callable[..., HttpResponse | None]:
    @admin.action(permissions=["view"], description=words)  # type: ignore[arg-type]
    def start(model_admin: PrintViews, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        pks = list(queryset.order_by("-created_at", "-pk").values_list("pk", flat=True)[: MOST + 1])
        if len(pks) > MOST:
            model_admin.message_user(request, _("At most %(most)d orders at once.") % {"most": MOST}, messages.ERROR)
            return None
        return HttpResponseRedirect(print_address(kind, pks))

    start.__name__ = f"print_{kind}"
    return start


def _sheet(order: Order) -> Sheet:
    return Sheet(
        order=order,
        qr=_qr(order),
        phone=format_phone(order.customer.phone),
        created=moment(order.created_at),
        deadline=moment(order.pickup_deadline, order.store.zone),
        items=[(item, money(item.subtotal)) for item in order.items.all()],
        charges=list(charges(order)),
        total=money(order.total),
    )


def _qr(order: Order) -> SafeString:
    """What the counter scans, and any phone opens: the order at the counter. It gives no pickup code away."""
    address = f"{settings.SITE_URL}{reverse('admin:orders_order_counter')}?q={order.code}"
    drawn: str = segno.make(address, error="m").svg_inline(border=2, omitsize=True)
    return mark_safe(drawn)  # noqa: S308 - drawn here, of an address in which nobody typed anything
