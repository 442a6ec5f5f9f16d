"""What an exported spreadsheet of orders or customers says of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from flowlog.translations import Words
from orders.contacts import format_document, format_phone
from orders.models import Customer, Order
from orders.sheet_files import Value


@dataclass(frozen=True, slots=True)
class ExportColumn:
    title: Words
    value: Callable[[Any], Value]


def _items(order: Order) -> str:
    return "; ".join(str(item) for item in order.items.all())


def local(when: datetime | None) -> datetime | None:
    """The time by the system's clock, as the lists show it."""
    return when and timezone.localtime(when)


def _deadline(order: Order) -> datetime | None:
    """By the clock of the shop at whose counter it waits, as the customer was told."""
    return order.pickup_deadline and timezone.localtime(order.pickup_deadline, order.store.zone)


def _wants(customer: Customer) -> str:
    return _("no") if customer.opted_out_at else _("yes")


ORDERS: Sequence[ExportColumn] = (
    ExportColumn(gettext_lazy("code"), lambda order: order.code),
    ExportColumn(gettext_lazy("store"), lambda order: order.store.name),
    ExportColumn(gettext_lazy("created"), lambda order: local(order.created_at)),
    ExportColumn(gettext_lazy("source"), lambda order: order.source),
    ExportColumn(gettext_lazy("number at the source"), lambda order: order.external_number or order.external_id),
    ExportColumn(gettext_lazy("status"), lambda order: order.get_status_display()),
    ExportColumn(gettext_lazy("payment"), lambda order: order.get_payment_status_display()),
    ExportColumn(gettext_lazy("delivery"), lambda order: order.get_delivery_status_display()),
    ExportColumn(gettext_lazy("customer"), lambda order: order.customer.name),
    ExportColumn(gettext_lazy("in the name of"), lambda order: order.ordered_as),
    ExportColumn(gettext_lazy("phone (WhatsApp)"), lambda order: format_phone(order.customer.phone)),
    ExportColumn(gettext_lazy("CPF or CNPJ"), lambda order: format_document(order.customer.cpf)),
    ExportColumn(gettext_lazy("items"), _items),
    ExportColumn(gettext_lazy("freight"), lambda order: order.freight),
    ExportColumn(gettext_lazy("discount"), lambda order: order.discount),
    ExportColumn(gettext_lazy("total"), lambda order: order.total),
    ExportColumn(gettext_lazy("delivery method"), lambda order: order.get_delivery_method_display()),
    ExportColumn(gettext_lazy("delivery address"), lambda order: order.delivery_address),
    ExportColumn(gettext_lazy("tracking code"), lambda order: order.tracking_code),
    ExportColumn(gettext_lazy("pick up until"), _deadline),
    ExportColumn(gettext_lazy("internal notes"), lambda order: order.notes),
)
CUSTOMERS: Sequence[ExportColumn] = (
    ExportColumn(gettext_lazy("name"), lambda customer: customer.name),
    ExportColumn(gettext_lazy("phone (WhatsApp)"), lambda customer: format_phone(customer.phone)),
    ExportColumn(gettext_lazy("CPF or CNPJ"), lambda customer: format_document(customer.cpf)),
    ExportColumn(pgettext_lazy("customer", "wants messages"), _wants),
    ExportColumn(gettext_lazy("store"), lambda customer: customer.store.name),
    ExportColumn(gettext_lazy("created"), lambda customer: local(customer.created_at)),
)
