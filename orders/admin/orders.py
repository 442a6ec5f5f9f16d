"""Orders in the admin: the list, the page of one order, and adding one."""

from __future__ import annotations

from typing import Any, override

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from flowlog.staffpages.base import ModelAdmin, TabularInline, label_column, label_html, person
from flowlog.times import moment
from orders import search
from orders.admin import columns, timeline
from orders.admin.transitions import TransitionViews, bulk_actions
from orders.contacts import format_phone
from orders.forms import AddOrderForm, ItemForm, ItemFormSet, OrderForm
from orders.models import Order, OrderItem, Store
from orders.services import add_order, apply_transition, recalculate_total
from orders.statuses import OFF, DeliveryMethod, DeliveryStatus, OrderStatus, PaymentStatus
from orders.transitions import TRANSITIONS, TransitionNotAllowed, possible_transitions
from orders.wording import charges, money

STATUS_COLOURS: dict[str, str] = {
    OrderStatus.PENDING: "warning",
    OrderStatus.CONFIRMED: "info",
    OrderStatus.COMPLETED: "success",
    OrderStatus.CANCELLED: "",
    OrderStatus.RETURNED: "danger",
}
PAYMENT_COLOURS: dict[str, str] = {
    PaymentStatus.PENDING: "warning",
    PaymentStatus.PAID: "success",
    PaymentStatus.REFUNDED: "",
}
DELIVERY_COLOURS: dict[str, str] = {
    DeliveryStatus.PENDING: "",
    DeliveryStatus.SHIPPED: "info",
    DeliveryStatus.OUT_FOR_DELIVERY: "info",
    DeliveryStatus.DELIVERED: "success",
    DeliveryStatus.FAILED_ATTEMPT: "danger",
    DeliveryStatus.READY_FOR_PICKUP: "info",
    DeliveryStatus.PICKED_UP: "success",
    DeliveryStatus.EXPIRED: "danger",
}


def _payment_html(order: Order) -> SafeString | str:
    """Empty where it never came and nobody waits for it any more; `_delivery_html` likewise."""
    if order.status in OFF and order.payment_status == PaymentStatus.PENDING:
        return ""
    return label_html(PAYMENT_COLOURS[order.payment_status], order.get_payment_status_display())


def _delivery_html(order: Order) -> SafeString | str:
    if order.status in OFF and order.delivery_status == DeliveryStatus.PENDING:
        return ""
    return label_html(DELIVERY_COLOURS[order.delivery_status], order.get_delivery_status_display())


class ItemInline(TabularInline):
    model = OrderItem
    form = ItemForm
    formset = ItemFormSet
    fields = ("description", "quantity", "unit_price")
    min_num = 1

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> type[BaseInlineFormSet]:
        return super().get_formset(request, obj, validate_min=True, **kwargs)


@admin.register(Order)
class OrderAdmin(TransitionViews, ModelAdmin):
    form = OrderForm
    inlines = (ItemInline,)
    autocomplete_fields = ("customer",)
    actions = bulk_actions()
    list_display = (
        "code", "status_label", "customer_name", "payment_label", "delivery_label", "total_money",
        "delivery_method", "created",
    )  # fmt: skip
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("payment_status", ChoicesDropdownFilter),
        ("delivery_status", ChoicesDropdownFilter),
        ("delivery_method", ChoicesDropdownFilter),
        "created_at",
    )
    list_filter_submit = True
    list_select_related = ("customer",)
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("code",)
    search_help_text = _("Code, customer, phone, CPF or CNPJ, item, pickup or tracking code, number at the source")
    add_fieldsets = (
        (None, {"fields": ("store", "customer")}),
        (_("Delivery"), {"fields": ("delivery_method", "delivery_address", "notes")}),
        (_("Freight and discount"), {"fields": (("freight", "discount"),)}),
        (None, {"fields": ("tell_customer",)}),
    )

    # -- The list -----------------------------------------------------------------------------

    def get_list_display(self, request: HttpRequest) -> Any:
        """With what the apps above show of an order, after its status."""
        code, status, *others = self.list_display
        return (code, status, *columns.shown_to(request), *others)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        columns.fill(request, changelist.result_list)
        return changelist

    @admin.display(description=_("customer"), ordering="customer__name")
    def customer_name(self, order: Order) -> str:
        return order.customer.name

    @admin.display(description=_("total"), ordering="total")
    def total_money(self, order: Order) -> str:
        return money(order.total)

    @label_column(STATUS_COLOURS, description=_("status"), ordering="status")
    def status_label(self, order: Order) -> tuple[str, str]:
        return order.status, order.get_status_display()

    @admin.display(description=_("payment"), ordering="payment_status")
    def payment_label(self, order: Order) -> SafeString | str:
        return _payment_html(order)

    @admin.display(description=_("delivery"), ordering="delivery_status")
    def delivery_label(self, order: Order) -> SafeString | str:
        return _delivery_html(order)

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, order: Order) -> str:
        return moment(order.created_at)

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[Order],
        search_term: str,
    ) -> tuple[QuerySet[Order], bool]:
        return (
            queryset.filter(search.among("pk", search.orders(search_term))) if search_term.strip() else queryset
        ), False

    # -- The page of one order -----------------------------------------------------------------

    def has_delete_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:  # noqa: ARG002
        """Never: an order that is not to be is cancelled, and its history stays."""
        return False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Order | None:
        """Locked while its form is saved, so that a transition made meanwhile is seen and never overwritten."""
        order = super().get_object(request, object_id, from_field)
        if order and request.method == "POST" and connection.in_atomic_block:
            order.refresh_from_db(from_queryset=Order.objects.select_for_update())
        return order

    def get_inlines(self, request: HttpRequest, obj: Order | None) -> Any:
        """The items can be edited while the order is pending; what was posted is checked by the form set."""
        if obj is None or obj.status == OrderStatus.PENDING or "items-TOTAL_FORMS" in request.POST:
            return self.inlines
        return ()

    def get_readonly_fields(self, request: HttpRequest, obj: Order | None = None) -> Any:
        if obj and obj.delivery_status != DeliveryStatus.PENDING and "delivery_method" not in request.POST:
            return ("delivery_method",)
        return ()

    def get_fieldsets(self, request: HttpRequest, obj: Order | None = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        pickup = obj.delivery_method == DeliveryMethod.PICKUP
        delivery = ("pickup_deadline",) if pickup else ("delivery_address", "tracking_code", "tracking_url")
        may_tell = TRANSITIONS["correct_tracking"].is_possible(obj) and self.has_change_permission(request, obj)
        telling = ("tell_correction",) if may_tell else ()
        fields = ("delivery_method", *delivery, *telling, "ordered_as", "notes")
        fieldsets = ((_("Delivery"), {"fields": fields}),)
        if obj.status == OrderStatus.PENDING or {"freight", "discount"} & request.POST.keys():
            return (*fieldsets, self.add_fieldsets[2])
        return fieldsets

    @override
    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Order | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context.update(self._order_context(request, obj))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _order_context(self, request: HttpRequest, order: Order) -> dict[str, Any]:
        can_change = self.has_change_permission(request, order)
        return {
            "subtitle": None,
            "labels": [
                label_html(STATUS_COLOURS[order.status], order.get_status_display()),
                _payment_html(order),
                _delivery_html(order),
            ],
            "total": money(order.total),
            "charges": charges(order),
            "phone": format_phone(order.customer.phone),
            "items": [(item, money(item.unit_price), money(item.subtotal)) for item in order.items.all()],
            "created": moment(order.created_at),
            "transitions": possible_transitions(order) if can_change else [],
            "timeline": timeline.build(request, order),
        }

    # -- Saving --------------------------------------------------------------------------------

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """What `add_order` refuses rolls everything back and is shown as an error of the form."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ValidationError as refusal:
            if object_id is not None:
                raise
            request.refusal = ValidationError(refusal.messages)  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Order | None = None, change: bool = False, **kwargs: Any) -> Any:
        if change:
            return super().get_form(request, obj, change, **kwargs)
        form: Any = super().get_form(request, obj, change, **{**kwargs, "form": AddOrderForm})
        form.refusal = getattr(request, "refusal", None)
        return form

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Nothing is chosen beforehand: a delivery method taken by oversight would be told to the customer."""
        choices = [("", _("Select value")), *db_field.choices]
        return super().formfield_for_choice_field(db_field, request, choices=choices, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"store": Store.get_default().pk, **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: Order, form: Any, change: bool) -> None:
        """Only the fields that were edited are written. A new order waits for its items: see `save_related`."""
        if not change:
            return
        corrected = form.correction() if TRANSITIONS["correct_tracking"].is_possible(obj) else {}
        if edited := [name for name in form.changed_data if name not in corrected]:
            obj.save(update_fields=edited)
        if corrected:
            self._correct_tracking(request, obj, corrected, notify=form.cleaned_data["tell_correction"])

    def _correct_tracking(self, request: HttpRequest, order: Order, corrected: dict[str, str], *, notify: bool) -> None:
        """What has been told once is corrected by a transition, which may tell of it, too."""
        try:
            apply_transition(order, "correct_tracking", actor=person(request), notify=notify, **corrected)
        except TransitionNotAllowed as refusal:
            self.message_user(request, str(refusal), messages.WARNING)

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: Any, change: bool) -> None:
        if change:
            super().save_related(request, form, formsets, change)
            if {"freight", "discount"} & set(form.changed_data) or any(formset.has_changed() for formset in formsets):
                recalculate_total(form.instance)
            return
        items = [item for formset in formsets for item in formset.save(commit=False)]
        add_order(form.instance, items, actor=person(request), notify=form.cleaned_data["tell_customer"])
