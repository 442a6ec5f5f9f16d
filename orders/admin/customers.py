"""Customers and stores in the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, override

from django.contrib import admin, messages
from django.db.models import Exists, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from flowlog.staffpages import stores
from flowlog.staffpages.asking import ask
from flowlog.staffpages.base import ModelAdmin, label_column, person
from flowlog.times import moment
from orders import consent, exports, search
from orders.admin.customer_orders import have_orders, orders_section
from orders.admin.disclosure import DisclosureView, disclosure_section
from orders.admin.erasure import ErasureView, erasure_section
from orders.admin.exports import ExportViews
from orders.admin.imports import CustomerImportViews
from orders.admin.phones import phone_html
from orders.contacts import format_phone, phone_doubt, phone_warning
from orders.customers import tell_change
from orders.erasure import recall_refusal
from orders.forms import CustomerForm, StoreForm
from orders.models import Customer, Store, StoreStaff
from orders.signals import quiet_hours_changed

# Tells more of a customer under the form, as ready HTML; nothing where there is nothing, or nothing to be seen.
type Section = Callable[[HttpRequest, Customer], SafeString | str]

# More than anybody reads on one page; the rest is in the database.
SHOWN_CONSENT_CHANGES = 50
_QUIET = frozenset({"quiet_from", "quiet_until", "time_zone"})

_sections: list[Section] = []
_pinned: list[Section] = []


def register_section(section: Section, *, pinned: bool = False) -> None:
    """Let an app above add to the customer's page; what is pinned stands before all others."""
    (_pinned if pinned else _sections).append(section)


def usual_store(request: HttpRequest) -> int | None:
    """The store that a form begins with: the default one, or the only one that the person works for."""
    default = Store.get_default().pk
    mine = stores.stores_of(request.user)
    if mine is None or default in mine:
        return default
    return next(iter(mine)) if len(mine) == 1 else None


def _others_of_account(customer: Customer) -> SafeString:
    """That the store has the person a second time, under the other form of the number. One query."""
    others = customer.others_of_account()
    links = format_html_join(
        ", ",
        '<a class="text-link" href="{}">{}</a>',
        [(reverse("admin:orders_customer_change", args=[other.pk]), str(other)) for other in others],
    )
    words = gettext("The store has this WhatsApp account twice. If one of the two wants no messages, neither gets any.")
    return format_html('<section class="flowlog-card"><p>{} {}</p></section>', words, links)


@admin.register(Store)
class StoreAdmin(ModelAdmin):
    when_empty = _("Each store has its name, its phone and its hours, and its messages are signed with them.")
    form = StoreForm
    shows_store = False
    list_display = ("name", "phone_written", "pickup_address", "is_default")
    search_fields = ("name",)

    @admin.display(description=_("contact phone"), ordering="phone")
    def phone_written(self, store: Store) -> str:
        return format_phone(store.phone)

    def save_model(self, request: HttpRequest, obj: Store, form: ModelForm, change: bool) -> None:
        """Who adds a store works for it. What waits for the end of its quiet hours goes by those that it has now."""
        super().save_model(request, obj, form, change)
        if change and _QUIET.intersection(form.changed_data):
            quiet_hours_changed.send(Store, store=obj)
        if not change and (adder := person(request)):
            StoreStaff.objects.get_or_create(store=obj, user=adder)
            stores.forget(adder)
        _warn_of_phone(self, request, form, obj)


@admin.register(Customer)
class CustomerAdmin(ErasureView, DisclosureView, CustomerImportViews, ExportViews):
    when_empty = _("Customers come with their orders; whoever has none yet can be added or imported here.")
    list_before_template = "admin/in_out.html"
    export_columns, export_permission, export_name = exports.CUSTOMERS, "orders.export_customer", "clientes"
    export_related = ("store",)
    form = CustomerForm
    list_display = ("name", "phone_written", "whatsapp", "created")
    list_filter = (("opted_out_at", admin.EmptyFieldListFilter), "created_at")
    list_per_page = 50
    search_fields = ("name",)
    search_help_text = _("Name, phone, CPF or CNPJ")
    readonly_fields = ("opted_out_when", "their_orders", "chat")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Customer]:
        """Each with the store, which the page of one names."""
        return super().get_queryset(request).select_related("store")

    def has_delete_permission(self, request: HttpRequest, obj: Customer | None = None) -> bool:
        """One by one, and only who has no orders, which are the shop's books. Who asks to be forgotten is erased."""
        return obj is not None and super().has_delete_permission(request, obj) and not have_orders(obj)

    @admin.display(description=_("phone (WhatsApp)"), ordering="phone")
    def phone_written(self, customer: Customer) -> str:
        return format_phone(customer.phone)

    @label_column({"told": "success", "out": "danger", "no_phone": "warning"}, description=_("messages"))
    def whatsapp(self, customer: Customer) -> tuple[str, str]:
        if customer.opted_out_at:
            return "out", gettext("does not want them")
        return ("told", gettext("gets them")) if customer.phone else ("no_phone", gettext("no phone"))

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, customer: Customer) -> str:
        return moment(customer.created_at)

    @admin.display(description=_("Opted out"))
    def opted_out_when(self, customer: Customer) -> str:
        return f"{moment(customer.opted_out_at)} · {customer.opted_out_how}" if customer.opted_out_at else ""

    @admin.display(description=_("chat"))
    def chat(self, customer: Customer) -> SafeString | str:
        return phone_html(customer.phone)

    @admin.display(description=_("Orders"))
    def their_orders(self, customer: Customer) -> SafeString:
        address = reverse("admin:orders_order_changelist", query={"customer__id__exact": customer.pk})
        return format_html('<a class="text-link" href="{}">{}</a>', address, gettext("See this customer's orders"))

    def get_fieldsets(self, request: HttpRequest, obj: Customer | None = None) -> Any:
        person: tuple[str, ...] = ("store", "name", "phone", "cpf")
        if obj is None:
            return ((None, {"fields": person}),)
        # Who may only look has no switch: when and how it was said tells all.
        switch = ("opted_out",) if self.has_change_permission(request, obj) else ()
        told = (*switch, "opted_out_when") if obj.opted_out_at else switch
        of_messages = ((_("WhatsApp messages"), {"fields": told}),) if told else ()
        chat = ("chat",) if obj.phone else ()
        return ((None, {"fields": (*person, *chat, "their_orders")}), *of_messages)

    @override
    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Customer | None = None,
    ) -> HttpResponse:
        if obj is not None:
            # Of most there is neither: one question instead of two.
            consented, twice = ask(Exists(obj.consent_changes.all()), Exists(obj.others_of_account()))
            consents = obj.consent_changes.all()[:SHOWN_CONSENT_CHANGES] if consented else ()
            context["consent_changes"] = [(each, moment(each.when)) for each in consents]
            context["sections"] = [
                _others_of_account(obj) if twice else "",
                *(section(request, obj) for section in _pinned),
                orders_section(request, obj),
                *(section(request, obj) for section in _sections),
                disclosure_section(request, obj),
                erasure_section(request, obj),
            ]
        return super().render_change_form(request, context, add, change, form_url, obj)

    def has_change_permission(self, request: HttpRequest, obj: Customer | None = None) -> bool:
        """Who is erased stays so: nothing of theirs is filled in again."""
        return super().has_change_permission(request, obj) and not (obj and obj.erased_at)

    def get_readonly_fields(self, request: HttpRequest, obj: Customer | None = None) -> Any:
        """A customer stays at the store: their orders are its orders."""
        readonly = super().get_readonly_fields(request, obj)
        return (*readonly, "store") if obj else readonly

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"store": usual_store(request), **super().get_changeform_initial_data(request)}

    def get_search_results(
        self,
        request: HttpRequest,
        queryset: QuerySet[Customer],
        search_term: str,
    ) -> tuple[QuerySet[Customer], bool]:
        if not search_term.strip():
            return queryset, False
        return search.narrow(request, queryset, search.Wanted.customers(search_term)), False

    def save_model(self, request: HttpRequest, obj: Customer, form: ModelForm, change: bool) -> None:
        """Save what was edited; whether they want messages is recorded with when and by whom."""
        changed = [name for name in form.changed_data if name != "opted_out"]
        obj.save(update_fields=changed if change else None)
        if "phone" in form.changed_data:
            recall_refusal(obj)
        if change and {"name", "phone", "cpf"}.intersection(changed):
            tell_change(obj)
        if "opted_out" in form.changed_data:
            record = consent.opt_out if form.cleaned_data["opted_out"] else consent.opt_in
            record([obj], gettext("by the staff (%(user)s)") % {"user": request.user.get_username()})
        _warn_of_phone(self, request, form, obj)


def _warn_of_phone(model_admin: ModelAdmin, request: HttpRequest, form: ModelForm, obj: Customer | Store) -> None:
    """Say that WhatsApp may not know the number. What the form has asked about is not said once more."""
    if "phone" not in form.changed_data or not obj.phone or phone_doubt(obj.phone):
        return
    if warning := phone_warning(obj.phone):
        model_admin.message_user(request, warning, messages.WARNING)
