"""Who gets in, to what, and how often."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from api.models import ApiToken, hash_of
from flowlog.logs.masking import Masker
from orders.models import Order
from tests.api.client import EVERY_SCOPE, ORDER, Program, make_token
from tests.factories import make_order
from tests.staff import make_staff

pytestmark = pytest.mark.django_db

# Each operation with the scope that it needs; {code} is an order's.
OPERATIONS: list[tuple[str, str, Any, str]] = [
    ("GET", "/orders", None, "orders:read"),
    ("GET", "/orders/{code}", None, "orders:read"),
    ("GET", "/orders/by-reference/loja/1", None, "orders:read"),
    ("GET", "/orders/{code}/messages", None, "messages:read"),
    ("POST", "/orders", ORDER, "orders:write"),
    ("PUT", "/orders/by-reference/loja/1", ORDER, "orders:write"),
    ("POST", "/orders/{code}/transitions", {"name": "confirm"}, "transitions"),
    ("POST", "/orders/{code}/cancel", {}, "transitions"),
]


def test_a_token_is_kept_as_its_hash_alone() -> None:
    token, secret = make_token()
    _other, another = make_token(is_test=True, name="Teste")
    assert secret.startswith("flw_live_")
    assert another.startswith("flw_test_")
    assert len(secret) == 52
    assert token.hint == secret[:13]
    assert token.token_hash == hash_of(secret)
    row = ApiToken.objects.filter(pk=token.pk).values().get()
    assert [name for name, value in row.items() if secret in str(value)] == []


@pytest.mark.parametrize(("method", "path", "body", "scope"), OPERATIONS)
def test_each_operation_asks_for_its_scope(method: str, path: str, body: Any, scope: str) -> None:
    order = make_order(source="loja", external_id="1")
    address = path.format(code=order.code)
    lacking = Program(scopes=[each for each in EVERY_SCOPE if each != scope])
    status, problem = lacking._ask(method, address, body)
    assert (status, problem["code"]) == (403, "missing-scope")
    assert scope in problem["detail"]
    assert lacking.last.headers["WWW-Authenticate"].endswith(f'scope="{scope}"')
    assert Order.objects.get().status == "pending"
    assert Program(scopes=[scope])._ask(method, address, body)[0] in {200, 201}


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer flw_live_x", "Basic {secret}", "{secret}", "Bearer {secret}x", "Bearer x{secret}",
     "Bearer flw_live_" + "x" * 10_000, "Token {secret}", "Bearer flw_live_é"],
)  # fmt: skip
def test_no_way_in_without_a_token(authorization: str) -> None:
    _token, secret = make_token()
    make_order()
    ana = Client()
    ana.force_login(make_staff("ana"))
    given = {"authorization": authorization.format(secret=secret)} if authorization else {}
    for method, path, _body, _scope in OPERATIONS:
        address = f"/api/v1{path.format(code='ABC')}"
        # A person who is logged in is nobody here.
        answer = ana.generic(method, address, "{}", content_type="application/json", headers=given)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), address
    assert Order.objects.count() == 1


def test_what_is_over_opens_nothing() -> None:
    program = Program()
    assert program.get("/orders")[0] == 200
    ApiToken.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    assert program.get("/orders")[0] == 200
    ApiToken.objects.update(expires_at=timezone.now())
    assert program.get("/orders")[0] == 401
    ApiToken.objects.update(expires_at=None, revoked_at=timezone.now())
    assert program.get("/orders")[0] == 401


def test_its_last_use_is_noted_once_a_minute() -> None:
    program = Program()
    program.get("/orders")
    first = ApiToken.objects.get().last_used_at
    program.get("/orders")
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    program.get("/orders")
    assert ApiToken.objects.get().last_used_at > first  # type: ignore[operator]


def test_its_requests_are_limited_and_come_back(settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3
    program, other = Program(), Program(name="Outro")
    left = []
    for _ in range(3):
        assert program.get("/orders")[0] == 200
        left.append(program.last.headers["RateLimit"].partition("r=")[2][0])
    assert (left, program.last.headers["RateLimit-Policy"]) == (["2", "1", "0"], '"token";q=3;w=60')
    status, problem = program.get("/orders")
    assert (status, problem["code"]) == (429, "too-many-requests")
    assert 1 <= int(program.last.headers["Retry-After"]) <= 20
    assert program.last.headers["RateLimit"].startswith('"token";r=0;')
    assert other.get("/orders")[0] == 200
    # As if so long had gone by.
    from api.models import RateBucket

    RateBucket.objects.filter(token=program.token).update(at=timezone.now() - timedelta(seconds=21))
    assert [program.get("/orders")[0] for _ in range(2)] == [200, 429]
    RateBucket.objects.filter(token=program.token).update(at=timezone.now() - timedelta(days=1))
    assert [program.get("/orders")[0] for _ in range(4)] == [200, 200, 200, 429]


def test_guesses_from_one_address_are_slowed_and_a_token_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.auth.FAILURES_PER_MINUTE", 3)
    program, stranger = Program(), Client()
    guess = {"authorization": "Bearer flw_live_" + "x" * 43}
    answers = [stranger.get("/api/v1/orders", headers=guess) for _ in range(5)]
    assert [each.status_code for each in answers] == [401, 401, 401, 429, 429]
    assert (answers[-1].headers["Retry-After"], answers[-1].json()["code"]) == ("60", "too-many-requests")
    assert stranger.get("/api/v1/orders", headers=guess, REMOTE_ADDR="198.51.100.7").status_code == 401
    assert program.get("/orders")[0] == 200


def test_a_token_is_hidden_in_logs() -> None:
    _token, secret = make_token()
    assert Masker()(f"seen {secret} there, and {secret}") == "seen flw_live_*** there, and flw_live_***"
