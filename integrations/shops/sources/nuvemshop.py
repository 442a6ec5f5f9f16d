"""Nuvemshop: its webhook only hints that something happened to an order, which is then fetched from its API.

Of its documentation (a stored copy of 2025-03): the signature in hex, events, the address and headers of the API, the
order's fields and the words of its three kinds of statuses. From one other's code: the fulfilments' statuses. Not
confirmed, and so among the credentials: whether the token goes into `Authentication: bearer` (older pages) or
`Authorization: Bearer` (newer ones), and the API's version. Nothing of it was run.

An app's secret signs for all the shops that have it installed: what it says of another shop is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.shops.news import Hint, Nothing, OrderNews, Placed, Told
from integrations.shops.sources import reading
from integrations.shops.sources.reading import Call, Fields, Headers, fields, money, rows, text
from integrations.sources import RefusedError
from integrations.sources.credentials import Credential

TITLE = "Nuvemshop"
CREDENTIALS = (
    Credential("secret", gettext_lazy("The app's secret"), "client_secret", secret=True, required=True, signs=True),
    Credential("store_id", gettext_lazy("The shop's number"), "user_id", required=True),
    Credential("token", gettext_lazy("The app's token in this shop"), "access_token", secret=True, required=True),
    Credential("mail", gettext_lazy("E-mail of who answers for the app"), "", required=True),
    Credential("header", gettext_lazy("The token's header, if not Authentication"), "Authorization"),
    Credential("version", gettext_lazy("The API's version, if not v1"), "2025-03"),
)
_WORDS = {
    "placed": "open",
    "silent": "abandoned voided",
    "paid": "paid",
    "ready": "unfulfilled/pickup unshipped/pickup parcel/ready_for_pickup",
    "shipped": "fulfilled shipped parcel/dispatched",
    "delivered": "parcel/delivered",
    "failed_attempt": "parcel/not_delivered",
    "cancelled": "cancelled",
    "refunded": "refunded",
    "staff": "fulfilled/pickup shipped/pickup",
    "ignored": "closed pending authorized unpacked unfulfilled unshipped unpacked/pickup "
    "parcel/unpacked parcel/packed parcel/cancelled",
}
MEANINGS: Mapping[str, str] = {word: meaning for meaning, words in _WORDS.items() for word in words.split()}
_API = "https://api.nuvemshop.com.br"
_ID = re.compile(r"[0-9]{1,20}")
_PLACEHOLDERS = frozenset({"não informado", "nao informado", "0000"})


def is_probe(method: str, _headers: Headers, _body: bytes) -> bool:
    """Only a look whether somebody is there."""
    return method != "POST"


def verify(headers: Headers, body: bytes, credentials: Mapping[str, str]) -> None:
    """Raises `RefusedError`."""
    reading.require_signature(headers, "x-linkedstore-hmac-sha256", body, credentials.get("secret", ""), as_hex=True)
    try:
        store = text(reading.json_object(body), "store_id")
    except reading.NotAsDescribedError:
        return
    if store and store != credentials.get("store_id", "").strip():
        raise RefusedError(HTTPStatus.FORBIDDEN, "This is about another shop.")


@reading.reader
def read(_headers: Headers, values: Fields) -> Told:
    """That there is something to fetch, or that there is not."""
    event = text(values, "event")
    if event.startswith(("order/", "fulfillment_order/")):
        order = reading.required(values, "id" if event.startswith("order/") else "order_id")
        if not _ID.fullmatch(order):
            raise reading.NotAsDescribedError(_("“%(text)s” is no order's number.") % {"text": order[:40]})
        return Hint(order, event)
    if event in {"app/uninstalled", "app/suspended"}:
        return Nothing(_("Nuvemshop says that the app is not active in the shop any more."), trouble=True)
    if "orders_to_redact" in values or "data_request" in values:
        return Nothing(_("Nuvemshop passes on a customer's wish about their data (LGPD): see to it."), trouble=True)
    return Nothing(_("Not about an order: %(what)s.") % {"what": event[:60]})


def fetch(hint: Hint, credentials: Mapping[str, str], call: Call) -> Told:
    """The order as it is now; what the call raises comes through."""
    url = f"{_API}/{credentials.get('version') or 'v1'}/{credentials['store_id']}/orders/{hint.external_id}"
    name, token = credentials.get("header") or "Authentication", credentials["token"]
    bearer = "bearer" if name == "Authentication" else "Bearer"
    headers = {name: f"{bearer} {token}", "User-Agent": f"Flowlog ({credentials['mail']})"}
    status, _headers, values = call("GET", url, headers)
    if status == HTTPStatus.NOT_FOUND:
        return Nothing(_("The order is not there any more."))
    if status != HTTPStatus.OK or not isinstance(values, dict):
        words = _("Nuvemshop does not give the order (%(status)d): check the shop's number and the token.")
        return Nothing(words % {"status": status}, trouble=True)
    try:
        return _news(values)
    except reading.NotAsDescribedError as wrong:
        return Nothing(str(wrong), trouble=True)


def _news(values: Fields) -> OrderNews:
    is_pickup = text(values, "shipping_pickup_type") == "pickup"
    parcels = {text(each, "status").lower() for each in rows(values, "fulfillments")}
    # Where several parcels differ, the order as a whole is where its own status says.
    parcel = f"parcel/{parcels.pop()}" if len(parcels) == 1 and "" not in parcels else ""
    status = reading.required(values, "status")
    if (shipped := text(values, "shipping_status")) and is_pickup:
        shipped += "/pickup"
    reasons = {"customer": _("as you asked"), "inventory": _("out of stock")}
    return OrderNews(
        external_id=reading.required(values, "id"),
        external_number=text(values, "number", "id"),
        statuses=reading.first_of(status, text(values, "payment_status"), shipped, parcel),
        changed_at=reading.moment(text(values, "updated_at", "created_at")),
        placed=_placed(values, is_pickup=is_pickup),
        placed_at=reading.moment_if_any(text(values, "created_at")),
        tracking_code=text(values, "shipping_tracking_number"),
        tracking_url=text(values, "shipping_tracking_url"),
        cancel_reason=reasons.get(text(values, "cancel_reason"), "") if status == "cancelled" else "",
    )


def _placed(values: Fields, *, is_pickup: bool) -> Placed:
    customer, to = fields(values, "customer"), fields(values, "shipping_address")
    title = " ".join((text(values, "shipping_option"), text(values, "shipping")))
    street = [_said(to, each) for each in ("address", "number", "floor", "locality")]
    items, freight, discount = reading.settled(
        [reading.by_the_piece(each, text(each, "name")) for each in rows(values, "products")],
        freight=money(values, "shipping_cost_customer"),
        discount=money(values, "discount"),
        total=money(values, "total", needed=True),
    )
    return Placed(
        customer_name=_said(values, "contact_name") or _said(customer, "name") or _said(to, "name"),
        phones=reading.first_of(_said(values, "contact_phone"), _said(to, "phone"), _said(customer, "phone")),
        document=text(values, "contact_identification") or text(customer, "identification"),
        delivery_method=reading.delivery_method(title, is_pickup=is_pickup),
        address=reading.address(*street, reading.town(to, "city", "province"), text(to, "zipcode")),
        items=items,
        freight=freight,
        discount=discount,
        notes=text(values, "note"),
    )


def _said(values: Fields, name: str) -> str:
    return said if (said := text(values, name)).lower() not in _PLACEHOLDERS else ""
