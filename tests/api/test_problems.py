"""What goes wrong is said as RFC 9457 has it, in Portuguese, whatever the address."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIRequest
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from orders.models import Customer, Order
from tests.api.client import ORDER, Program

pytestmark = pytest.mark.django_db
JSON = "application/json"


def changed(**values: Any) -> dict[str, Any]:
    return {**ORDER, **values}


ITEM = ORDER["items"][0]
WRONG: list[tuple[dict[str, Any], str, str, str]] = [
    (changed(customer={"name": "Ana", "phone": "12"}), "/customer/phone", "phone", "telefone"),
    (changed(customer={"name": "Ana", "phone": "(11) 99999-9999"}), "/customer/phone", "invalid", "+5511999999999"),
    (changed(customer={"name": " ", "phone": ""}), "/customer/name", "empty", "Isto não pode ficar vazio."),
    (changed(customer={"name": "Ana", "document": "111.111.111-11"}), "/customer/document", "cpf", "CPF"),
    (changed(customer={"name": "A\0"}), "/customer/name", "text", "caracteres"),
    (changed(items=[]), "/items", "too-short", "Aqui falta algo. O mínimo: 1."),
    (changed(items=[ITEM, {**ITEM, "unit_price": "1,50"}]), "/items/1/unit_price", "string-pattern-mismatch", "["),
    (changed(items=[{**ITEM, "unit_price": 1.5}]), "/items/0/unit_price", "string-type", "texto entre aspas"),
    (changed(items=[{**ITEM, "quantity": "0.000"}]), "/items/0/quantity", "quantity", "maior que zero"),
    (changed(items=[{**ITEM, "preço/~": 1}]), "/items/0/preço~1~0", "extra-forbidden", "Este campo não existe."),
    (changed(delivery_method="pombo"), "/delivery_method", "enum", "'pickup', 'courier'"),
    (changed(discount="9999.00"), "", "invalid", "desconto"),
    (changed(items=[{**ITEM, "quantity": "999999", "unit_price": "99999999.99"}]), "", "invalid", "12 dígitos"),
    (changed(notify=0), "/notify", "bool-type", "Isto deve ser true ou false."),
    (changed(reference={"source": "Minha Loja", "id": "1"}), "/reference/source", "string-pattern-mismatch", "["),
    (changed(reference={"source": "loja", "id": " 1"}), "/reference/id", "text", "visíveis"),
]


@pytest.mark.parametrize(("body", "pointer", "code", "words"), WRONG)
def test_a_wrong_value_is_pointed_at(program: Program, body: Any, pointer: str, code: str, words: str) -> None:
    status, problem = program.post("/orders", body, key="k")
    assert (status, program.last.headers["Content-Type"]) == (422, "application/problem+json")
    [error] = problem["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert words in error["message"]
    assert (Order.objects.count(), Customer.objects.count()) == (0, 0)
    # It was not carried out, so that the key is still free.
    assert program.post("/orders", ORDER, key="k")[0] == 201


def test_what_is_missing_or_of_another_kind(program: Program) -> None:
    status, problem = program.post("/orders", {"items": {}, "delivery_method": "courier", "customer": None})
    assert (status, problem["title"]) == (422, "Há algo errado na requisição")
    assert problem["errors"] == [
        {"pointer": "/customer", "code": "model-attributes-type", "message": "Isto deve ser um objeto."},
        {"pointer": "/items", "code": "list-type", "message": "Isto deve ser uma lista."},
    ]
    assert program.post("/orders", [])[1]["errors"][0]["pointer"] == ""


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nada", 404, "not-found"),
        ("POST", "/api/v2/orders", 404, "not-found"),
        ("PUT", "/api/", 404, "not-found"),
        ("GET", "/api/v1/orders/", 404, "not-found"),
        ("DELETE", "/api/v1/orders", 405, "method-not-allowed"),
        ("PATCH", "/api/v1/orders/ABC", 405, "method-not-allowed"),
        ("GET", "/api/v1/orders", 401, "unauthorized"),
        ("POST", "/api/v1/orders", 401, "unauthorized"),
    ],
)
def test_every_address_answers_with_a_problem(method: str, path: str, status: int, code: str) -> None:
    body = b"{}" if method in {"POST", "PUT", "PATCH"} else b""
    answer = Client(enforce_csrf_checks=True).generic(method, path, body, content_type=JSON if body else "")
    told = json.loads(answer.content)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert (told["status"], told["code"], told["type"]) == (status, code, f"urn:flowlog:problem:{code}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert not answer.cookies
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="Flowlog"'
    if status == 405:
        assert "GET" in answer.headers["Allow"]


def test_probes_are_answered(program: Program) -> None:
    client, headers = Client(), {"authorization": f"Bearer {program.secret}"}
    got = client.get("/api/v1/orders", headers=headers)
    looked = client.head("/api/v1/orders", headers=headers)
    assert (looked.status_code, looked.content) == (200, b"")
    assert looked.headers["Content-Type"] == got.headers["Content-Type"]
    assert looked.headers["Content-Length"] == str(len(got.content))
    assert client.head("/api/v1/orders").status_code == 401
    assert client.head("/api/v1/nada", headers=headers).status_code == 404
    code = program.post("/orders", ORDER)[1]["code"]
    refused = client.head(f"/api/v1/orders/{code}/cancel", headers=headers)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST, OPTIONS")
    asked = client.options("/api/v1/orders", headers=headers)
    assert (asked.status_code, asked.content) == (204, b"")
    assert set(asked.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}
    assert client.options("/api/v1/nada", headers=headers).status_code == 404


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", JSON, 400, "malformed"),
        (b"\xff", JSON, 400, "malformed"),
        (b"[" * 100_000, JSON, 400, "malformed"),
        (b"a=1", "application/x-www-form-urlencoded", 415, "not-json"),
        (b"{}", "", 415, "not-json"),
        (b" " * (1024 * 1024 + 1), JSON, 413, "too-large"),
        (b" " * (1024 * 1024), JSON, 400, "malformed"),
    ],
)
def test_only_json_of_up_to_a_mebibyte_is_taken(
    program: Program, body: bytes, kind: str, status: int, code: str
) -> None:
    headers = {"authorization": f"Bearer {program.secret}"}
    answer = Client().generic("POST", "/api/v1/orders", body, content_type=kind, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


class _HungUp:
    """What the web server hands over of a client that hangs up after the beginning of its body."""

    def __init__(self) -> None:
        self._left = [b'{"customer"']

    def readline(self, *_size: int) -> bytes:
        return self.read()

    def read(self, *_size: int) -> bytes:
        if self._left:
            return self._left.pop()
        raise ConnectionResetError


@pytest.mark.parametrize("kind", [JSON, "text/plain"])
def test_a_client_that_hangs_up_is_no_defect(program: Program, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    headers = {"authorization": f"Bearer {program.secret}"}
    sent = RequestFactory().post("/api/v1/orders", b" " * 500, content_type=kind, headers=headers)
    request = WSGIRequest({**sent.environ, "wsgi.input": _HungUp()})
    handler = BaseHandler()
    handler.load_middleware()
    answer = handler.get_response(request)
    codes = {JSON: (400, "malformed"), "text/plain": (415, "not-json")}
    assert isinstance(answer, HttpResponse)
    assert (answer.status_code, json.loads(answer.content)["code"]) == codes[kind]
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


def test_a_database_that_is_away_is_no_defect(program: Program, caplog: pytest.LogCaptureFixture) -> None:
    def away(execute: Any, sql: str, *rest: Any) -> Any:
        if "api_apitoken" in sql:
            raise OperationalError("gone")
        return execute(sql, *rest)

    with connection.execute_wrapper(away):
        status, problem = program.get("/orders")
    assert (status, problem["code"], program.last.headers["Retry-After"]) == (503, "unavailable", "5")
    assert program.secret not in caplog.text


def test_a_defect_is_logged_and_nothing_of_it_told(program: Program, caplog: pytest.LogCaptureFixture) -> None:
    def broken(execute: Any, sql: str, *rest: Any) -> Any:
        if "INSERT INTO" in sql and "orders_orderitem" in sql:
            raise RuntimeError("um segredo")
        return execute(sql, *rest)

    with connection.execute_wrapper(broken):
        status, problem = program.post("/orders", ORDER, key="k")
    assert (status, problem["code"], Order.objects.count()) == (500, "internal-error", 0)
    assert "segredo" not in program.last.content.decode()
    assert "RuntimeError: um segredo" in caplog.text
    assert "98765" not in caplog.text
    assert program.post("/orders", ORDER, key="k")[0] == 201


def test_statements(program: Program) -> None:
    """So many each, whatever there is; beside them one a minute for the token's last use."""
    made = program.post("/orders", ORDER)[1]
    program.post("/orders", ORDER)
    counts = {}
    asked: dict[str, Callable[[], tuple[int, Any]]] = {
        "create": lambda: program.post("/orders", ORDER, key="k"),
        "again": lambda: program.post("/orders", ORDER, key="k"),
        "get": lambda: program.get(f"/orders/{made['code']}"),
        "list": lambda: program.get("/orders"),
        "transition": lambda: program.post(f"/orders/{made['code']}/transitions", {"name": "confirm"}),
        "put": lambda: program.put("/orders/by-reference/loja/1", {**ORDER, "state": {"confirmed": True}}),
        "put again": lambda: program.put("/orders/by-reference/loja/1", {**ORDER, "state": {"confirmed": True}}),
    }
    for name, ask in asked.items():
        with CaptureQueriesContext(connection) as queries:
            assert ask()[0] in {200, 201}
        counts[name] = len([each for each in queries if not each["sql"].startswith(("SAVEPOINT", "RELEASE"))])
    assert counts == {
        "create": 14, "again": 4, "get": 6, "list": 4, "transition": 11, "put": 21, "put again": 9,
    }  # fmt: skip
