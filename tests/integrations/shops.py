"""A shop on WooCommerce as Flowlog meets it: its orders, its signatures, its requests. Invented data."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import requests

from integrations.shops import SHOPS
from integrations.shops.models import ShopConnection
from orders.models import Store

SECRET = 'segredo-da-loja & "aspas"'
AGENT = "WooCommerce/7.9.0 Hookshot (WordPress/6.1.9)"
TRACKING = {"id": 9, "key": "_correios_tracking_code", "value": "AA123456785BR"}


def required(source: str = "woocommerce") -> dict[str, str]:
    """What a source asks for at least, each with the same secret."""
    return {each.name: SECRET for each in SHOPS[source].CREDENTIALS if each.required}


def make_connection(source: str = "woocommerce", store: Store | None = None, **values: Any) -> ShopConnection:
    credentials = values.pop("credentials", None)
    connection = ShopConnection(
        **{
            "store": store or Store.get_default(),
            "source": source,
            "name": "Loja virtual",
            # Before all the orders of the tests.
            "created_at": datetime(2026, 11, 1, tzinfo=UTC),
        }
        | values
    )
    connection.keep(required(source) if credentials is None else credentials)
    connection.save(force_insert=True)
    return connection


def order(status: str = "processing", at: str = "2026-11-27T10:58:42", **values: Any) -> dict[str, Any]:
    """An order's body, with what matters of the 2,446 bytes that one has."""
    return {
        "id": 11,
        "number": "1011",
        "status": status,
        "currency": "BRL",
        "total": "114.80",
        "discount_total": "0.00",
        "shipping_total": "15.00",
        "date_created": "2026-11-27T07:58:40",
        "date_created_gmt": "2026-11-27T10:58:40",
        "date_modified": "2026-11-27T07:58:42",
        "date_modified_gmt": at,
        "date_paid_gmt": None,
        "payment_method": "pix",
        "customer_note": "",
        "billing": {
            "first_name": "Maria", "last_name": "São José", "company": "", "address_1": "Rua das Flores",
            "address_2": "", "city": "São Paulo", "state": "SP", "postcode": "01001-000", "country": "BR",
            "email": "maria@example.com", "phone": "(11) 98765-4321",
        },
        "shipping": {
            "first_name": "Maria", "last_name": "São José", "address_1": "Rua das Flores", "address_2": "",
            "city": "São Paulo", "state": "SP", "postcode": "01001-000", "country": "BR", "phone": "",
        },
        "line_items": [
            {"id": 1, "name": "Camiseta azul", "quantity": 2, "price": 49.9, "subtotal": "99.80", "total": "99.80",
             "total_tax": "0.00", "sku": "CAM-1"},
        ],
        "shipping_lines": [{"id": 2, "method_id": "flat_rate", "method_title": "PAC", "total": "15.00"}],
        "fee_lines": [],
        "coupon_lines": [],
        "refunds": [],
        "meta_data": [],
    } | values  # fmt: skip


def written(values: Any) -> bytes:
    """As PHP writes it: `/` and what is not ASCII escaped."""
    return json.dumps(values, separators=(",", ":")).replace("/", "\\/").encode()


def sign(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def headers(body: bytes, topic: str = "order.updated", **changed: str) -> dict[str, str]:
    resource, _dot, event = topic.partition(".")
    return {
        "User-Agent": AGENT,
        "Content-Type": "application/json",
        "Connection": "close",
        "X-WC-Webhook-Source": "https://loja.example.com/",
        "X-WC-Webhook-Topic": topic,
        "X-WC-Webhook-Resource": resource,
        "X-WC-Webhook-Event": event,
        "X-WC-Webhook-Signature": sign(body),
        "X-WC-Webhook-ID": "7",
        "X-WC-Webhook-Delivery-ID": "0123456789abcdef0123456789abcdef",
    } | changed


def send(address: str, values: Any, topic: str = "order.updated", **changed: str) -> int:
    """What the shop is answered, over HTTP; redirects are not followed, as the shop does not."""
    body = values if isinstance(values, bytes) else written(values)
    answer = requests.post(address, body, headers=headers(body, topic, **changed), timeout=60, allow_redirects=False)
    return answer.status_code
