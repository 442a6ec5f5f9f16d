"""Nuvemshop as Flowlog meets it: the page where an app is installed, its API, what it signs. Invented data."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from integrations.shops.models import ShopConnection
from orders.models import Store
from tests.integrations.raw_server import Connection, raw_server
from tests.integrations.shops import make_connection as make

SECRET, TOKEN, SHOP, CODE = "segredo-do-app", "t0k3n-da-loja", "123", "c0d1g0"


class Nuvemshop:
    """A server that knows one app, one shop and these orders. `calls` are what it was asked, `answers` what it answers
    next instead of what it would: status and more headers."""

    def __init__(self) -> None:
        self.url = ""
        self.orders: dict[str, dict[str, Any]] = {}
        self.webhooks: list[dict[str, str]] = []
        self.refused: set[str] = set()
        self.calls: list[tuple[str, str]] = []
        self.exchanges: list[Any] = []
        self.answers: list[tuple[str, str]] = []

    def talk(self, connection: Connection) -> None:
        while request := connection.request():
            head, _, body = request.partition(b"\r\n\r\n")
            method, target, _version = head.split(b"\r\n")[0].decode().split(" ")
            path = urlsplit(target).path
            self.calls.append((method, path))
            if self.answers:
                status, headers = self.answers.pop(0)
                connection.answer(b"{}", status, headers)
                continue
            status, said = self._answer(method, path, head.decode(), json.loads(body or b"{}"), target)
            connection.answer(json.dumps(said).encode(), status)

    def _answer(self, method: str, path: str, head: str, sent: Any, target: str) -> tuple[str, Any]:
        if path == "/apps/authorize/token":
            self.exchanges.append(sent)
            if (sent["client_secret"], sent["code"]) != (SECRET, CODE):
                return "400 Bad Request", {"error": "invalid_grant"}
            return "200 OK", {"access_token": TOKEN, "token_type": "bearer", "scope": "read_orders", "user_id": SHOP}
        if f"Authentication: bearer {TOKEN}" not in head or "User-Agent: Flowlog (ana@example.com)" not in head:
            return "401 Unauthorized", {"code": 401}
        if path == f"/v1/{SHOP}/webhooks":
            return self._webhooks(method, sent, target)
        order = self.orders.get(path.removeprefix(f"/v1/{SHOP}/orders/"))
        return ("200 OK", order) if order else ("404 Not Found", {"code": 404})

    def _webhooks(self, method: str, sent: Any, target: str) -> tuple[str, Any]:
        if method == "GET":
            url = parse_qs(urlsplit(target).query)["url"][0]
            return "200 OK", [each for each in self.webhooks if each["url"] == url]
        if sent["event"] in self.refused:
            return "422 Unprocessable Entity", {"event": ["invalid"]}
        self.webhooks.append(sent)
        return "201 Created", sent


@contextmanager
def nuvemshop() -> Iterator[Nuvemshop]:
    shop = Nuvemshop()
    with raw_server(shop.talk) as server:
        shop.url = server.url
        yield shop


def app(url: str = "http://127.0.0.1:9", **changed: str) -> dict[str, str]:
    """What the owner enters."""
    entered = {"app_id": "77", "secret": SECRET, "mail": "ana@example.com", "api": url, "site": url}
    return entered | changed


def make_connection(url: str = "http://127.0.0.1:9", store: Store | None = None, **values: Any) -> ShopConnection:
    """One that is installed."""
    credentials = app(url) | {"store_id": SHOP, "token": TOKEN} | values.pop("credentials", {})
    return make("nuvemshop", store, credentials=credentials, **values)


def order(number: str, **values: Any) -> dict[str, Any]:
    """An order as the API gives it."""
    return {
        "id": int(number),
        "number": int(number) - 300,
        "status": "open",
        "payment_status": "paid",
        "shipping_status": "unpacked",
        "shipping_pickup_type": "ship",
        "shipping_option": "Correios - SEDEX",
        "created_at": "2026-11-27T07:50:00-0300",
        "updated_at": "2026-11-27T07:58:42-0300",
        "contact_name": "Maria São José",
        "contact_phone": "+5511987654321",
        "contact_identification": "52998224725",
        "total": "114.80",
        "discount": "0.00",
        "shipping_cost_customer": "15.00",
        "shipping_address": {"address": "Rua das Flores", "number": "12", "city": "São Paulo", "province": "SP"},
        "products": [{"name": "Camiseta azul", "price": "49.90", "quantity": 2}],
    } | values


def sign(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def send(address: str, values: Any, secret: str = SECRET) -> int:
    """What Nuvemshop is answered, over HTTP."""
    body = values if isinstance(values, bytes) else json.dumps(values).encode()
    headers = {"Content-Type": "application/json", "x-linkedstore-hmac-sha256": sign(body, secret)}
    return requests.post(address, body, headers=headers, timeout=10, allow_redirects=False).status_code
