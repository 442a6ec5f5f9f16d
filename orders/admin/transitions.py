"""The pages on which staff apply a transition: to one order, or to those chosen in the list.

Both ask first and change by POST alone; the rules are the services', which lock and check again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from flowlog.staffpages.base import ModelAdmin, person
from flowlog.staffpages.once import once
from orders.models import Order
from orders.services import apply_transition, apply_transition_bulk
from orders.transition_forms import BulkTransitionForm, TransitionForm
from orders.transitions import TRANSITIONS, Transition, TransitionNotAllowed

SHOWN_REFUSALS = 10


class TransitionViews(ModelAdmin):
    """Adds those pages to the orders' admin."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("transition/<str:name>/", wrap(self.bulk_view), name="orders_order_bulk_transition"),
            path("<int:pk>/transition/<str:name>/", wrap(self.transition_view), name="orders_order_transition"),
            *super().get_urls(),
        ]

    @once
    def transition_view(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """Ask (GET) and apply (POST) one transition of one order; what is refused changes nothing."""
        transition = self._allowed_transition(request, name)
        order = get_object_or_404(self.get_queryset(request).select_related("customer", "store"), pk=pk)
        posted = request.method == "POST"
        form = TransitionForm(transition, order, request.POST if posted else None)
        try:
            if not posted:
                transition.require_possible(order)
            elif form.is_valid():
                apply_transition(order, name, actor=person(request), **form.arguments())
                done = _("Order %(code)s: %(done)s.") % {"code": order.code, "done": transition.done}
                self.message_user(request, done, messages.SUCCESS)
                return HttpResponseRedirect(order.get_admin_url())
        except TransitionNotAllowed as refusal:
            if not posted:
                self.message_user(request, str(refusal), messages.ERROR)
                return HttpResponseRedirect(order.get_admin_url())
            form.add_error(None, str(refusal))
        return self._page(request, transition, form, {"order": order, "original": order, "back": order.get_admin_url()})

    def start_bulk(
        self, request: HttpRequest, queryset: QuerySet[Order], transition: Transition
    ) -> HttpResponse | None:
        """Ask before the transition is applied to the orders chosen in the list. They are fixed from here on."""
        chosen = list(queryset.order_by("pk").values_list("pk", flat=True)[: BulkTransitionForm.MOST + 1])
        if len(chosen) > BulkTransitionForm.MOST:
            most = BulkTransitionForm.MOST
            self.message_user(request, _("At most %(most)d orders at once.") % {"most": most}, messages.ERROR)
            return None
        form = BulkTransitionForm(transition, chosen=chosen)
        return self._bulk_page(request, transition, form, chosen)

    @once
    def bulk_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Apply (POST) the transition to the orders that the form names, and tell of those that refused it."""
        transition = self._allowed_transition(request, name)
        back = self._list_url(request)
        if request.method != "POST":
            return HttpResponseRedirect(back)
        form = BulkTransitionForm(transition, request.POST)
        if not form.is_valid():
            return self._bulk_page(request, transition, form, form.cleaned_data.get("orders", []))
        orders = self.get_queryset(request).filter(pk__in=form.cleaned_data["orders"])
        try:
            result = apply_transition_bulk(orders, name, actor=person(request), **form.arguments())
        except TransitionNotAllowed as refusal:
            form.add_error(None, str(refusal))
            return self._bulk_page(request, transition, form, form.cleaned_data["orders"])
        self._tell_result(request, transition, len(result.applied), result.refused)
        return HttpResponseRedirect(back)

    def _allowed_transition(self, request: HttpRequest, name: str) -> Transition:
        if not self.has_change_permission(request):
            raise PermissionDenied
        transition = TRANSITIONS.get(name)
        if transition is None or not transition.by_staff:
            raise Http404
        return transition

    def _bulk_page(
        self, request: HttpRequest, transition: Transition, form: BulkTransitionForm, chosen: Sequence[int]
    ) -> HttpResponse:
        orders = self.get_queryset(request).filter(pk__in=chosen)
        possible = orders.filter(
            status__in=transition.status_from,
            payment_status__in=transition.payment_from,
            delivery_status__in=transition.delivery_from,
            delivery_method__in=transition.methods,
        ).count()
        action = reverse("admin:orders_order_bulk_transition", args=[transition.name])
        return self._page(
            request,
            transition,
            form,
            {
                "chosen": len(chosen),
                "possible": possible,
                "impossible": len(chosen) - possible,
                "action": f"{action}?{self.get_preserved_filters(request)}",
                "back": self._list_url(request),
            },
        )

    def _page(
        self, request: HttpRequest, transition: Transition, form: TransitionForm, values: dict[str, Any]
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": transition.label,
            "transition": transition,
            "form": form,
            **values,
        }
        return TemplateResponse(request, "admin/orders/order/transition.html", context)

    def _tell_result(
        self, request: HttpRequest, transition: Transition, applied: int, refused: list[tuple[Order, str]]
    ) -> None:
        if applied:
            words = ngettext("%(label)s: %(count)d order changed.", "%(label)s: %(count)d orders changed.", applied)
            self.message_user(request, words % {"count": applied, "label": transition.label}, messages.SUCCESS)
        if not refused:
            return
        head = ngettext("%(count)d order stayed as it was:", "%(count)d orders stayed as they were:", len(refused)) % {
            "count": len(refused)
        }
        lines = format_html_join("", "<li>{}</li>", ((reason,) for _order, reason in refused[:SHOWN_REFUSALS]))
        more = len(refused) - SHOWN_REFUSALS
        if more > 0:
            lines += format_html("<li>{}</li>", _("… and %(count)d more.") % {"count": more})
        self.message_user(request, format_html('{}<ul class="flowlog-refusals">{}</ul>', head, lines), messages.WARNING)

    def _list_url(self, request: HttpRequest) -> str:
        """The list as it was filtered when the orders were chosen."""
        own = reverse("admin:orders_order_changelist")
        filters = request.GET.get("_changelist_filters", "")
        return f"{own}?{filters}" if filters else own


def bulk_actions() -> list[Callable[..., HttpResponse | None]]:
    """One action of the list per transition that staff may apply."""
    return [_bulk_action(transition) for transition in TRANSITIONS.values() if transition.by_staff]


def _bulk_action(transition: Transition) -> Callable[..., HttpResponse | None]:
    @admin.action(permissions=["change"], description=transition.label)  # type: ignore[arg-type]
    def start(model_admin: TransitionViews, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        return model_admin.start_bulk(request, queryset, transition)

    start.__name__ = f"transition_{transition.name}"
    return start
