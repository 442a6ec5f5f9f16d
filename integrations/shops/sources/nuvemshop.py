"""Nuvemshop: its webhook only hints that something happened to an order, which is then fetched from its API.

Of its documentation (a stored copy of 2025-03): the signature in hex, events, the address and headers of the API, the
order's fields and the words of its three kinds of statuses, how an app is installed (`/apps/<id>/authorize` with a
`state`, then the code for a token that does not end; `user_id` is the shop's number), and that webhooks are registered
one by one. From one other's code: the fulfilments' statuses. Not confirmed, and so among the credentials: whether the
token goes into `Authentication: bearer` (older pages) or `Authorization: Bearer` (newer ones), the API's version, its
address and that of the installation. Not confirmed either: what a failed exchange of the code says (any answer without
token and number is one), and whether events that not every version knows can be registered (they are left out then).
Nothing of it was run.

An app's secret signs for all the shops that have it installed: what it says of another shop is refused. The three
webhooks about personal data (LGPD) are one address each in the partner's panel for all of an app's shops; which one it
is says the address, since nothing in the body does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.shops.news import Hint, Nothing, OrderNews, Placed, Told, Wish
from integrations.shops.sources import reading
from integrations.shops.sources.reading import Call, Fields, Headers, fields, money, rows, text
from integrations.sources import RefusedError
from integrations.sources.credentials import Credential

TITLE = "Nuvemshop"
_GRANTED = gettext_lazy("Comes by itself when the app is installed with the button.")
CREDENTIALS = (
    Credential("app_id", gettext_lazy("The app's number"), "client_id"),
    Credential("secret", gettext_lazy("The app's secret"), "client_secret", secret=True, required=True),
    Credential("mail", gettext_lazy("E-mail of who answers for the app"), "", required=True),
    Credential("store_id", gettext_lazy("The shop's number"), _GRANTED, required=True, granted=True),
    Credential(
        "token", gettext_lazy("The app's token in this shop"), _GRANTED, secret=True, required=True, granted=True
    ),
    Credential("header", gettext_lazy("The token's header, if not Authentication"), "Authorization"),
    Credential("version", gettext_lazy("The API's version, if not v1"), "2025-03"),
    Credential("api", gettext_lazy("The API's address, if another"), "https://api.nuvemshop.com.br"),
    Credential("site", gettext_lazy("Where apps are installed, if elsewhere"), "https://www.nuvemshop.com.br"),
)
EVENTS = (
    "order/created", "order/updated", "order/paid", "order/packed", "order/fulfilled", "order/cancelled",
    "app/uninstalled", "app/suspended", "fulfillment_order/status_updated",
)  # fmt: skip
"""What is registered for; without the first two nothing would come in."""
_NEEDED = EVENTS[:2]
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
_API, _SITE = "https://api.nuvemshop.com.br", "https://www.nuvemshop.com.br"
_SIGNATURE = "x-linkedstore-hmac-sha256"
_ID = re.compile(r"[0-9]{1,20}")
_PLACEHOLDERS = frozenset({"não informado", "nao informado", "0000"})


def is_probe(method: str, _headers: Headers, _body: bytes) -> bool:
    """Only a look whether somebody is there."""
    return method != "POST"


def verify(headers: Headers, body: bytes, credentials: Mapping[str, str]) -> None:
    """Raises `RefusedError`."""
    verify_wish(headers, body, credentials)
    store = shop_of(body)
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
    status, _headers, values = _ask(credentials, call, "GET", f"orders/{hint.external_id}")
    if status == HTTPStatus.NOT_FOUND:
        return Nothing(_("The order is not there any more."))
    if status != HTTPStatus.OK or not isinstance(values, dict):
        words = _("Nuvemshop does not give the order (%(status)d): check the shop's number and the token.")
        return Nothing(words % {"status": status}, trouble=True)
    try:
        return _news(values)
    except reading.NotAsDescribedError as wrong:
        return Nothing(str(wrong), trouble=True)


def _ask(credentials: Mapping[str, str], call: Call, method: str, what: str, **sent: Any) -> Any:
    name, token = credentials.get("header") or "Authentication", credentials["token"]
    bearer = "bearer" if name == "Authentication" else "Bearer"
    headers = {name: f"{bearer} {token}", "User-Agent": f"Flowlog ({credentials['mail']})"}
    api = (credentials.get("api") or _API).rstrip("/")
    url = f"{api}/{credentials.get('version') or 'v1'}/{credentials['store_id']}/{what}"
    return call(method, url, headers, **sent)


def install_address(credentials: Mapping[str, str], state: str) -> str:
    """Where the shop's owner allows the app in; she comes back with a code and this `state`. Raises `RefusedError`."""
    app = credentials.get("app_id", "").strip()
    if not _ID.fullmatch(app) or not credentials.get("secret"):
        raise RefusedError(HTTPStatus.BAD_REQUEST, _("Enter the app's number and its secret first."))
    return f"{(credentials.get('site') or _SITE).rstrip('/')}/apps/{app}/authorize?{urlencode({'state': state})}"


def install(credentials: Mapping[str, str], code: str, call: Call) -> dict[str, str]:
    """What Nuvemshop grants for the code, as credentials. Raises `RefusedError`; what the call raises comes through."""
    sent = {
        "client_id": credentials.get("app_id", "").strip(),
        "client_secret": credentials.get("secret", ""),
        "grant_type": "authorization_code",
        "code": code,
    }
    url = f"{(credentials.get('site') or _SITE).rstrip('/')}/apps/authorize/token"
    status, _headers, given = call("POST", url, {"User-Agent": f"Flowlog ({credentials.get('mail', '')})"}, sent=sent)
    values = given if isinstance(given, dict) else {}
    token, store = text(values, "access_token"), text(values, "user_id")
    if status not in (HTTPStatus.OK, HTTPStatus.CREATED) or not token or not _ID.fullmatch(store):
        words = _(
            "Nuvemshop gives no token (%(status)d): check the app's number and its secret, and press Install again. "
            "The code that it sends lives for a few minutes alone."
        )
        raise RefusedError(HTTPStatus.BAD_GATEWAY, words % {"status": status})
    return {"token": token, "store_id": store}


def register(credentials: Mapping[str, str], address: str, call: Call) -> None:
    """Have it tell this address of the shop's orders, once each. Raises `RefusedError`; what the call raises comes
    through."""
    _status, _headers, found = _ask(credentials, call, "GET", "webhooks", params={"url": address, "per_page": 100})
    known = {text(each, "event") for each in rows({"webhooks": found}, "webhooks") if text(each, "url") == address}
    for event in EVENTS:
        if event in known:
            continue
        status, _headers, _said = _ask(credentials, call, "POST", "webhooks", sent={"event": event, "url": address})
        if status not in (HTTPStatus.OK, HTTPStatus.CREATED) and event in _NEEDED:
            words = _(
                "Nuvemshop takes no webhook for %(event)s (%(status)d): Flowlog's address must be reachable from the "
                "internet with https, and the app must be allowed to read orders."
            )
            raise RefusedError(HTTPStatus.BAD_GATEWAY, words % {"event": event, "status": status})


def verify_wish(headers: Headers, body: bytes, credentials: Mapping[str, str]) -> None:
    """The app's signature, of whatever shop it tells. Raises `RefusedError`."""
    reading.require_signature(headers, _SIGNATURE, body, credentials.get("secret", ""), as_hex=True)


def shop_of(body: bytes) -> str:
    """The number of the shop that the body is about; empty if it does not say."""
    try:
        return text(reading.json_object(body), "store_id")
    except reading.NotAsDescribedError:
        return ""


def wish(body: bytes) -> Wish:
    """Whose data it is about. Raises `NotAsDescribedError`."""
    values = reading.json_object(body)
    who = fields(values, "customer")
    listed = values.get("orders_to_redact") or values.get("orders_requested") or []
    orders = (text({"id": each}, "id") for each in (listed if isinstance(listed, list) else []))
    return Wish(tuple(filter(None, orders)), _said(who, "phone"), _said(who, "identification"))


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
