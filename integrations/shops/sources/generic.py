"""The format of our own, for shops whose system somebody programs; `integrations/SHOPS.md` describes it.

The order as it is now in one JSON object, signed as the generic carrier's news is. What is not as described is kept and
shown to the staff with the field's name, since its sender was answered long before.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.carriers.sources import generic as carrier
from integrations.shops.news import Item, OrderNews, Placed, Told
from integrations.shops.sources import reading
from integrations.shops.sources.reading import Fields, Headers, fields, rows, text
from integrations.sources import RefusedError
from integrations.sources.credentials import Credential
from orders.statuses import DeliveryMethod

TITLE = gettext_lazy("A system of your own")
CREDENTIALS = (
    Credential(
        "secret",
        gettext_lazy("Secret"),
        gettext_lazy("Any long text that nobody can guess, the same there."),
        secret=True,
        required=True,
        signs=True,
    ),
)
_SAME = "placed confirmed paid ready shipped out_for_delivery delivered failed_attempt returned cancelled refunded"
MEANINGS: Mapping[str, str] = {"pending": "silent"} | {word: word for word in _SAME.split()}


def is_probe(method: str, _headers: Headers, _body: bytes) -> bool:
    """Only a look whether somebody is there."""
    return method != "POST"


def verify(headers: Headers, body: bytes, credentials: Mapping[str, str]) -> None:
    """Raises `RefusedError`, also for what was signed more than five minutes ago."""
    secret = credentials.get("secret", "")
    if not secret.strip():
        raise RefusedError(HTTPStatus.FORBIDDEN, "No secret is set.")
    names = (carrier.TIMESTAMP_HEADER, carrier.SIGNATURE_HEADER)
    given = {name: reading.header(headers, name).encode(errors="replace").decode() for name in names}
    carrier.verify(given, body, secret)


@reading.reader
def read(_headers: Headers, values: Fields) -> Told:
    """The order."""
    return OrderNews(
        external_id=reading.required(values, "id"),
        external_number=text(values, "number", "id"),
        statuses=_statuses(values),
        changed_at=reading.moment(reading.required(values, "changed_at")),
        placed=_placed(values),
        placed_at=reading.moment_if_any(text(values, "placed_at")),
        tracking_code=text(values, "tracking_code"),
        tracking_url=text(values, "tracking_url"),
        cancel_reason=text(values, "reason"),
    )


def _statuses(values: Fields) -> tuple[str, ...]:
    said: Any = values.get("status")
    listed = said if isinstance(said, list) else [said]
    found = reading.first_of(*(text({"status": each}, "status") for each in listed))
    return found or (reading.required(values, "status"),)


def _placed(values: Fields) -> Placed:
    customer, delivery = fields(values, "customer"), fields(values, "delivery")
    method = reading.required(delivery, "method")
    if method not in DeliveryMethod:
        raise reading.NotAsDescribedError(_("“%(method)s” is not a delivery method.") % {"method": method[:40]})
    return Placed(
        customer_name=text(customer, "name"),
        phones=reading.first_of(text(customer, "phone")),
        document=text(customer, "document"),
        delivery_method=method,
        address=text(delivery, "address"),
        items=tuple(_item(each) for each in rows(values, "items")),
        freight=reading.money(values, "freight"),
        discount=reading.money(values, "discount"),
        notes=text(values, "notes"),
    )


def _item(values: Fields) -> Item:
    quantity = reading.amount(values, "quantity") if "quantity" in values else reading.ONE
    return Item(reading.required(values, "description"), quantity, reading.money(values, "unit_price", needed=True))
