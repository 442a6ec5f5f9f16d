"""The forms on which staff apply a transition: to one order, or to many at once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldAdminURLInputWidget,
    UnfoldBooleanSwitchWidget,
)

from orders import parcels
from orders.asking import AskingForm
from orders.codes import compact, compact_tracking
from orders.forms import TrackingField
from orders.models import Order
from orders.statuses import HANDED_OVER, TRACKED_METHODS, DeliveryMethod
from orders.transitions import MAX_LENGTHS, TRANSITIONS, Transition
from orders.typed import plain

# What is never the same for many.
_OF_ONE_ORDER = frozenset({"tracking_code", "pickup_code"})

# The button that records the payment as well.
RECEIVE = "receive"
# A line for one order: its code and, behind any sign, its tracking code.
_LINE = re.compile(r"\s*#?\s*(\w+)\s*[;,:=\s-]?\s*(.*)")


def _data_fields(transition: Transition, order: Order | None) -> dict[str, forms.Field]:
    """The fields for what the transition takes: of one order, or (None) of many at once."""
    tracked = order is not None and order.delivery_method in TRACKED_METHODS
    fields: dict[str, forms.Field] = {
        "tracking_code": TrackingField(
            label=_("Tracking code"),
            required=tracked,
            initial=order.tracking_code if order else "",
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
    for name, field in fields.items():
        # What is pasted as a code may be longer than the code in it.
        if name != "tracking_code":
            field.widget.attrs["maxlength"] = str(MAX_LENGTHS[name])
    unasked = frozenset() if order else _OF_ONE_ORDER
    if order and order.delivery_method == DeliveryMethod.COURIER:
        unasked = frozenset({"tracking_code"})
    return {name: fields[name] for name in transition.takes if name not in unasked}


class TransitionForm(AskingForm, forms.Form):
    """Asks for what a transition takes and whether the customer is told.

    For one order, or with `order` None for many at once. A doubtful tracking code is asked about first.
    """

    def __init__(self, transition: Transition, order: Order | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.transition, self.order = transition, order
        data_fields = _data_fields(transition, order)
        self._data_names = list(data_fields)
        self.fields.update(data_fields)
        if transition.notifies_customer:
            self.fields["notify"] = forms.BooleanField(
                label=_("Tell the customer on WhatsApp"),
                required=False,
                initial=True,
                help_text=_("Only if the wrong message may have reached them: else they are told nothing.")
                if transition.corrects
                else "",
                widget=UnfoldBooleanSwitchWidget,
            )

    @property
    def to_receive(self) -> Decimal | None:
        """What the customer still has to pay when they get the order; None if that is nothing or not now."""
        handed_over = self.transition.delivery_to in HANDED_OVER
        if not (self.order and handed_over and TRANSITIONS["pay"].is_possible(self.order)):
            return None
        return self.order.total or None

    @property
    def names(self) -> list[str]:
        """The transitions that were asked for, by the button that was pressed."""
        return ["pay"] * (RECEIVE in self.data) + [self.transition.name]

    def clean(self) -> None:
        super().clean()
        if self.order and (code := self.cleaned_data.get("tracking_code")):
            self.ask("tracking_code", parcels.doubts({self.order: code}))

    @property
    def tells(self) -> bool:
        """Whether the customer is told; only after `is_valid`."""
        return bool(self.cleaned_data.get("notify", False))

    def arguments(self) -> dict[str, Any]:
        """What `apply_transition` is called with; only after `is_valid`."""
        data = {name: self.cleaned_data[name] for name in self._data_names}
        return {"notify": self.cleaned_data.get("notify", False), **data}


class BulkTransitionForm(TransitionForm):
    """The same for the orders that were chosen in the list, whose ids travel along.

    A parcel's code is never that of all of them: each order has its own, in a line of `codes`.
    """

    MOST = 5000
    # So many change by an oversight, and nobody is surprised: of more the number is to be typed.
    FEW = 20

    orders = forms.CharField(widget=forms.HiddenInput)

    def __init__(
        self,
        transition: Transition,
        *args: Any,
        chosen: Sequence[int] = (),
        among: QuerySet[Order] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs["initial"] = {"orders": ",".join(map(str, chosen)), **kwargs.get("initial", {})}
        # What is posted may name any order: those of other stores are none of them.
        self.among = Order.objects.all() if among is None else among
        super().__init__(transition, None, *args, **kwargs)
        self.each: dict[int, dict[str, str]] = {}
        lines = "\n".join(self._lines(chosen)) if "tracking_code" in transition.takes else ""
        if lines or (self.is_bound and "tracking_code" in transition.takes):
            self.fields["codes"] = forms.CharField(
                label=_("Tracking codes"),
                required=False,
                initial=lines,
                help_text=_("One order per line, and behind it its code. Without one it keeps the code that it has."),
                widget=UnfoldAdminTextareaWidget({"rows": 10, "spellcheck": "false"}),
            )
            self.order_fields(["orders", "codes"])
        self.fields["count"] = forms.IntegerField(
            label=_("How many orders change?"),
            required=False,
            help_text=_("Type their number, to be sure."),
            widget=UnfoldAdminTextInputWidget({"inputmode": "numeric", "autocomplete": "off"}),
        )

    def must_be_counted(self, possible: int) -> bool:
        """Whether so many orders change only if the person types their number."""
        return possible > (1 if self.transition.is_final else self.FEW)

    def is_counted(self, possible: int) -> bool:
        """Whether they did, if they must; else the form has an error. Only after `is_valid`."""
        if not self.must_be_counted(possible) or self.cleaned_data.get("count") == possible:
            return True
        self.add_error("count", _("Type the number of orders that change: %(count)d.") % {"count": possible})
        return False

    def clean_orders(self) -> list[int]:
        try:
            chosen = [int(pk) for pk in self.cleaned_data["orders"].split(",")]
        except ValueError:
            raise ValidationError(_("Choose the orders in the list again.")) from None
        if len(chosen) > self.MOST:
            raise ValidationError(_("At most %(most)d orders at once."), params={"most": self.MOST})
        return chosen

    def clean(self) -> None:
        super().clean()
        number = len(self.cleaned_data.get("orders", ()))
        if number > 1 and self.cleaned_data.get("tracking_url"):
            words = gettext("All %(count)d orders get this page: is it not that of one parcel?")
            self.ask("tracking_url", [words % {"count": number}])
        if "codes" not in self.fields or not {"orders", "codes"} <= self.cleaned_data.keys():
            return
        orders = {order.code: order for order in self.among.filter(pk__in=self.cleaned_data["orders"]).order_by("pk")}
        typed = self._read(orders)
        self.each = {orders[code].pk: {"tracking_code": compact_tracking(", ".join(typed[code]))} for code in typed}
        leaving = [order for order in orders.values() if self.transition.is_possible(order)]
        given = {order: self.each.get(order.pk, {}).get("tracking_code", order.tracking_code) for order in leaving}
        self.ask("codes", [*_not_asked_for(leaving, typed), *parcels.doubts(given)])

    def arguments(self) -> dict[str, Any]:
        """What `apply_transition_bulk` is called with; only after `is_valid`."""
        return {"each": self.each, **super().arguments()}

    def _read(self, orders: Mapping[str, Order]) -> dict[str, list[str]]:
        """The codes in the lines, by the order's; a line that names none of the orders is an error."""
        typed: defaultdict[str, list[str]] = defaultdict(list)
        for line in filter(str.strip, self.cleaned_data["codes"].splitlines()):
            found = _LINE.fullmatch(plain(line))
            code = compact(found[1]) if found else ""
            if found is None or code not in orders:
                words = _("“%(line)s” names none of the chosen orders: write the order's code first.")
                self.add_error("codes", words % {"line": line.strip()[:60]})
            elif found[2]:
                typed[code].append(found[2])
        return typed

    def _lines(self, chosen: Sequence[int]) -> Iterator[str]:
        """A line to fill in for each order whose parcel a carrier numbers."""
        for order in self.among.filter(pk__in=chosen, delivery_method__in=TRACKED_METHODS).order_by("pk"):
            if self.transition.is_possible(order):
                yield f"{order.code};{order.tracking_code}"


def _not_asked_for(orders: Sequence[Order], typed: Mapping[str, Sequence[str]]) -> list[str]:
    """Codes for orders that no carrier numbers: most likely another order's."""
    words = gettext("Order %(order)s goes by %(method)s and needs no tracking code: “%(code)s”.")
    return [
        words
        % {"order": order.code, "method": order.get_delivery_method_display(), "code": ", ".join(typed[order.code])}
        for order in orders
        if order.code in typed and order.delivery_method not in TRACKED_METHODS
    ]
