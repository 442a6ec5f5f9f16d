"""What the customer will read of a transition, shown beside its form before it is applied; told by an app above.

The form asks again while it is filled in: the same address as the form's own, and `preview/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from flowlog.staffpages.base import keys
from orders.admin.transitions import TransitionViews
from orders.models import Order
from orders.transition_forms import BulkTransitionForm, TransitionForm
from orders.transitions import Data, Transition


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form says so far; the order's store and customer are loaded. `data` is what was typed, unchecked.

    An order that is only being filled in is not stored: its key is 0, and its items are those that were fetched.
    """

    order: Order
    transition: Transition
    data: Data
    notify: bool


type Previewer = Callable[[HttpRequest, Asked], SafeString | str]
type BulkPreviewer = Callable[[HttpRequest, QuerySet[Order], Transition], SafeString | str]

_previewers: list[Previewer] = []
_bulk_previewers: list[BulkPreviewer] = []


def register_previewer(previewer: Previewer) -> None:
    """Let an app above show something beside the form of one order's transition: ready HTML, or nothing."""
    _previewers.append(previewer)


def register_bulk_previewer(previewer: BulkPreviewer) -> None:
    """The same beside the form for many orders: it gets those that can take the transition now."""
    _bulk_previewers.append(previewer)


def build_bulk(request: HttpRequest, form: TransitionForm, orders: QuerySet[Order]) -> list[SafeString | str]:
    """What there is to be shown beside the form for those of the orders that can take its transition."""
    transition = form.transition
    possible = orders.filter(
        status__in=transition.status_from,
        payment_status__in=transition.payment_from,
        delivery_status__in=transition.delivery_from,
        delivery_method__in=transition.methods,
    )
    return [html for previewer in _bulk_previewers if (html := previewer(request, possible, transition))]


def build(request: HttpRequest, form: TransitionForm) -> list[SafeString | str]:
    """What there is to be shown beside the form as it is filled in."""
    if form.order is None:
        return []
    data = {name: str(form[name].value() or "") for name in form.transition.takes if name in form.fields}
    notify = "notify" in form.fields and bool(form["notify"].value())
    return build_for(request, Asked(form.order, form.transition, data, notify))


def build_for(request: HttpRequest, asked: Asked) -> list[SafeString | str]:
    """What there is to be shown of one order's step, whatever form asks."""
    return [html for previewer in _previewers if (html := previewer(request, asked))]


class PreviewView(TransitionViews):
    """Adds the address that answers with what stands beside the form."""

    def get_urls(self) -> list[URLPattern]:
        address = path(
            "<int:pk>/transition/<str:name>/preview/",
            self.admin_site.admin_view(self.preview_view),
            name="orders_order_transition_preview",
        )
        return [address, *super().get_urls()]

    def _page(
        self, request: HttpRequest, transition: Transition, form: TransitionForm, values: dict[str, Any]
    ) -> HttpResponse:
        chosen = self._chosen(form)
        if chosen:
            previews = build_bulk(request, form, self.get_queryset(request).filter(pk__in=chosen))
        else:
            previews = build(request, form)
        return super()._page(request, transition, form, {**values, "previews": previews})

    @staticmethod
    def _chosen(form: TransitionForm) -> list[int]:
        """The ids that a form for many orders names; none where they are no ids, which the form says itself."""
        if "orders" not in form.fields:
            return []
        written = str(form["orders"].value() or "").split(",")[: BulkTransitionForm.MOST]
        return keys(written)

    def preview_view(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """The preview (POST) for what the form says; changes nothing."""
        transition = self._allowed_transition(request, name)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        order = get_object_or_404(self.get_queryset(request).select_related("customer", "store"), pk=pk)
        return HttpResponse("".join(build(request, TransitionForm(transition, order, request.POST))))
