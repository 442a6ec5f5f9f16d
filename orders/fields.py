"""Form fields for amounts, as people write them: see `orders.amounts.read`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils import formats
from unfold.widgets import UnfoldAdminTextInputWidget

from orders import wording
from orders.amounts import read


class NumberField(forms.DecimalField):
    def __init__(self, **kwargs: Any) -> None:
        kwargs["widget"] = UnfoldAdminTextInputWidget({"inputmode": "decimal", "class": "flowlog-money"})
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Decimal | None:  # type: ignore[override]
        return super().to_python(read(value) if isinstance(value, str) and value.strip() else value)


class QuantityField(NumberField):
    def prepare_value(self, value: Any) -> Any:
        return wording.quantity(value) if isinstance(value, Decimal) else value


class MoneyField(NumberField):
    def prepare_value(self, value: Any) -> Any:
        return formats.number_format(value, decimal_pos=2) if isinstance(value, Decimal) else value


class ChargeField(MoneyField):
    """An amount that is mostly nothing, and then left empty."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs | {"required": False, "min_value": Decimal(0)})
        self.widget.attrs["placeholder"] = "0,00"

    def to_python(self, value: Any) -> Decimal:  # type: ignore[override]
        return super().to_python(value) or Decimal(0)

    def prepare_value(self, value: Any) -> Any:
        return super().prepare_value(value) if value else ""
