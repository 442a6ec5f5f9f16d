"""Carriers' news: who may tell it, and what of it is refused."""

from __future__ import annotations

import io
import json
import operator
import os
import re
import subprocess
import time
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection, connections
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from integrations.carriers.models import CarrierNews
from integrations.carriers.sources.generic import sign
from integrations.carriers.updates import Status
from orders.models import Order
from tests.factories import TRACKING_CODE, make_order
from tests.integrations.carriers import ADDRESS, SECRET, START, news, post, tell, way
from tests.staff import client_of, make_staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("carrier_secret")]


class BrokenOff(io.BytesIO):
    """A body whose sender is gone."""

    def read(self, _size: int | None = -1) -> bytes:
        raise OSError("the connection was reset")


NOT_NOW = {"error": "The news cannot be taken in just now. Send it again."}


class TestWhatBreaks:
    def test_a_body_that_breaks_off_is_400(self, client: Client) -> None:
        response = client.post(ADDRESS, b"{}", content_type="application/json", **{"wsgi.input": BrokenOff()})  # type: ignore[arg-type]
        assert (response.status_code, response.json()) == (400, {"error": "The body broke off."})
        assert CarrierNews.objects.count() == 0

    @pytest.mark.django_db(transaction=True)
    def test_an_order_that_others_hold_is_503_and_the_news_may_come_again(self) -> None:
        order = make_order(until="shipped", delivery_method="correios_pac")
        body, timestamp = news("delivered"), str(int(time.time()))
        with closing(connections.create_connection("default")) as other:
            other.set_autocommit(False)
            with other.cursor() as cursor:
                cursor.execute("SELECT 1 FROM orders_order WHERE id = %s FOR UPDATE", [order.pk])
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '100ms'")
            try:
                response = post(body, timestamp=timestamp)
            finally:
                with connection.cursor() as cursor:
                    cursor.execute("RESET lock_timeout")
                other.rollback()
        assert (response.status_code, response.json()) == (503, NOT_NOW)
        assert (CarrierNews.objects.count(), way(order)) == (0, ["confirm", "ship"])
        assert post(body, timestamp=timestamp).json()["result"] == "applied"

    @pytest.mark.django_db(transaction=True)
    def test_a_lost_database_is_503_and_the_news_may_come_again(self) -> None:
        order = make_order(until="shipped", delivery_method="correios_pac")
        body, timestamp = news("delivered"), str(int(time.time()))
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        with closing(connections.create_connection("default")) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
            assert cursor.fetchone() == (True,)
        response = post(body, timestamp=timestamp)
        assert (response.status_code, response.json()) == (503, NOT_NOW)
        connection.close()
        assert (CarrierNews.objects.count(), way(order)) == (0, ["confirm", "ship"])
        assert post(body, timestamp=timestamp).json()["result"] == "applied"


class TestWhoMayTell:
    def test_a_replay_is_refused(self, shipped: Order) -> None:
        body, timestamp = news("out_for_delivery"), str(int(time.time()))
        assert post(body, timestamp=timestamp).status_code == 200
        response = post(body, timestamp=timestamp)
        assert response.status_code == 409
        assert response.json() == {"error": "This very request was received before. Sign it anew to send it again."}
        assert CarrierNews.objects.count() == 1

    @pytest.mark.parametrize("signature", ["", "sha256=", "sha256=" + "0" * 64, "não"])
    def test_a_wrong_signature_is_refused(self, shipped: Order, signature: str) -> None:
        response = post(news("delivered"), signature=signature)
        assert (response.status_code, response.json()) == (403, {"error": "X-Flowlog-Signature is missing or wrong."})

    def test_another_secret_body_or_timestamp_is_refused(self, shipped: Order) -> None:
        body, now = news("delivered"), int(time.time())
        assert post(body, secret="another").status_code == 403
        signed = f"sha256={sign(SECRET, str(now), body)}"
        assert post(body + b" ", timestamp=str(now), signature=signed).status_code == 403
        assert post(body, timestamp=str(now + 1), signature=signed).status_code == 403
        assert (CarrierNews.objects.count(), way(shipped)) == (0, ["confirm", "ship"])

    @pytest.mark.parametrize("timestamp", ["0", "-5", "abc", "9" * 30, "１２３"])
    def test_a_timestamp_that_is_none_is_refused(self, timestamp: str) -> None:
        assert post(news("delivered"), timestamp=timestamp).status_code == 403

    def test_five_minutes_are_the_limit_both_ways(self, shipped: Order) -> None:
        now = int(time.time())
        for off in (-330, 330):
            response = post(news("delivered"), timestamp=str(now + off))
            assert response.status_code == 403
            assert "at most 5 minutes off" in response.json()["error"]
        assert post(news("delivered"), timestamp=str(now - 270)).status_code == 200

    def test_without_a_secret_nothing_is_taken_and_the_log_says_so(
        self, settings: Any, shipped: Order, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.TRACKING_WEBHOOK_SECRET = ""
        assert post(news("delivered"), secret="").status_code == 403
        assert "TRACKING_WEBHOOK_SECRET is not set" in caplog.text
        assert way(shipped) == ["confirm", "ship"]

    def test_other_sources_and_methods(self, client: Client) -> None:
        response = client.post("/webhooks/tracking/other/")
        assert (response.status_code, response.json()) == (404, {"error": "There is no such source of news."})
        for method in ("get", "head"):
            assert getattr(client, method)(ADDRESS).status_code == 200  # carriers ask so whether somebody is here
        for method in ("put", "delete"):
            response = getattr(client, method)(ADDRESS)
            assert (response.status_code, response.headers["Allow"]) == (405, "POST")

    def test_a_body_beyond_64_kib_is_refused(self) -> None:
        assert post(b"[" * (64 * 1024)).status_code == 400
        assert post(b"[" * (64 * 1024 + 1)).status_code == 413
        assert post(b" " * (2 * 1024 * 1024)).status_code == 413


NO_TIME = "occurred_at must be a time with its offset, like 2026-11-23T14:30:00-03:00."
WRONG_TIME = "occurred_at must lie within the last year, and not in the future."


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "The body must be JSON."),
        (b"{", "The body must be JSON."),
        (b"\xff", "The body must be JSON."),
        (b"[]", "The body must be a JSON object."),
        (b"{}", "tracking_code is required."),
        (news("delivered", tracking_code=7), "tracking_code must be a string."),
        (news("delivered", tracking_code="a\0b"), "tracking_code must be a string."),
        (news("delivered", tracking_code="x" * 61), "tracking_code must have at most 60 characters."),
        (news("delivered", order=["x"]), "order must be a string."),
        (news("delivered", description=False), "description must be a string."),
        (news("delivered", description="\ud800"), "description must be a string."),
        (news("lost"), "status must be one of: posted, out_for_delivery, delivered, failed_attempt."),
        (news("delivered", status=None), "status is required."),
        (news("delivered", occurred_at=1764000000), "occurred_at must be a string."),
        (news("delivered", occurred_at="ontem"), NO_TIME),
        (news("delivered", occurred_at="2026-11-23T14:30:00"), NO_TIME),
        (news("delivered", occurred_at="0001-01-01T00:00:00+14:00"), WRONG_TIME),
        (news("delivered", occurred_at="9999-12-31T23:59:59-14:00"), WRONG_TIME),
    ],
)
def test_what_is_not_as_described_is_refused_by_name(shipped: Order, body: bytes, error: str) -> None:
    response = post(body)
    assert (response.status_code, response.json()) == (400, {"error": error})
    assert (CarrierNews.objects.count(), way(shipped)) == (0, ["confirm", "ship"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=10,
)
TEXT = st.text(max_size=61)
RECENT = st.integers(0, 20).map(lambda minute: (START + timedelta(minutes=minute)).isoformat())
CODE = st.sampled_from([TRACKING_CODE, "BB000000000BR", "ß" * 60]) | TEXT


def bodies(code: str) -> st.SearchStrategy[bytes]:
    """Bodies of which most are news of the order with this code, or nearly so."""
    fields = {
        "tracking_code": CODE,
        "status": st.sampled_from(Status.values),
        "occurred_at": RECENT,
        "order": st.sampled_from([code, code.lower()]),
    }
    others = {
        "occurred_at": st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
        "order": st.sampled_from(["ZZZZZZ", "ß" * 12]),
        "description": TEXT,
    }
    right = st.fixed_dictionaries(fields, optional={"description": TEXT})
    wrong = st.dictionaries(st.sampled_from([*fields, "description"]), JSON, max_size=2)
    odd = st.fixed_dictionaries({}, optional=others)
    nearly = st.builds(operator.or_, right, wrong | odd)
    return st.binary(max_size=40) | (right | nearly | JSON).map(lambda value: json.dumps(value).encode())


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bodies_whatever_are_an_error_of_ours(data: st.DataObject) -> None:
    order = make_order(until="confirmed", delivery_method="correios_pac")
    told = data.draw(st.lists(bodies(order.code), min_size=1, max_size=8))
    again = data.draw(st.lists(st.sampled_from(told), max_size=4))
    for body in data.draw(st.permutations([*told, *again])):
        response = post(body)
        answer = response.json()
        if response.status_code == 200:
            assert set(answer) == {"order", "result"}
            assert answer["result"] in {"applied", "refused", "late", "repeated"}
        else:
            assert response.status_code in {400, 404, 409}
            assert set(answer) == {"error"}
            assert answer["error"]


def test_a_long_description_is_cut(shipped: Order) -> None:
    assert tell("failed_attempt", description="ç" * 400) == (200, "applied")
    assert shipped.events.latest("pk").note == "ç" * 300


class TestAdmin:
    def test_the_timeline_tells_what_the_carrier_said(self, shipped: Order) -> None:
        tell("failed_attempt", 2, description="<b>Ausente</b>")
        tell("failed_attempt", 2)
        tell("out_for_delivery", 1)
        page = client_of(make_staff()).get(f"/admin/orders/order/{shipped.pk}/change/").content.decode()
        said = re.findall(r"<span>(Transportadora: .*?)</span>", page)
        first, second = (timezone.localtime(START + timedelta(minutes=n)).strftime("%d/%m/%Y %H:%M") for n in (1, 2))
        assert said == [
            f"Transportadora: saiu para entrega, {first}",
            f"Transportadora: tentativa sem sucesso, {second}",
        ]
        assert "mais antiga que a situação atual" in page
        assert "&lt;b&gt;Ausente&lt;/b&gt;" in page

    def test_the_list_shows_all_and_is_read_only(self, shipped: Order) -> None:
        tell("out_for_delivery")
        tell("delivered", tracking_code="BB000000000BR")
        client = client_of(make_staff())
        page = client.get("/admin/integrations/carriernews/").content.decode()
        assert "BB000000000BR" in page
        assert "generic" not in page
        assert "nenhum pedido com este código" in page
        assert client.get("/admin/integrations/carriernews/add/").status_code == 403


@pytest.mark.django_db(transaction=True)
def test_the_documented_example_works_as_it_stands(live_server: Any) -> None:
    order = make_order(until="confirmed", delivery_method="correios_pac")
    text = (django_settings.BASE_DIR / "integrations" / "CARRIERS.md").read_text()
    (example,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    variables = {
        "SITE_URL": live_server.url,
        "TRACKING_WEBHOOK_SECRET": SECRET,
        "TRACKING_CODE": TRACKING_CODE,
        "ORDER": order.code,
        "NO_PROXY": "*",
    }
    result = subprocess.run(
        ["bash", "-euc", example], env=os.environ | variables, capture_output=True, text=True, check=False, timeout=30
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {"order": order.code, "result": "applied"}
    order.refresh_from_db()
    assert (order.delivery_status, order.tracking_code) == ("shipped", TRACKING_CODE)
    assert abs(datetime.now(tz=START.tzinfo) - CarrierNews.objects.get().occurred_at) < timedelta(minutes=1)
