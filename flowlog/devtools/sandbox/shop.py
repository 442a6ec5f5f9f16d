"""A shop on WooCommerce: its orders, its webhook and its REST API, written from what WooCommerce 7.9.0 was seen to do.

Its webhook sends an order as it is when it leaves, is tried once, and is switched off after seven failures in a row;
301 and 302 count as success. Not played: the ping on saving the webhook, deleting, refunds.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from zoneinfo import ZoneInfo

from flowlog.devtools.sandbox.errors import ActionError
from flowlog.devtools.sandbox.http import Answer, Request, answer
from flowlog.devtools.sandbox.messenger import Letter, Messenger, is_success

STATUSES = {"paid": "processing", "shipped": "completed", "cancelled": "cancelled"}
"""What a shop has for each word of `POST /sandbox/change`. It has no word for "shipped": its order is done."""
_ZONE = ZoneInfo("America/Sao_Paulo")
_MOST_FAILURES = 7
_WEBHOOK = 7
# Ids go on growing from one start to the next, since what is remembered of orders is gone by then.
_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
_PRICE, _FREIGHT = Decimal("49.90"), Decimal("15.00")
_LARGEST_PAGE = 100
_LONG_AGO = "2000-01-01T00:00:00"


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """Where its webhook goes, with which secret, and the key that may read its orders."""

    webhook: str
    secret: str
    consumer_key: str = ""
    consumer_secret: str = ""


@dataclass(slots=True)
class Label:
    """The label of an order's parcel at the carrier."""

    tracking: str
    status: str = "released"
    posted: datetime | None = None
    delivered: datetime | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(slots=True)
class ShopOrder:
    """One order as the shop has it."""

    id: int
    customer: str
    phone: str
    quantity: int
    created: datetime
    modified: datetime
    label: Label
    status: str = "on-hold"
    paid: datetime | None = None
    is_tracked: bool = False

    @property
    def total(self) -> Decimal:
        """What the customer pays."""
        return _PRICE * self.quantity + _FREIGHT


class Shop:
    """Safe for threads. Without settings it tells nobody anything, and nobody may ask."""

    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger
        self._lock = threading.RLock()
        self._orders: dict[int, ShopOrder] = {}
        self._last_id = int(time.time() - _BEGINNING)
        self.settings: ShopSettings | None = None
        self.failures = 0

    @property
    def is_disabled(self) -> bool:
        """Whether its webhook was switched off."""
        return self.failures >= _MOST_FAILURES

    def set_up(self, settings: ShopSettings) -> None:
        """Save its webhook, anew if it was switched off."""
        with self._lock:
            self.settings, self.failures = settings, 0

    def enable(self) -> None:
        """Switch the webhook on again."""
        self.failures = 0

    def orders(self) -> list[ShopOrder]:
        """All orders, the newest first."""
        with self._lock:
            return list(reversed(self._orders.values()))

    def order(self, number: object) -> ShopOrder:
        """The order of this id. Raises `ActionError`."""
        text = str(number)
        with self._lock:
            found = self._orders.get(int(text)) if text.isdecimal() else None
        if found is None:
            raise ActionError("order must be the id of an order that was placed in the shop.")
        return found

    def place(self, customer: str, phone: str, quantity: int = 2) -> ShopOrder:
        """A customer orders, and is to pay by Pix."""
        with self._lock:
            self._last_id += 1
            now = datetime.now(UTC)
            order = ShopOrder(self._last_id, customer, phone, quantity, now, now, Label(_tracking_code(self._last_id)))
            self._orders[order.id] = order
        self._tell(order, "order.created")
        return order

    def change(self, order: ShopOrder, to: str) -> None:
        """The order is `paid`, `shipped` or `cancelled` in the shop."""
        with self._lock:
            order.status = STATUSES[to]
            # Two changes within a second could not be told apart.
            order.modified = max(datetime.now(UTC), order.modified + timedelta(seconds=1))
            order.paid = order.modified if to == "paid" else order.paid
            order.is_tracked |= to == "shipped"
        self._tell(order, "order.updated")

    def respond(self, request: Request) -> Answer:
        """`GET /wp-json/wc/v3/orders?modified_after=…`, for who has the key."""
        if not self._may_read(request):
            wrong = {"code": "woocommerce_rest_cannot_view", "message": "Sorry, you cannot list resources."}
            return answer(HTTPStatus.UNAUTHORIZED, {**wrong, "data": {"status": 401}})
        if request.method != "GET" or request.segments[1:] != ["wc", "v3", "orders"]:
            wrong = {"code": "rest_no_route", "message": "No route was found matching the URL and request method."}
            return answer(HTTPStatus.NOT_FOUND, {**wrong, "data": {"status": 404}})
        try:
            since = datetime.fromisoformat(request.query.get("modified_after") or _LONG_AGO).replace(tzinfo=UTC)
            number = min(int(request.query.get("per_page") or 10), _LARGEST_PAGE)
            begin = (int(request.query.get("page") or 1) - 1) * number
        except ValueError:
            wrong = {"code": "rest_invalid_param", "message": "Invalid parameter(s)"}
            return answer(HTTPStatus.BAD_REQUEST, {**wrong, "data": {"status": 400}})
        with self._lock:
            found = sorted((each for each in self._orders.values() if each.modified > since), key=_modified)
            return answer(HTTPStatus.OK, [_body(each) for each in found[begin : begin + number]])

    def _may_read(self, request: Request) -> bool:
        key = self.settings
        if key is None or not key.consumer_key:
            return False
        expected = base64.b64encode(f"{key.consumer_key}:{key.consumer_secret}".encode()).decode()
        given = request.headers.get("Authorization", "")
        return secrets.compare_digest(given.encode(), f"Basic {expected}".encode())

    def _tell(self, order: ShopOrder, topic: str) -> None:
        self._messenger.tell(f"order {order.id}", partial(self._write, order, topic))

    def _write(self, order: ShopOrder, topic: str) -> Letter | None:
        with self._lock:
            body = json.dumps(_body(order), separators=(",", ":")).replace("/", "\\/").encode()
            what = f"Loja: {topic}, pedido {order.id} ({order.status})"
        if self.settings is None or self.is_disabled:
            return None
        url, secret = self.settings.webhook, self.settings.secret
        return Letter(what, url, _headers(topic), "X-WC-Webhook-Signature", secret, body, self._answered)

    def _answered(self, status: int) -> None:
        is_taken = is_success(status) or status in (HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND)
        self.failures = 0 if is_taken else self.failures + 1


def _modified(order: ShopOrder) -> tuple[datetime, int]:
    return order.modified, order.id


def _headers(topic: str) -> dict[str, str]:
    resource, _, event = topic.partition(".")
    # As the real one: no id of its own for each, but of the webhook and the second.
    delivery = hashlib.sha256(f"{_WEBHOOK}{int(time.time())}".encode()).hexdigest()[:32]
    return {
        "User-Agent": "WooCommerce/7.9.0 Hookshot (WordPress/6.1.9)",
        "X-WC-Webhook-Source": "https://loja.example.com/",
        "X-WC-Webhook-Topic": topic,
        "X-WC-Webhook-Resource": resource,
        "X-WC-Webhook-Event": event,
        "X-WC-Webhook-ID": str(_WEBHOOK),
        "X-WC-Webhook-Delivery-ID": delivery,
    }


def _body(order: ShopOrder) -> dict[str, object]:
    first, _, last = order.customer.partition(" ")
    address = {
        "first_name": first, "last_name": last, "company": "", "address_1": "Rua do Exemplo", "address_2": "",
        "city": "São Paulo", "state": "SP", "postcode": "01001-000", "country": "BR", "phone": order.phone,
    }  # fmt: skip
    items = _PRICE * order.quantity
    meta: list[Mapping[str, object]] = [{"id": 1, "key": "_billing_number", "value": "100"}]
    if order.is_tracked:
        meta.append({"id": 2, "key": "_correios_tracking_code", "value": order.label.tracking})
    return {
        "id": order.id, "number": str(order.id), "status": order.status, "currency": "BRL", "version": "7.9.0",
        **_times("created", order.created), **_times("modified", order.modified), **_times("paid", order.paid),
        "total": str(order.total), "total_tax": "0.00", "discount_total": "0.00", "shipping_total": str(_FREIGHT),
        "payment_method": "pix", "payment_method_title": "Pix", "created_via": "checkout", "customer_note": "",
        "billing": {**address, "email": "cliente@example.com"}, "shipping": address,
        "line_items": [
            {"id": 1, "name": "Caneca de cerâmica", "quantity": order.quantity, "price": float(_PRICE),
             "subtotal": str(items), "total": str(items), "total_tax": "0.00", "sku": "CAN-1"},
        ],
        "shipping_lines": [{"id": 2, "method_id": "flat_rate", "method_title": "PAC", "total": str(_FREIGHT)}],
        "fee_lines": [], "coupon_lines": [], "refunds": [], "meta_data": meta,
    }  # fmt: skip


def _times(name: str, when: datetime | None) -> dict[str, str | None]:
    """The shop's own time without offset, and UTC without one."""
    here, gmt = (when.astimezone(zone).replace(tzinfo=None) if when else None for zone in (_ZONE, UTC))
    written = {f"date_{name}": here, f"date_{name}_gmt": gmt}
    return {key: each.isoformat(timespec="seconds") if each else None for key, each in written.items()}


def _tracking_code(number: int) -> str:
    """A code of the postal union, with the right check digit."""
    digits = f"{number % 10**8:08d}"
    check = 11 - sum(int(digit) * weight for digit, weight in zip(digits, (8, 6, 4, 2, 3, 5, 9, 7), strict=True)) % 11
    return f"AA{digits}{ {10: 0, 11: 5}.get(check, check) }BR"
