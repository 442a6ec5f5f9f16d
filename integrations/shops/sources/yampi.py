"""Yampi: its webhook sends the whole order, signed; no more is asked of it.

Header, signature and events are of its documentation (a stored copy), the order's fields and the words for where it is
of others' code and logs that agree: neither was run. Whether it tries again after an error, and when it gives up, is
not known. A word that is missing here is shown to the staff, who give it its meaning in the connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.shops.news import Nothing, OrderNews, Placed, Told
from integrations.shops.sources import reading
from integrations.shops.sources.reading import Fields, Headers, fields, money, rows, text
from integrations.sources.credentials import Credential

TITLE = "Yampi"
CREDENTIALS = (
    Credential(
        "secret",
        gettext_lazy("Secret"),
        gettext_lazy("Yampi shows it beside the webhook."),
        secret=True,
        required=True,
        signs=True,
    ),
)
MEANINGS: Mapping[str, str] = {
    "waiting_payment": "placed",
    "authorized": "placed",
    "refused": "silent",
    "paid": "paid",
    "handling_products": "confirmed",
    "invoiced": "confirmed",
    "shipped": "shipped",
    "on_carriage": "shipped",
    "shipment_exception": "staff",
    "delivered": "delivered",
    "cancelled": "cancelled",
    "refunded": "refunded",
}


def is_probe(method: str, _headers: Headers, _body: bytes) -> bool:
    """Only a look whether somebody is there."""
    return method != "POST"


def verify(headers: Headers, body: bytes, credentials: Mapping[str, str]) -> None:
    """Raises `RefusedError`."""
    reading.require_signature(headers, "X-Yampi-Hmac-SHA256", body, credentials.get("secret", ""))


@reading.reader
def read(_headers: Headers, values: Fields) -> Told:
    """The order, of those events that have one."""
    event = text(values, "event")
    if not event.startswith("order.") or event.startswith("order.invoice"):
        return Nothing(_("Not about an order: %(what)s.") % {"what": event[:60]})
    order = fields(values, "resource")
    return OrderNews(
        external_id=reading.required(order, "id"),
        external_number=text(order, "number", "id"),
        statuses=(reading.required(fields(order, "status", "data"), "alias"),),
        changed_at=_changed_at(order, values),
        placed=_placed(order),
        placed_at=_time(order, "created_at"),
        tracking_code=text(order, "track_code"),
        tracking_url=text(order, "track_url"),
    )


def _time(order: Fields, name: str) -> datetime | None:
    said = fields(order, name)
    return reading.moment_if_any(text(said, "date"), reading.zone(text(said, "timezone") or "America/Sao_Paulo"))


def _changed_at(order: Fields, values: Fields) -> datetime:
    return _time(order, "updated_at") or reading.moment(text(values, "time"))


def _placed(order: Fields) -> Placed:
    customer, to = fields(order, "customer", "data"), fields(order, "shipping_address", "data")
    phone, name = fields(customer, "phone"), (text(customer, "first_name"), text(customer, "last_name"))
    items, freight, discount = reading.settled(
        [reading.by_the_piece(each, _title(each)) for each in rows(fields(order, "items"), "data")],
        freight=money(order, "value_shipment"),
        discount=money(order, "value_discount"),
        total=money(order, "value_total", needed=True),
    )
    return Placed(
        customer_name=text(customer, "name", "generic_name", "razao_social") or " ".join(filter(None, name)),
        phones=reading.first_of(text(phone, "full_number"), text(phone, "formated_number")),
        document=text(customer, "cpf", "cnpj"),
        delivery_method=reading.delivery_method(text(order, "shipment_service"), is_pickup=False),
        address=reading.address(
            text(to, "street"),
            text(to, "number"),
            text(to, "complement"),
            text(to, "neighborhood"),
            reading.town(to, "city", "uf"),
            text(to, "zipcode", "zip_code"),
        ),
        items=items,
        freight=freight,
        discount=discount,
    )


def _title(values: Fields) -> str:
    return text(fields(values, "sku", "data"), "title") or text(values, "item_sku")
