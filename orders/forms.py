"""Forms of the orders' admin, and the fields that read what people type."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.models import BaseInlineFormSet
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from orders import customers, news, parcels
from orders.amounts import set_total
from orders.asking import AskingForm
from orders.codes import compact_tracking
from orders.contacts import format_document, format_phone, normalize_document, normalize_phone, phone_doubt
from orders.fields import ChargeField, MoneyField, QuantityField
from orders.models import Customer, Order, OrderItem, Store
from orders.quiet import TIME_ZONES
from orders.statuses import ON_THE_WAY, DeliveryStatus, OrderStatus
from orders.typed import visible

_TYPED_LENGTH = 60
# Room for the address of a tracking page, or for several codes with their labels.
_TYPED_TRACKING_LENGTH = 500
_NOTES = {"notes": UnfoldAdminTextareaWidget({"rows": 3})}


class PhoneField(forms.CharField):
    """A phone in any form that people write; the value is E.164."""

    def __init__(self, **kwargs: Any) -> None:
        widget = UnfoldAdminTextInputWidget({"type": "tel"})
        super().__init__(max_length=_TYPED_LENGTH, widget=widget, **kwargs)

    def to_python(self, value: Any) -> str:
        text = super().to_python(value) or ""
        return normalize_phone(text) if text else ""

    def prepare_value(self, value: Any) -> Any:
        try:
            return format_phone(normalize_phone(value)) if value else value
        except ValidationError:
            return value


class DocumentField(forms.CharField):
    """A CPF or CNPJ with or without its signs; the value has none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=_TYPED_LENGTH, widget=UnfoldAdminTextInputWidget(), **kwargs)

    def to_python(self, value: Any) -> str:
        text = super().to_python(value) or ""
        return normalize_document(text) if text else ""

    def prepare_value(self, value: Any) -> Any:
        return format_document(value) if isinstance(value, str) else value


class TrackingField(forms.CharField):
    """Tracking codes however they are pasted; the value is as their carrier writes them."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs = {"widget": UnfoldAdminTextInputWidget, "max_length": _TYPED_TRACKING_LENGTH} | kwargs
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> str:
        return compact_tracking(super().to_python(value) or "")


_CHARGES = {"freight": ChargeField, "discount": ChargeField}


class ConstrainedForm(forms.ModelForm):
    """A form that also checks the constraints between its own fields and `tied` ones, which it does not show."""

    tied: frozenset[str] = frozenset()

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - self.tied


class PhoneForm(AskingForm):
    """Asks about a phone that may be another's than was meant, unless it was there before."""

    def clean(self) -> Any:
        cleaned = super().clean()
        phone = self.cleaned_data.get("phone")
        if phone and "phone" in self.changed_data and (doubt := phone_doubt(phone)):
            self.ask("phone", [doubt])
        return cleaned


class StoreForm(PhoneForm, forms.ModelForm):
    phone = PhoneField(label=_("Contact phone"), required=False)
    silent_transitions = forms.MultipleChoiceField(
        label=_("News that customers are not told"),
        required=False,
        choices=news.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone of the store"),
        required=False,
        choices=TIME_ZONES,
        help_text=_("For quiet hours and pickup deadlines. Other times on the staff's pages are the system's."),
        widget=UnfoldAdminSelectWidget,
    )

    class Meta:
        model = Store
        fields = (
            "name", "phone", "pickup_address", "opening_hours", "signature", "pickup_days", "pickup_until",
            "tells_customers", "silent_transitions", "quiet_from", "quiet_until", "time_zone", "on_unknown_outcome",
            "is_default",
        )  # fmt: skip
        widgets = {"signature": UnfoldAdminTextareaWidget({"rows": 2})}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        begin, end = cleaned.get("quiet_from"), cleaned.get("quiet_until")
        if (begin is None) != (end is None) and not {"quiet_from", "quiet_until"}.intersection(self.errors):
            missing = "quiet_until" if end is None else "quiet_from"
            self.add_error(missing, _("Fill in both hours, or neither."))
        elif begin is not None and begin == end:
            self.add_error("quiet_until", _("The quiet hours must end at another time than they begin."))
        return cleaned


class CustomerForm(PhoneForm, ConstrainedForm):
    # Read-only for an existing customer, whose phone is the only one at the store all the same.
    tied = frozenset({"store"})

    phone = PhoneField(
        label=_("Phone (WhatsApp)"), required=False, help_text=_("With area code, as in (11) 98765-4321.")
    )
    cpf = DocumentField(label=_("CPF or CNPJ"), required=False)
    opted_out = forms.BooleanField(
        label=_("Does not want WhatsApp messages"), required=False, widget=UnfoldBooleanSwitchWidget
    )

    class Meta:
        model = Customer
        fields = ("store", "name", "phone", "cpf")

    def clean_name(self) -> str:
        return " ".join(visible(self.cleaned_data["name"]).split())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["opted_out"] = self.instance.opted_out_at is not None
        # What the person saw counts: they have not changed what a customer who has answered SAIR since then did.
        self.fields["opted_out"].show_hidden_initial = (
            not self.is_bound or self.add_initial_prefix("opted_out") in self.data
        )

    def clean(self) -> None:
        super().clean()
        store = self.instance.store if self.instance.pk else self.cleaned_data.get("store")
        phone = self.cleaned_data.get("phone")
        if not store or not phone or "phone" not in self.changed_data:
            return
        customers.lock_account(store, phone)
        other = customers.holder(store, phone)
        if other and other.pk != self.instance.pk:
            words = _("This number is the WhatsApp account of %(customer)s, who is a customer of this store already.")
            self.add_error("phone", ValidationError(words, params={"customer": other}))


class ChargedForm(forms.ModelForm):
    """Freight and discount, which stay as they are where a page does not show them."""

    def clean_freight(self) -> Decimal:
        return self._charge("freight")

    def clean_discount(self) -> Decimal:
        return self._charge("discount")

    def _charge(self, name: str) -> Decimal:
        stored: Decimal = getattr(self.instance, name)
        given: Decimal = stored if self.add_prefix(name) not in self.data else self.cleaned_data[name]
        if given != stored and self.instance.pk and self.instance.status != OrderStatus.PENDING:
            raise ValidationError(_("The order is not pending any more: its freight and discount cannot change."))
        return given


class OrderForm(AskingForm, ChargedForm, ConstrainedForm):
    """Editing an order: never its statuses, its delivery method only before it has left, what it comes to only while
    it is pending.

    Whoever has been told a tracking code may be told the right one.
    """

    tied = frozenset({"status", "payment_status", "delivery_status", "delivery_method"})

    tracking_code = TrackingField(label=capfirst(_("tracking code")), required=False)
    tell_correction = forms.BooleanField(
        label=_("Tell the customer the right tracking code"),
        required=False,
        initial=True,
        help_text=_("Only if you change the code or the carrier's page."),
        widget=UnfoldBooleanSwitchWidget,
    )

    tell_change = forms.BooleanField(
        label=_("Tell the customer of the new deadline or address"),
        required=False,
        help_text=_("Only if you change it."),
        widget=UnfoldBooleanSwitchWidget,
    )

    class Meta:
        model = Order
        fields = (
            "delivery_method", "delivery_address", "tracking_code", "tracking_url", "pickup_deadline", "ordered_as",
            "notes", "freight", "discount",
        )  # fmt: skip
        widgets = _NOTES
        field_classes = _CHARGES

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if deadline := self.initial.get("pickup_deadline"):
            self.initial["pickup_deadline"] = timezone.make_naive(deadline, self.instance.store.zone)

    def clean_pickup_deadline(self) -> datetime | None:
        """Read by the clock where the store is, as it is told to the customer."""
        typed: datetime | None = self.cleaned_data["pickup_deadline"]
        return timezone.make_naive(typed).replace(tzinfo=self.instance.store.zone) if typed else None

    def clean(self) -> None:
        super().clean()
        code = self.cleaned_data.get("tracking_code")
        if code and {"tracking_code", "delivery_method"} & set(self.changed_data):
            method = self.cleaned_data.get("delivery_method", self.instance.delivery_method)
            edited = Order(
                pk=self.instance.pk, store_id=self.instance.store_id, code=self.instance.code, delivery_method=method
            )
            self.ask("tracking_code", parcels.doubts({edited: code}))
        self._ask_about_what_is_told()

    def _ask_about_what_is_told(self) -> None:
        """What the customer has been told and reads no more of is changed in silence only by who says so."""
        customer = self.instance.customer
        if self.cleaned_data.get("tell_change") or not customer.phone or customer.opted_out_at:
            return
        told = {
            "pickup_deadline": self.instance.delivery_status == DeliveryStatus.READY_FOR_PICKUP,
            "delivery_address": self.instance.delivery_status in ON_THE_WAY,
        }
        for name, was_told in told.items():
            if was_told and name in self.changed_data and self.initial.get(name) and self.cleaned_data.get(name):
                self.ask(name, [gettext("The customer knows the old one, and “Tell the customer” below is off.")])

    @cached_property
    def changed_data(self) -> list[str]:
        return [name for name in super().changed_data if name not in {"tell_correction", "tell_change"}]

    def correction(self) -> dict[str, str]:
        """What was corrected of the tracking that the customer may know; only after `is_valid`."""
        edited = {name: self.cleaned_data.get(name, "") for name in ("tracking_code", "tracking_url")}
        return {name: value for name, value in edited.items() if value and name in self.changed_data}

    def change_to_tell(self) -> tuple[str, dict[str, str]]:
        """The transition that tells of a new deadline or address, with its data; empty if it is not to be told.

        Only after `is_valid`.
        """
        if not self.cleaned_data.get("tell_change"):
            return "", {}
        for transition, name in (("move_deadline", "pickup_deadline"), ("change_address", "delivery_address")):
            if name in self.changed_data and (value := self.cleaned_data.get(name)):
                return transition, {name: value.isoformat() if name == "pickup_deadline" else value}
        return "", {}

    def clean_tracking_url(self) -> str:
        return visible(self.cleaned_data["tracking_url"])

    def clean_delivery_method(self) -> str:
        method: str = self.cleaned_data["delivery_method"]
        if method != self.instance.delivery_method and self.instance.delivery_status != DeliveryStatus.PENDING:
            raise ValidationError(_("The order has left meanwhile: its delivery method cannot change any more."))
        return method


class AddOrderForm(ChargedForm):
    tell_customer = forms.BooleanField(
        label=_("Tell the customer on WhatsApp"), required=False, initial=True, widget=UnfoldBooleanSwitchWidget
    )
    # Why the order was refused when it was about to be stored; set for the second, final showing of the form.
    refusal: ValidationError | None = None

    class Meta:
        model = Order
        fields = ("store", "customer", "delivery_method", "delivery_address", "notes", "freight", "discount")
        widgets = _NOTES
        field_classes = _CHARGES

    def clean(self) -> None:
        super().clean()
        if self.refusal:
            raise self.refusal


class ItemForm(forms.ModelForm):
    quantity = QuantityField(
        label=_("Quantity"), min_value=Decimal("0.001"), max_digits=9, decimal_places=3, initial=Decimal(1)
    )
    unit_price = MoneyField(label=_("Unit price"), min_value=Decimal(0), max_digits=10, decimal_places=2)

    class Meta:
        model = OrderItem
        fields = ("description", "unit_price")
        labels = {"quantity": _("Quantity")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["quantity"] = self.instance.quantity
        # A phone's width has no room for the columns' titles.
        for field in self.fields.values():
            field.widget.attrs["placeholder"] = capfirst(str(field.label))

    def _post_clean(self) -> None:
        if "quantity" in self.cleaned_data:
            self.instance.quantity = self.cleaned_data["quantity"]
        super()._post_clean()  # type: ignore[misc]


class ItemFormSet(BaseInlineFormSet):
    """The items of an order, which change only while it is pending, and never come to less than the discount."""

    default_error_messages = BaseInlineFormSet.default_error_messages | {
        "too_few_forms": _("An order needs at least one item.")
    }

    def clean(self) -> None:
        super().clean()
        if self.instance.pk and self.instance.status != OrderStatus.PENDING and self.has_changed():
            raise ValidationError(_("The order is not pending any more: its items cannot change."))
        if all(form.is_valid() for form in self.forms):
            set_total(self.instance, [form.instance for form in self.forms if self._stays(form)])

    def _stays(self, form: forms.ModelForm) -> bool:
        return (bool(form.instance.pk) or form.has_changed()) and not self._should_delete_form(form)  # type: ignore[attr-defined]
