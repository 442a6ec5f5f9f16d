"""Forms of the orders' admin, and the fields that read what people type."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.models import BaseInlineFormSet
from django.utils import formats
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldAdminURLInputWidget,
    UnfoldBooleanSwitchWidget,
)

from orders import customers
from orders.contacts import format_phone, normalize_cpf, normalize_phone
from orders.models import Customer, Order, OrderItem, Store
from orders.statuses import TRACKED_METHODS, DeliveryStatus, OrderStatus
from orders.transitions import MAX_LENGTHS, TRANSITIONS, Transition

_TYPED_LENGTH = 40
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


class CpfField(forms.CharField):
    """A CPF with or without its dots and dash; the value is its digits."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=_TYPED_LENGTH, widget=UnfoldAdminTextInputWidget(), **kwargs)

    def to_python(self, value: Any) -> str:
        text = super().to_python(value) or ""
        return normalize_cpf(text) if text else ""


class MoneyField(forms.DecimalField):
    """An amount as people write it: `19,90`, `1.234,56`, `R$ 19,90` or `19.90`."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["widget"] = UnfoldAdminTextInputWidget({"inputmode": "decimal", "class": "flowlog-money"})
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Decimal | None:  # type: ignore[override]
        if isinstance(value, str):
            value = value.replace("R$", "").strip()
            if "," in value:
                value = value.replace(".", "").replace(",", ".")
        return super().to_python(value)

    def prepare_value(self, value: Any) -> Any:
        return formats.number_format(value, decimal_pos=2) if isinstance(value, Decimal) else value


class ConstrainedForm(forms.ModelForm):
    """A form that also checks the constraints between its own fields and `tied` ones, which it does not show."""

    tied: frozenset[str] = frozenset()

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - self.tied


class StoreForm(forms.ModelForm):
    phone = PhoneField(label=_("Contact phone"), required=False)
    silent_transitions = forms.MultipleChoiceField(
        label=_("News that customers are not told"),
        required=False,
        choices=[(entry.name, entry.done) for entry in TRANSITIONS.values() if entry.tells_customer],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = Store
        fields = (
            "name", "phone", "pickup_address", "pickup_days", "pickup_until", "tells_customers", "silent_transitions",
            "on_unknown_outcome", "is_default",
        )  # fmt: skip


class CustomerForm(ConstrainedForm):
    # Read-only for an existing customer, whose phone is the only one at the store all the same.
    tied = frozenset({"store"})

    phone = PhoneField(
        label=_("Phone (WhatsApp)"), required=False, help_text=_("With area code, as in (11) 98765-4321.")
    )
    cpf = CpfField(label=_("CPF"), required=False)
    opted_out = forms.BooleanField(
        label=_("Does not want WhatsApp messages"), required=False, widget=UnfoldBooleanSwitchWidget
    )

    class Meta:
        model = Customer
        fields = ("store", "name", "phone", "cpf")

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
        if other and other.pk != self.instance.pk and other.phone != phone:
            words = _("This number is the WhatsApp account of %(customer)s, who is a customer of this store already.")
            self.add_error("phone", ValidationError(words, params={"customer": other}))


class OrderForm(ConstrainedForm):
    """Editing an order: never its statuses, and its delivery method only before it has left."""

    tied = frozenset({"status", "payment_status", "delivery_status", "delivery_method"})

    class Meta:
        model = Order
        fields = (
            "delivery_method", "delivery_address", "tracking_code", "tracking_url", "pickup_deadline", "ordered_as",
            "notes",
        )  # fmt: skip
        widgets = _NOTES

    def clean_delivery_method(self) -> str:
        method: str = self.cleaned_data["delivery_method"]
        if method != self.instance.delivery_method and self.instance.delivery_status != DeliveryStatus.PENDING:
            raise ValidationError(_("The order has left meanwhile: its delivery method cannot change any more."))
        return method


class AddOrderForm(forms.ModelForm):
    tell_customer = forms.BooleanField(
        label=_("Tell the customer on WhatsApp"), required=False, initial=True, widget=UnfoldBooleanSwitchWidget
    )
    # Why the order was refused when it was about to be stored; set for the second, final showing of the form.
    refusal: ValidationError | None = None

    class Meta:
        model = Order
        fields = ("store", "customer", "delivery_method", "delivery_address", "notes")
        widgets = _NOTES

    def clean(self) -> None:
        super().clean()
        if self.refusal:
            raise self.refusal


class ItemForm(forms.ModelForm):
    unit_price = MoneyField(label=_("Unit price"), min_value=Decimal(0), max_digits=10, decimal_places=2)

    class Meta:
        model = OrderItem
        fields = ("description", "quantity", "unit_price")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A phone's width has no room for the columns' titles.
        for field in self.fields.values():
            field.widget.attrs["placeholder"] = capfirst(str(field.label))


class ItemFormSet(BaseInlineFormSet):
    """The items of an order, which change only while it is pending."""

    default_error_messages = BaseInlineFormSet.default_error_messages | {
        "too_few_forms": _("An order needs at least one item.")
    }

    def clean(self) -> None:
        super().clean()
        if self.instance.pk and self.instance.status != OrderStatus.PENDING and self.has_changed():
            raise ValidationError(_("The order is not pending any more: its items cannot change."))


def _data_fields(transition: Transition, order: Order | None) -> dict[str, forms.Field]:
    """The fields for what the transition takes: of one order, or (None) of many at once."""
    tracked = order is not None and order.delivery_method in TRACKED_METHODS
    fields: dict[str, forms.Field] = {
        "tracking_code": forms.CharField(
            label=_("Tracking code"),
            required=tracked,
            initial=order.tracking_code if order else "",
            help_text="" if order else _("The same for all these orders. Leave empty to keep the code each one has."),
            widget=UnfoldAdminTextInputWidget,
        ),
        "tracking_url": forms.URLField(
            label=_("Carrier's tracking page"),
            required=False,
            initial=order.tracking_url if order else "",
            assume_scheme="https",
            widget=UnfoldAdminURLInputWidget,
        ),
        "reason": forms.CharField(
            label=_("Reason"),
            required=False,
            help_text=_("The customer reads it in the message."),
            widget=UnfoldAdminTextareaWidget({"rows": 2}),
        ),
        "pickup_code": forms.CharField(
            label=_("Pickup code"),
            required=False,
            help_text=_("The code that the customer shows. Leave empty if you checked otherwise."),
            widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
        ),
    }
    return {name: fields[name] for name in transition.takes if order or name != "pickup_code"}


class TransitionForm(forms.Form):
    """Asks for what a transition takes and whether the customer is told.

    For one order, or with `order` None for many at once.
    """

    def __init__(self, transition: Transition, order: Order | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._data_names = []
        for name, field in _data_fields(transition, order).items():
            field.widget.attrs["maxlength"] = str(MAX_LENGTHS[name])
            self.fields[name] = field
            self._data_names.append(name)
        if transition.tells_customer:
            self.fields["notify"] = forms.BooleanField(
                label=_("Tell the customer on WhatsApp"),
                required=False,
                initial=True,
                widget=UnfoldBooleanSwitchWidget,
            )

    def arguments(self) -> dict[str, Any]:
        """What `apply_transition` is called with; only after `is_valid`."""
        data = {name: self.cleaned_data[name] for name in self._data_names}
        return {"notify": self.cleaned_data.get("notify", False), **data}


class BulkTransitionForm(TransitionForm):
    """The same for the orders that were chosen in the list, whose ids travel along."""

    MOST = 5000

    orders = forms.CharField(widget=forms.HiddenInput)

    def clean_orders(self) -> list[int]:
        try:
            chosen = [int(pk) for pk in self.cleaned_data["orders"].split(",")]
        except ValueError:
            raise ValidationError(_("Choose the orders in the list again.")) from None
        if len(chosen) > self.MOST:
            raise ValidationError(_("At most %(most)d orders at once."), params={"most": self.MOST})
        return chosen
