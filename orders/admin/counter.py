"""The counter, on a phone or a till: scan or type a code, see whose it is, hand it over, next."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from flowlog.staffpages.once import once
from orders import throttle
from orders.admin import steps
from orders.admin.colours import delivery_html, payment_html
from orders.admin.next_steps import next_step
from orders.codes import compact
from orders.contacts import format_phone
from orders.models import Order
from orders.statuses import DeliveryStatus, OrderStatus, PaymentStatus
from orders.transitions import TRANSITIONS, TransitionNotAllowed
from orders.wording import money

# Of the very few orders that have one pickup code at a time; more are a sign that something else was typed.
_MOST = 10
# What the label's code is read as, by a scanner or a phone.
_IN_ADDRESS = re.compile(r"[?&]q=([0-9A-Za-z]+)")
_BESIDE = re.compile(r"\b(?:pedido|c[óo]digo|de|retirada)\b", re.IGNORECASE)
_LONGEST = 300


class CounterViews(steps.StepViews):
    """Adds the page of the counter, for who may change orders."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("counter/", wrap(self.counter_view), name="orders_order_counter"),
            path("counter/<int:pk>/", wrap(self.hand_over_view), name="orders_order_hand_over"),
            *super().get_urls(),
        ]

    def counter_view(self, request: HttpRequest) -> HttpResponse:
        """The field, and what the code in `q` is of. Codes that are nobody's are counted: they may be guesses."""
        self._require(request)
        typed = request.GET.get("q", "")[:_LONGEST]
        code = _code(typed)
        found = self._found(request, code) if code else []
        if code and not found and self._guesses_too_much(request):
            self.message_user(request, _("Too many codes that are no order's. Wait a minute."), messages.ERROR)
            code = ""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Counter"),
            "typed": typed.strip(),
            "code": code,
            "orders": [_shown(order, code) for order in found],
        }
        return TemplateResponse(request, "admin/orders/counter.html", context)

    @once
    def hand_over_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Hand an order over (POST alone), with `pay` and take the money; then the next customer."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self._require(request)
        order = get_object_or_404(self.get_queryset(request), pk=pk)
        code, pays = _code(request.POST.get("code", "")), bool(request.POST.get("pay"))
        # Found by its own code, the order was checked by the eye.
        shown = "" if code == order.code else code
        try:
            names = ["pay"] * pays + ["pick_up"]
            events = steps.take(order, names, request=request, notify=True, pickup_code=shown)
        except TransitionNotAllowed as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:orders_order_counter", query={"q": code}))
        done = _("Order %(code)s: handed over and paid.") if pays else _("Order %(code)s: handed over.")
        self.tell_done(request, done % {"code": order.code}, events, told=True)
        return HttpResponseRedirect(reverse("admin:orders_order_counter"))

    def _require(self, request: HttpRequest) -> None:
        if not self.has_change_permission(request):
            raise PermissionDenied

    @staticmethod
    def _guesses_too_much(request: HttpRequest) -> bool:
        return throttle.is_used_up(f"counter {request.user.pk}", settings.COUNTER_GUESSES_PER_MINUTE)

    def _found(self, request: HttpRequest, code: str) -> list[Order]:
        """Whose code it is: of any order its own, of one that waits at the counter the one that its customer shows."""
        waits = Q(status=OrderStatus.CONFIRMED, delivery_status=DeliveryStatus.READY_FOR_PICKUP)
        orders = self.get_queryset(request).filter(Q(code=code) | waits & Q(pickup_code=code))
        return list(orders.select_related("customer", "store").prefetch_related("items").order_by("pk")[:_MOST])


def _code(typed: str) -> str:
    """The code in what was scanned or typed: the label's address, `#k7m-pxq`, `Pedido K7MPXQ`."""
    found = _IN_ADDRESS.search(typed)
    return compact(found[1] if found else _BESIDE.sub(" ", typed[:_LONGEST]))[:20]


def _shown(order: Order, code: str) -> dict[str, Any]:
    return {
        "order": order,
        "phone": format_phone(order.customer.phone),
        "total": money(order.total),
        "items": list(order.items.all()),
        "labels": [payment_html(order), delivery_html(order)],
        "checked": code == order.pickup_code,
        "may_hand_over": TRANSITIONS["pick_up"].is_possible(order),
        "owes": order.payment_status == PaymentStatus.PENDING and TRANSITIONS["pay"].is_possible(order),
        "step": next_step(order),
    }
