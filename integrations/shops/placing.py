"""Making an order of what a customer placed in a shop. What cannot be used as it is does not keep it from being made:
it stands in the order's notes, for the staff."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from integrations.shops.models import ShopConnection
from integrations.shops.news import Item, OrderNews, Placed
from orders.contacts import normalize_document, normalize_phone, phone_doubt
from orders.models import Customer, Order, OrderItem
from orders.services import create_order
from orders.statuses import DeliveryMethod
from orders.typed import visible

_ADDRESS: int = Order._meta.get_field("delivery_address").max_length or 0
_NAME: int = Customer._meta.get_field("name").max_length or 0
_DESCRIPTION: int = OrderItem._meta.get_field("description").max_length or 0
_CENT = Decimal("0.01")


def place(connection: ShopConnection, news: OrderNews, *, notify: bool) -> Order:
    """The order of this news, made unless it was before. Raises `ValidationError` for what cannot be one."""
    placed, notes = news.placed, [news.placed.notes]
    address = " ".join(placed.address.split())
    if len(address) > _ADDRESS:
        notes.append(_("Address in full: %(address)s") % {"address": address})
    return create_order(
        store=connection.store,
        customer_name=_line(placed.customer_name, _NAME) or _("Customer of the shop"),
        customer_phone=_phone(placed, notes),
        customer_cpf=_document(placed, notes),
        items=[_item(item) for item in placed.items],
        delivery_method=placed.delivery_method if placed.delivery_method in DeliveryMethod else DeliveryMethod.CARRIER,
        delivery_address=storable(address)[:_ADDRESS].rstrip(),
        freight=placed.freight,
        discount=placed.discount,
        notes=storable("\n".join(filter(None, notes))),
        source=connection.source,
        external_id=news.external_id,
        external_number=news.external_number,
        notify=notify,
    )


def storable(text: str) -> str:
    """The text without what PostgreSQL refuses: NUL, and halves of characters."""
    return text.replace("\0", "").encode(errors="replace").decode()


def usable_phone(typed: str) -> str:
    """The number as E.164; empty for what is none, and for what may well be another's.

    Nobody is there to be asked. A foreign one counts where its country was written, and its digits are no Brazilian
    number: who writes `+31 98765-4321` may be in Belo Horizonte.
    """
    try:
        phone = normalize_phone(typed)
    except ValidationError:
        return ""
    if not phone_doubt(phone):
        return phone
    return phone if typed.strip().startswith("+") and not _is_brazilian(phone.removeprefix("+")) else ""


def _is_brazilian(digits: str) -> bool:
    try:
        return normalize_phone(digits).startswith("+55")
    except ValidationError:
        return False


def _phone(placed: Placed, notes: list[str]) -> str:
    typed = [each.strip() for each in map(storable, placed.phones) if each.strip()]
    found = next(filter(None, map(usable_phone, typed)), "")
    if typed and not found:
        notes.append(_("No message goes out: the shop has no number that can be used (%(phones)s).") % {
            "phones": ", ".join(dict.fromkeys(typed))
        })  # fmt: skip
    return found


def _document(placed: Placed, notes: list[str]) -> str:
    document = storable(placed.document).strip()
    if not document:
        return ""
    try:
        return normalize_document(document)
    except ValidationError:
        notes.append(_("CPF or CNPJ as the shop has it, which is not valid: %(document)s") % {"document": document})
        return ""


def _item(item: Item) -> dict[str, Any]:
    return {
        "description": _line(item.description, _DESCRIPTION) or _("Item"),
        "quantity": item.quantity,
        "unit_price": item.unit_price.quantize(_CENT),
    }


def _line(text: str, longest: int) -> str:
    return " ".join(visible(storable(text)).split())[:longest].rstrip()
