"""A program of the shop that uses the API, over Django's test client."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from api.models import ApiToken
from orders.models import Store

EVERY_SCOPE = ApiToken.Scope.values
ORDER: dict[str, Any] = {
    "customer": {"name": "Maria da Silva", "phone": "(11) 98765-4321"},
    "items": [{"description": "Camiseta azul", "quantity": "2", "unit_price": "49.90"}],
    "delivery_method": "correios_pac",
    "delivery_address": "Rua das Flores, 120",
    "freight": "15.00",
}


def make_token(store: Store | None = None, **values: Any) -> tuple[ApiToken, str]:
    """A token of the store with all scopes, unless the test says otherwise, and what opens the door."""
    given = {"name": "Minha loja", "scopes": EVERY_SCOPE} | values
    token = ApiToken(store=store or Store.get_default(), **given)
    secret = token.renew()
    token.save()
    return token, secret


class Program:
    """`get`, `post` and `put` give status and JSON; `last` is the whole answer."""

    def __init__(self, store: Store | None = None, **values: Any) -> None:
        self.token, self.secret = make_token(store, **values)
        self._client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        self.last: Any = None

    def get(self, path: str, **query: Any) -> tuple[int, Any]:
        return self._ask("GET", path, query_params=query)

    def post(self, path: str, body: Any, key: str = "", **query: Any) -> tuple[int, Any]:
        headers = {"idempotency-key": key} if key else {}
        return self._ask("POST", path, body, headers, query_params=query)

    def put(self, path: str, body: Any, **query: Any) -> tuple[int, Any]:
        return self._ask("PUT", path, body, query_params=query)

    def _ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **more: Any
    ) -> tuple[int, Any]:
        self.last = self._client.generic(
            method,
            f"/api/v1{path}",
            b"" if body is None else body if isinstance(body, bytes) else json.dumps(body),
            content_type="" if body is None else "application/json",
            headers={"authorization": f"Bearer {self.secret}", **(headers or {})},
            **more,
        )
        return self.last.status_code, json.loads(self.last.content)
