"""Orders in the admin: the list, the page of one order, and adding one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, override

from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from flowlog.staffpages.base import ModelAdmin, TabularInline, label_column, label_html, person
from flowlog.staffpages.people import name_of
from flowlog.times import moment
from orders import exports, search
from orders.admin import cards, columns, steps, timeline, views
from orders.admin.bulk_jobs import BulkJobViews
from orders.admin.colours import STATUS_COLOURS, delivery_html, payment_html
from orders.admin.counter import CounterViews
from orders.admin.customers import usual_store
from orders.admin.duplicate import DuplicateViews
from orders.admin.exports import ExportViews
from orders.admin.imports import OrderImportViews
from orders.admin.new_order import NewOrderPreview
from orders.admin.next_steps import NextStepViews, next_step
from orders.admin.notes import NoteViews, notes_card
from orders.admin.phones import phone_html
from orders.admin.previews import PreviewView
from orders.admin.printing import PrintViews, print_actions
from orders.admin.transitions import bulk_actions
from orders.forms import AddOrderForm, ItemForm, ItemFormSet, OrderForm
from orders.models import Order, OrderItem
from orders.services import add_order, recalculate_total
from orders.statuses import DeliveryMethod, DeliveryStatus, OrderStatus
from orders.transitions import (
    TRANSITIONS,
    TransitionNotAllowed,
    done_words,
    possible_corrections,
    possible_transitions,
)
from orders.wording import charges, money


def _items(order: Order, inlines: Iterable[Any]) -> Iterable[OrderItem]:
    """Those of the order; where a form has just read them to be edited, they are not read again."""
    unchanged = (each.formset for each in inlines if each.formset.model is OrderItem and not each.formset.is_bound)
    formset = next(unchanged, None)
    return order.items.all() if formset is None else formset.get_queryset()


class ItemInline(TabularInline):
    model = OrderItem
    form = ItemForm
    formset = ItemFormSet
    fields = ("description", "quantity", "unit_price")
    min_num = 1

    def get_extra(self, request: HttpRequest, obj: Order | None = None, **kwargs: Any) -> int:
        """Of an order that is filled in from another, a row for each of its items."""
        copied = getattr(request, "copied_order", None)
        return len(copied.items.all()) - 1 if copied else super().get_extra(request, obj, **kwargs)

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> type[BaseInlineFormSet]:
        return super().get_formset(request, obj, validate_min=True, **kwargs)


@admin.register(Order)
class OrderAdmin(
    CounterViews,
    PrintViews,
    BulkJobViews,
    DuplicateViews,
    NoteViews,
    NewOrderPreview,
    NextStepViews,
    PreviewView,
    OrderImportViews,
    ExportViews,
    ModelAdmin,
):
    when_empty = _(
        "Orders stand here as they come: typed in with the plus sign, imported from a spreadsheet, or sent "
        "by a shop's system or a program."
    )
    list_before_template = "admin/tabs.html"
    export_columns, export_permission, export_name = exports.ORDERS, "orders.export_order", "pedidos"
    export_related, export_prefetched = ("customer", "store"), ("items",)
    form = OrderForm
    inlines = (ItemInline,)
    autocomplete_fields = ("customer",)
    actions = [*bulk_actions(), *print_actions()]
    list_display = (
        "code", "status_label", "customer_name", "payment_label", "delivery_label", "total_money", "created",
    )  # fmt: skip
    list_filter = (
        views.ViewFilter,
        ("status", ChoicesDropdownFilter),
        ("payment_status", ChoicesDropdownFilter),
        ("delivery_status", ChoicesDropdownFilter),
        ("delivery_method", ChoicesDropdownFilter),
        "created_at",
    )
    list_filter_submit = True
    list_select_related = ("customer",)
    list_per_page = 50
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
        code, status, customer, *others = super().get_list_display(request)
        step = ("next_step",) if self.has_change_permission(request) else ()
        return (code, status, *columns.shown_to(request), customer, *step, *others)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        tabs = views.tabs(request, self.get_queryset(request))
        return super().changelist_view(request, {**(extra_context or {}), "tabs": tabs})

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
        return payment_html(order)

    @admin.display(description=_("delivery"), ordering="delivery_status")
    def delivery_label(self, order: Order) -> SafeString:
        """How far it is, and by which way: one column, so that the list fits a laptop."""
        method = order.get_delivery_method_display()
        return format_html('{} <span class="flowlog-way">{}</span>', delivery_html(order), method)

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, order: Order) -> str:
        return moment(order.created_at)

    def get_search_results(
        self,
        request: HttpRequest,
        queryset: QuerySet[Order],
        search_term: str,
    ) -> tuple[QuerySet[Order], bool]:
        if not search_term.strip():
            return queryset, False
        return search.narrow(request, queryset, search.Wanted.by_orders(search_term)), False

    # -- The page of one order -----------------------------------------------------------------

    def has_delete_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:  # noqa: ARG002
        """Never: an order that is not to be is cancelled, and its history stays."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        """Each with whose it is: the list and the page of one say both."""
        return super().get_queryset(request).select_related("store", "customer")

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
            return ("delivery_method", "pick_up_until")
        return ("pick_up_until",)

    @admin.display(description=_("pick up until"))
    def pick_up_until(self, order: Order) -> str:
        """For who may only look: by the clock of the shop at whose counter it waits, as in the form."""
        return moment(order.pickup_deadline, order.store.zone)

    def get_fieldsets(self, request: HttpRequest, obj: Order | None = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        pickup = obj.delivery_method == DeliveryMethod.PICKUP
        deadline = "pickup_deadline" if self.has_change_permission(request, obj) else "pick_up_until"
        delivery = (deadline,) if pickup else ("delivery_address", "tracking_code", "tracking_url")
        may_tell = TRANSITIONS["correct_tracking"].is_possible(obj) and self.has_change_permission(request, obj)
        telling = ("tell_correction",) if may_tell else ()
        change = TRANSITIONS["move_deadline" if pickup else "change_address"]
        if change.is_possible(obj) and self.has_change_permission(request, obj):
            telling = (*telling, "tell_change")
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
            context.update(self._order_context(request, obj, _items(obj, context.get("inline_admin_formsets", ()))))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _order_context(self, request: HttpRequest, order: Order, items: Iterable[OrderItem]) -> dict[str, Any]:
        can_change = self.has_change_permission(request, order)
        entries = timeline.build(request, order)
        return {
            "subtitle": None,
            "title": f"{order.code} · {order.customer.name}",
            "labels": [
                label_html(STATUS_COLOURS[order.status], order.get_status_display()),
                payment_html(order),
                delivery_html(order),
            ],
            "total": money(order.total),
            "charges": charges(order),
            "phone": phone_html(order.customer.phone),
            "cards": cards.build(request, order),
            "notes_card": notes_card(request, order, may_add=can_change, none=timeline.is_without_notes(entries)),
            "may_duplicate": self.has_add_permission(request),
            "items": [(item, money(item.unit_price), money(item.subtotal)) for item in items],
            "created": moment(order.created_at),
            "next_step": next_step(order),
            "transitions": possible_transitions(order) if can_change else [],
            "corrections": possible_corrections(order) if can_change else [],
            "undoable": steps.undoable(request, [entry.event for entry in entries]) if can_change else "",
            "timeline": entries,
        }

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """The timeline, and beside it who edited what; each step is in both, and shown once."""
        order = self.get_object(request, object_id)
        context = {}
        if order:
            steps = {str(transition.done) for transition in TRANSITIONS.values()}
            entries = LogEntry.objects.filter(content_type__app_label="orders", content_type__model="order")
            edits = entries.filter(object_id=str(order.pk)).exclude(change_message__in=steps).select_related("user")
            context = {
                "timeline": timeline.build(request, order),
                "edits": [(moment(edit.action_time), name_of(edit.user), edit.get_change_message()) for edit in edits],
            }
        return super().history_view(request, object_id, {**(extra_context or {}), **context})

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
        return {"store": usual_store(request), **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: Order, form: Any, change: bool) -> None:
        """Only the fields that were edited are written. A new order waits for its items: see `save_related`."""
        if not change:
            return
        corrected = form.correction() if TRANSITIONS["correct_tracking"].is_possible(obj) else {}
        name, told = form.change_to_tell()
        if edited := [field for field in form.changed_data if field not in {*corrected, *told}]:
            obj.save(update_fields=edited)
        if told:
            self._tell_change(request, obj, name, told)
        if corrected:
            self._correct_tracking(request, obj, corrected, notify=form.cleaned_data["tell_correction"])

    def _correct_tracking(self, request: HttpRequest, order: Order, corrected: dict[str, Any], *, notify: bool) -> None:
        """What has been told once is corrected by a transition, which may tell of it, too."""
        try:
            events = steps.take(order, ["correct_tracking"], request=request, notify=notify, **corrected)
            self.tell_done(request, _("The tracking code is corrected."), events, told=notify)
        except TransitionNotAllowed as refusal:
            self.message_user(request, str(refusal), messages.WARNING)

    def _tell_change(self, request: HttpRequest, order: Order, name: str, change: dict[str, Any]) -> None:
        """A new deadline or address is a transition where the customer is to read of it."""
        try:
            events = steps.take(order, [name], request=request, notify=True, **change)
            self.tell_done(request, done_words(name), events, told=True)
        except TransitionNotAllowed as refusal:
            self.message_user(request, str(refusal), messages.WARNING)

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: Any, change: bool) -> None:
        if change:
            super().save_related(request, form, formsets, change)
            if {"freight", "discount"} & set(form.changed_data) or any(formset.has_changed() for formset in formsets):
                recalculate_total(form.instance)
            return
        items = [item for formset in formsets for item in formset.save(commit=False)]
        order, told = form.instance, form.cleaned_data["tell_customer"]
        add_order(order, items, actor=person(request), notify=told, delay=steps.delay())
        if steps.delay():
            self.tell_done(request, _("Is everything right?"), steps.latest(order, 1), told=told)
