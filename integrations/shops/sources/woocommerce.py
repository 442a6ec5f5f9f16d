"""WooCommerce: its webhook sends the order as it is when its queue runs; its REST API is asked for what that missed.

Run with WooCommerce 7.9.0: headers, signature, ping, bodies of orders, of what was deleted and of errors. Not
confirmed: the names of the meta data of the Brazilian fields and of tracking plug-ins (others' code), shops that keep
orders in tables of their own (HPOS), versions since (read alone, as `modified_after` is).

It has no word for "shipped": `completed` is one shop's "posted" and another's "delivered", so that it counts as shipped
only with a tracking code. Cash on delivery is `processing` before it is paid: `processing/cod` here. That one which is
completed or cancelled was paid is a status beside, `paid`. Deleting is not cancelling.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.shops.news import Item, Nothing, OrderNews, Placed, Told
from integrations.shops.sources import reading
from integrations.shops.sources.reading import Call, Fields, Headers, fields, money, rows, text
from integrations.sources import RefusedError
from integrations.sources.credentials import Credential

_REST = gettext_lazy("In WooCommerce > Settings > Advanced > REST API, with permission Read.")
TITLE = "WooCommerce"
CREDENTIALS = (
    Credential(
        "secret",
        gettext_lazy("Secret"),
        gettext_lazy("The same here and in the shop's webhook: make one up, the longer the better."),
        secret=True,
        required=True,
        signs=True,
    ),
    Credential("address", gettext_lazy("The shop's address"), "https://…"),
    Credential("consumer_key", gettext_lazy("Consumer key (ck_…)"), _REST, secret=True),
    Credential("consumer_secret", gettext_lazy("Consumer secret (cs_…)"), _REST, secret=True),
)
NEEDED_TO_ASK = ("address", "consumer_key", "consumer_secret")
MEANINGS: Mapping[str, str] = {
    **dict.fromkeys(("checkout-draft", "auto-draft", "trash"), "ignored"),
    **dict.fromkeys(("pending", "failed"), "silent"),
    "on-hold": "placed",
    "processing": "paid",
    "processing/cod": "confirmed",
    "completed": "shipped_if_tracked",
    "paid": "paid",
    "cancelled": "cancelled",
    "refunded": "refunded",
}
_SIGNATURE = "X-WC-Webhook-Signature"
_PING = re.compile(rb"webhook_id=[0-9]+")
_GONE = "woocommerce_rest_shop_order_invalid_id"
_PICKUP = frozenset({"local_pickup", "pickup_location"})
_PAGE, _MOST_PAGES = 100, 50


def is_probe(method: str, headers: Headers, body: bytes) -> bool:
    """Saving a webhook sends an unsigned form; others look with GET or HEAD whether somebody is there."""
    return method != "POST" or (not reading.header(headers, _SIGNATURE) and bool(_PING.fullmatch(body.strip())))


def verify(headers: Headers, body: bytes, credentials: Mapping[str, str]) -> None:
    """Raises `RefusedError`. A webhook without secret signs with an empty one, which counts for nothing."""
    reading.require_signature(headers, _SIGNATURE, body, credentials.get("secret", ""))


@reading.reader
def read(headers: Headers, values: Fields) -> Told:
    """What the webhook says: the order, if it is one."""
    topic = reading.header(headers, "X-WC-Webhook-Topic")
    if "code" in values and fields(values, "data").get("status"):
        if values["code"] == _GONE:
            return Nothing(_("The order is not there any more."))
        words = _("Instead of the order the shop sends an error: save its webhook anew as a user who may read orders.")
        return Nothing(words, trouble=True)
    if topic and not topic.startswith("order."):
        return Nothing(_("Not about an order: %(what)s.") % {"what": topic[:60]})
    if topic == "order.deleted" or set(values) == {"id"}:
        return Nothing(_("The shop has deleted the order."))
    return _news(values)


def poll(credentials: Mapping[str, str], since: datetime, call: Call) -> Iterator[OrderNews]:
    """The orders that changed since, the first one first. Raises `RefusedError` if the shop does not let us ask.

    One that cannot be read is left out: what its webhook says is kept in any case.
    """
    user = f"{credentials['consumer_key']}:{credentials['consumer_secret']}"
    headers = {"Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}
    url = f"{credentials['address'].rstrip('/')}/wp-json/wc/v3/orders"
    after = since.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    for page in range(1, _MOST_PAGES + 1):
        params = {
            "modified_after": after, "dates_are_gmt": "true", "orderby": "modified", "order": "asc", "per_page": _PAGE,
            "page": page,
        }  # fmt: skip
        status, _headers, found = call("GET", url, headers, params)
        if status != HTTPStatus.OK or not isinstance(found, list):
            words = _("The shop gives no orders (%(status)d): check its address and the keys.") % {"status": status}
            raise RefusedError(HTTPStatus.BAD_GATEWAY, words)
        yield from reading.readable(_news, found)
        if len(found) < _PAGE:
            return


def _news(values: Fields) -> OrderNews:
    status = reading.required(values, "status")
    is_cod = (status, values.get("payment_method")) == ("processing", "cod")
    was_paid = status in {"completed", "cancelled"} and bool(values.get("date_paid_gmt"))
    meta = {text(each, "key"): each.get("value") for each in rows(values, "meta_data")}
    codes = [text(each, "tracking_number") for each in rows(meta, "_wc_shipment_tracking_items")]
    return OrderNews(
        external_id=reading.required(values, "id"),
        external_number=text(values, "number", "id"),
        statuses=(f"{status}/cod" if is_cod else status, *(["paid"] if was_paid else [])),
        changed_at=reading.moment(text(values, "date_modified_gmt", "date_created_gmt")),
        placed=_placed(values, meta),
        placed_at=reading.moment_if_any(text(values, "date_created_gmt")),
        tracking_code=", ".join(reading.first_of(text(meta, "_correios_tracking_code"), *codes)),
    )


def _placed(values: Fields, meta: Fields) -> Placed:
    billing, shipping = fields(values, "billing"), fields(values, "shipping")
    way = (rows(values, "shipping_lines") or [{}])[0]
    is_pickup = text(way, "method_id").partition(":")[0] in _PICKUP
    names = (" ".join((text(who, "first_name"), text(who, "last_name"))).strip() for who in (billing, shipping))
    items, freight, discount = reading.settled(
        [_item(each) for each in rows(values, "line_items")],
        freight=money(values, "shipping_total"),
        discount=money(values, "discount_total"),
        total=money(values, "total", needed=True),
    )
    return Placed(
        customer_name=next(filter(None, names), text(billing, "company")),
        phones=reading.first_of(text(meta, "_billing_cellphone"), text(billing, "phone"), text(shipping, "phone")),
        document=text(meta, "_billing_cpf", "_billing_cnpj"),
        delivery_method=reading.delivery_method(text(way, "method_title"), is_pickup=is_pickup),
        address=_address(shipping, meta, "shipping") or _address(billing, meta, "billing"),
        items=items,
        freight=freight,
        discount=discount,
        notes=text(values, "customer_note"),
    )


def _item(values: Fields) -> Item:
    """By its sum before discounts: its price is a float, and without tax."""
    total = money(values, "subtotal") or money(values, "total")
    return reading.line(text(values, "name"), reading.amount(values, "quantity"), total)


def _address(who: Fields, meta: Fields, kind: str) -> str:
    street, place = text(who, "address_1"), reading.town(who, "city", "state")
    more = (text(meta, f"_{kind}_number"), text(who, "address_2"), text(meta, f"_{kind}_neighborhood"))
    return reading.address(street, *more, place, text(who, "postcode")) if street else ""
