"""The pages on which staff apply a transition: to one order, or to those chosen in the list.

Both ask first and change by POST alone; the rules are the services', which lock and check again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from flowlog.staffpages.base import person
from flowlog.staffpages.once import once
from orders.admin import steps
from orders.admin.bulk_jobs import bulk_job_url
from orders.audience import audience
from orders.bulk import IN_BACKGROUND_FROM, start_bulk
from orders.desk_models import BulkJob
from orders.models import Order, OrderEvent
from orders.services import apply_transition_bulk
from orders.transition_forms import BulkTransitionForm, TransitionForm
from orders.transitions import TRANSITIONS, Transition, TransitionNotAllowed
from orders.wording import money

# Of those that a bulk change is about; nobody reads more.
LISTED = 20


class TransitionViews(steps.StepViews):
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
                names = form.names
                events = steps.take(order, names, request=request, **form.arguments())
                words = " · ".join(str(TRANSITIONS[each].done) for each in names)
                self.log_change(request, order, words)
                done = _("Order %(code)s: %(done)s.") % {"code": order.code, "done": words}
                self.tell_done(request, done, events, told=form.tells)
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
        form = BulkTransitionForm(transition, request.POST, among=self.get_queryset(request))
        if not form.is_valid():
            return self._bulk_page(request, transition, form, form.cleaned_data.get("orders", []))
        orders = self.get_queryset(request).filter(pk__in=form.cleaned_data["orders"])
        if not form.is_counted(_able(orders, transition).count()):
            return self._bulk_page(request, transition, form, form.cleaned_data["orders"])
        try:
            if len(form.cleaned_data["orders"]) >= IN_BACKGROUND_FROM:
                return HttpResponseRedirect(bulk_job_url(self._in_background(request, transition, form, orders)))
            result = apply_transition_bulk(orders, name, actor=person(request), delay=steps.delay(), **form.arguments())
        except TransitionNotAllowed as refusal:
            form.add_error(None, str(refusal))
            return self._bulk_page(request, transition, form, form.cleaned_data["orders"])
        if actor := person(request):
            LogEntry.objects.log_actions(actor.pk, result.applied, CHANGE, str(transition.done))
        self._tell_result(request, transition, form, result.events, result.refused)
        return HttpResponseRedirect(back)

    @staticmethod
    def _in_background(
        request: HttpRequest, transition: Transition, form: BulkTransitionForm, orders: QuerySet[Order]
    ) -> BulkJob:
        """Nobody waits for a page that changes so many."""
        arguments = form.arguments()
        told, each = arguments.pop("notify"), arguments.pop("each")
        actor: Any = person(request)
        return start_bulk(orders, transition.name, actor, notify=told, data=arguments, each=each)

    def _allowed_transition(self, request: HttpRequest, name: str) -> Transition:
        if not self.has_change_permission(request):
            raise PermissionDenied
        transition = TRANSITIONS.get(name)
        if transition is None or not (transition.by_staff or transition.corrects):
            raise Http404
        return transition

    def _bulk_page(
        self, request: HttpRequest, transition: Transition, form: BulkTransitionForm, chosen: Sequence[int]
    ) -> HttpResponse:
        orders = self.get_queryset(request).filter(pk__in=chosen)
        able = _able(orders, transition)
        possible = able.count()
        counted = form.must_be_counted(possible)
        if not counted:
            del form.fields["count"]
        action = reverse("admin:orders_order_bulk_transition", args=[transition.name])
        return self._page(
            request,
            transition,
            form,
            {
                "chosen": len(chosen),
                "possible": possible,
                "impossible": len(chosen) - possible,
                "listed": able.select_related("customer").order_by("pk")[:LISTED] if counted else (),
                "unlisted": max(possible - LISTED, 0),
                "audience": audience(able, transition.name) if possible and transition.notifies_customer else None,
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
            "receive": money(form.to_receive) if form.to_receive else "",
            **values,
        }
        return TemplateResponse(request, "admin/orders/order/transition.html", context)

    def _tell_result(
        self,
        request: HttpRequest,
        transition: Transition,
        form: TransitionForm,
        events: Sequence[OrderEvent],
        refused: list[tuple[Order, str]],
    ) -> None:
        if applied := len(events):
            words = ngettext("%(label)s: %(count)d order changed.", "%(label)s: %(count)d orders changed.", applied)
            self.tell_done(request, words % {"count": applied, "label": transition.label}, events, told=form.tells)
        self.tell_refused(request, refused)

    def _list_url(self, request: HttpRequest) -> str:
        """The list as it was filtered when the orders were chosen."""
        own = reverse("admin:orders_order_changelist")
        filters = request.GET.get("_changelist_filters", "")
        return f"{own}?{filters}" if filters else own


def _able(orders: QuerySet[Order], transition: Transition) -> QuerySet[Order]:
    """Those of the orders that can take the transition."""
    return orders.filter(
        status__in=transition.status_from,
        payment_status__in=transition.payment_from,
        delivery_status__in=transition.delivery_from,
        delivery_method__in=transition.methods,
    )


def bulk_actions() -> list[Callable[..., HttpResponse | None]]:
    """One action of the list per transition that staff may apply."""
    return [_bulk_action(transition) for transition in TRANSITIONS.values() if transition.by_staff]


def _bulk_action(transition: Transition) -> Callable[..., HttpResponse | None]:
    @admin.action(permissions=["change"], description=transition.label)  # type: ignore[arg-type]
    def start(model_admin: TransitionViews, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        return model_admin.start_bulk(request, queryset, transition)

    start.__name__ = f"transition_{transition.name}"
    return start
