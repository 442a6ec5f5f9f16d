"""Carriers' news: who may tell it, what it becomes, and that repeats and reorderings do no harm."""

from __future__ import annotations

import io
import json
import operator
import os
import re
import subprocess
import threading
import time
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from integrations.carriers.models import CarrierNews
from integrations.carriers.sources.generic import sign
from integrations.models import EvolutionInstance, NotificationLog
from integrations.signals import shipment_status_changed
from notifications import texts
from orders.models import Order
from orders.services import apply_transition
from tests.factories import TRACKING_CODE, make_instance, make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

SECRET = "a-secret-for-tests"
ADDRESS = "/webhooks/tracking/generic/"
CORREIOS = "https://rastreamento.correios.com.br/app/index.php?objetos="
START = timezone.now() - timedelta(hours=12)


@pytest.fixture(autouse=True)
def secret(settings: Any) -> None:
    settings.TRACKING_WEBHOOK_SECRET = SECRET


@pytest.fixture
def shipped() -> Order:
    return make_order(until="shipped", delivery_method="correios_pac")


def post(body: bytes, *, timestamp: str = "", secret: str = SECRET, signature: str | None = None) -> Any:
    """The answer to a signed request; `secret` and `signature` may be wrong ones."""
    timestamp = timestamp or str(int(time.time()))
    signature = f"sha256={sign(secret, timestamp, body)}" if signature is None else signature
    headers = {"X-Flowlog-Timestamp": timestamp, "X-Flowlog-Signature": signature}
    return Client(enforce_csrf_checks=True).post(ADDRESS, body, content_type="application/json", headers=headers)


def news(status: str, minute: int = 0, /, **values: Any) -> bytes:
    """The body that tells of `status`, `minute` minutes after `START`; never twice the same bytes."""
    occurred_at = (START + timedelta(minutes=minute)).isoformat()
    fields = {"tracking_code": TRACKING_CODE, "status": status, "occurred_at": occurred_at, "id": os.urandom(8).hex()}
    return json.dumps(fields | values).encode()


def tell(status: str, minute: int = 0, **values: Any) -> tuple[int, str]:
    """The status of the answer, and its result or error."""
    response = post(news(status, minute, **values))
    answer = response.json()
    return response.status_code, answer.get("result") or answer["error"]


def way(order: Order) -> list[str]:
    return list(order.events.order_by("pk").values_list("transition", flat=True))[1:]


class TestWhatItBecomes:
    def test_a_parcels_way_becomes_the_orders_and_is_told(self) -> None:
        make_instance()
        order = make_order(until="confirmed", delivery_method="correios_sedex")
        assert tell("posted", 0, order=order.code.lower(), tracking_code="aa123456785br") == (200, "applied")
        order.refresh_from_db()
        assert (order.delivery_status, order.tracking_code) == ("shipped", TRACKING_CODE)
        assert tell("out_for_delivery", 1) == (200, "applied")
        assert tell("failed_attempt", 2, description=" Ninguém\nem casa ") == (200, "applied")
        assert tell("out_for_delivery", 3) == (200, "applied")
        assert tell("delivered", 4) == (200, "applied")
        order.refresh_from_db()
        assert (order.status, order.delivery_status, order.delivery_attempts) == ("completed", "delivered", 1)
        assert messages() == ["ship", "out_for_delivery", "fail_delivery", "out_for_delivery", "deliver"]
        assert NotificationLog.objects.get(event="fail_delivery").snapshot["reason"] == "Ninguém em casa"
        assert list(CarrierNews.objects.order_by("pk").values_list("event", flat=True)) == list(
            order.events.order_by("pk").values_list("pk", flat=True)[2:]
        )

    def test_what_the_order_cannot_take_is_a_line_with_its_reason(self) -> None:
        order = make_order(delivery_method="correios_pac")
        assert tell("posted", order=order.code) == (200, "refused")
        row = CarrierNews.objects.get()
        assert row.reason == (
            f"“Marcar como enviado” não é possível para o pedido {order.code}: a situação está como “pendente”."
        )
        assert (way(order), row.event, row.order) == ([], None, order)

    def test_another_tracking_code_moves_nothing(self, shipped: Order) -> None:
        assert tell("delivered", order=shipped.code, tracking_code="BB000000000BR") == (200, "refused")
        assert CarrierNews.objects.get().reason == f"O pedido tem outro código de rastreio: {TRACKING_CODE}."
        assert way(shipped) == ["confirm", "ship"]

    def test_an_unknown_code_is_kept_and_shown_once_an_order_has_it(self) -> None:
        assert tell("out_for_delivery") == (404, "No order has this code.")
        assert tell("out_for_delivery", order="ZZZZZZ") == (404, "No order has this code.")
        order = make_order(until="shipped", delivery_method="carrier")
        page = client_of(make_staff()).get(f"/admin/orders/order/{order.pk}/change/").content.decode()
        assert page.count("nenhum pedido com este código") == 2
        assert tell("out_for_delivery") == (200, "applied")

    def test_two_orders_with_one_code_need_the_orders_name(self, shipped: Order) -> None:
        other = make_order(until="shipped", delivery_method="correios_pac")
        status, error = tell("delivered")
        assert (status, error) == (409, "Several orders have this tracking code: name the one you mean in `order`.")
        assert way(shipped) == way(other) == ["confirm", "ship"]
        client = client_of(make_staff())
        for order in (shipped, other):
            page = client.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
            assert "mais de um pedido com este código" in page
        assert tell("delivered", order=other.code) == (200, "applied")
        assert (way(shipped), way(other)) == (["confirm", "ship"], ["confirm", "ship", "deliver"])

    def test_a_code_used_again_means_the_order_under_way(self, shipped: Order) -> None:
        apply_transition(shipped, "deliver")
        other = make_order(until="shipped", delivery_method="correios_pac")
        assert tell("delivered") == (200, "applied")
        assert way(other) == ["confirm", "ship", "deliver"]

    def test_the_orders_of_a_code_are_found_by_an_index(self, shipped: Order) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        with CaptureQueriesContext(connection) as queries:
            tell("delivered")
        (query,) = [entry["sql"] for entry in queries if "UPPER(" in entry["sql"]]
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {query}")
            assert "order_tracking_code" in "".join(row[0] for row in cursor.fetchall())


class TestOneParcelHoweverItsCodeIsWritten:
    @pytest.mark.parametrize(
        "typed",
        [
            "aa223456788br", "AA 323 456 781 BR", "AA423456784BR\u200b", "AA-923456789-BR", "Objeto: AA723456783BR",
            "https://rastreamento.correios.com.br/app/index.php?objetos=aa623456787br",
        ],
    )  # fmt: skip
    def test_the_news_of_a_code_that_was_pasted_is_applied(self, typed: str) -> None:
        make_instance()
        order = make_order(until="confirmed", delivery_method="correios_pac")
        apply_transition(order, "ship", tracking_code=typed)
        code = order.tracking_code
        assert re.fullmatch("AA[0-9]{9}BR", code)
        text = texts.render("ship", NotificationLog.objects.get().parsed_snapshot)
        assert f"Código de rastreio: *{code}*\nRastreie por aqui: {CORREIOS}{code}\n" in text
        assert tell("delivered", tracking_code=code) == (200, "applied")

    @pytest.mark.parametrize(
        "told", ["AA 123 456 785 BR", "aa-123456785-br", "AA123456785BR\u200b", "\uff21\uff21123456785BR"]
    )
    def test_the_carrier_may_write_it_in_its_way(self, shipped: Order, told: str) -> None:
        assert tell("out_for_delivery", 1, tracking_code=told) == (200, "applied")
        assert tell("delivered", 2, tracking_code=told, order=f"#{shipped.code.lower()}") == (200, "applied")
        assert set(CarrierNews.objects.values_list("tracking_code", flat=True)) == {TRACKING_CODE}

    def test_the_news_of_both_parcels_counts_and_the_last_one_delivers(self) -> None:
        make_instance()
        order = make_order(until="confirmed", delivery_method="correios_pac")
        one, other = "AA523456787BR", "AA523456795BR"
        apply_transition(order, "ship", tracking_code=f"{one}, {other}")
        text = texts.render("ship", NotificationLog.objects.get().parsed_snapshot)
        assert [f"Rastreie por aqui: {CORREIOS}{code}\n" in text for code in (one, other)] == [True, True]
        assert tell("out_for_delivery", 1, tracking_code=one) == (200, "applied")
        assert tell("failed_attempt", 2, tracking_code=other) == (200, "applied")
        assert tell("delivered", 3, tracking_code=one) == (200, "refused")
        assert results()[-1] == (
            "delivered",
            "refused",
            f"Outro pacote do pedido ainda não tinha sido entregue: {other}.",
        )
        assert way(order)[1:] == ["ship", "out_for_delivery", "fail_delivery"]
        assert tell("delivered", 4, tracking_code=other) == (200, "applied")
        assert way(order)[1:] == ["ship", "out_for_delivery", "fail_delivery", "deliver"]
        assert messages() == ["ship", "out_for_delivery", "fail_delivery", "deliver"]

    def test_of_two_parcels_what_comes_late_delivers_all_the_same(self) -> None:
        order = make_order(until="confirmed", delivery_method="correios_pac")
        apply_transition(order, "ship", tracking_code="AA523456787BR, AA523456795BR")
        assert tell("delivered", 4, tracking_code="AA523456795BR") == (200, "refused")
        assert tell("delivered", 3, tracking_code="AA523456787BR") == (200, "refused")
        assert way(order)[1:] == ["ship", "deliver"]
        assert results() == [
            ("delivered", "applied", ""),
            ("delivered", "refused", "Outro pacote do pedido foi entregue por último: AA523456795BR."),
        ]

    def test_a_posted_parcel_takes_no_code_from_the_order(self) -> None:
        order = make_order(until="confirmed", delivery_method="correios_pac")
        Order.objects.filter(pk=order.pk).update(tracking_code="AA523456787BR, AA523456795BR")
        assert tell("posted", tracking_code="AA523456795BR") == (200, "applied")
        order.refresh_from_db()
        assert order.tracking_code == "AA523456787BR, AA523456795BR"

    def test_after_a_correction_the_right_parcels_news_is_applied(self, shipped: Order) -> None:
        right = "AA323456785BR"
        assert tell("out_for_delivery", 1, tracking_code=right)[0] == 404
        assert tell("out_for_delivery", 1, tracking_code=right, order=shipped.code) == (200, "refused")
        apply_transition(shipped, "correct_tracking", tracking_code=right)
        assert tell("delivered", 2, tracking_code=right) == (200, "applied")
        assert way(shipped)[2:] == ["correct_tracking", "out_for_delivery", "deliver"]
        assert tell("delivered", 3)[0] == 404


def messages() -> list[str]:
    """The kinds of the customers' messages, in their order."""
    return list(NotificationLog.objects.order_by("pk").values_list("event", flat=True))


def results() -> list[tuple[str, str, str]]:
    return list(CarrierNews.objects.order_by("pk").values_list("status", "result", "reason"))


class TestRepeatsAndReorderings:
    def test_the_same_news_twice_is_one_transition_and_one_line(self, shipped: Order) -> None:
        assert [tell("out_for_delivery")[1] for _ in range(3)] == ["applied", "repeated", "repeated"]
        assert way(shipped) == ["confirm", "ship", "out_for_delivery"]

    def test_a_repeat_never_takes_the_order_back(self, shipped: Order) -> None:
        tell("out_for_delivery", 1)
        tell("failed_attempt", 2)
        assert tell("out_for_delivery", 1) == (200, "repeated")
        assert way(shipped)[-1] == "fail_delivery"

    def test_an_older_one_after_a_newer_one_is_only_a_line(self, shipped: Order) -> None:
        tell("failed_attempt", 2)
        assert tell("out_for_delivery", 1) == (200, "late")
        assert tell("out_for_delivery", 3) == (200, "applied")
        assert tell("failed_attempt", 2) == (200, "repeated")
        tell("delivered", 5)
        assert tell("failed_attempt", 4) == (200, "late")
        assert way(shipped)[2:] == ["fail_delivery", "out_for_delivery", "deliver"]

    def test_news_older_than_what_staff_entered_does_not_take_the_order_back(self, shipped: Order) -> None:
        apply_transition(shipped, "out_for_delivery")
        assert tell("failed_attempt", 1) == (200, "late")
        assert tell("delivered", 2) == (200, "applied")

    def test_what_was_refused_is_taken_when_it_has_become_possible(self) -> None:
        order = make_order(delivery_method="correios_pac")
        assert tell("posted", order=order.code) == (200, "refused")
        assert tell("posted", order=order.code) == (200, "repeated")
        apply_transition(order, "confirm")
        assert tell("posted", order=order.code) == (200, "applied")

    def test_what_came_too_early_is_applied_after_what_it_waited_for(self) -> None:
        make_instance()
        order = make_order(until="confirmed", delivery_method="correios_pac")
        assert tell("delivered", 5, order=order.code) == (200, "refused")
        assert tell("failed_attempt", 3, order=order.code) == (200, "refused")
        assert tell("delivered", 5, order=order.code) == (200, "repeated")
        assert way(order) == ["confirm"]
        assert tell("posted", 1, order=order.code) == (200, "applied")
        assert way(order) == ["confirm", "ship", "fail_delivery", "deliver"]
        order.refresh_from_db()
        assert (order.status, order.delivery_status, order.tracking_code) == ("completed", "delivered", TRACKING_CODE)
        assert messages() == ["ship", "fail_delivery", "deliver"]
        assert results() == [
            ("delivered", "applied", ""),
            ("failed_attempt", "applied", ""),
            ("delivered", "repeated", ""),
            ("posted", "applied", ""),
        ]

    def test_the_customer_never_reads_of_a_failed_attempt_after_the_delivery(self) -> None:
        make_instance()
        order = make_order(until="confirmed", delivery_method="correios_pac")
        story = [
            ("out_for_delivery", 30),
            ("delivered", 40),
            ("posted", 0),
            ("failed_attempt", 20),
            ("out_for_delivery", 10),
        ]
        told = [tell(status, minute, order=order.code)[1] for status, minute in story]
        assert told == ["refused", "refused", "applied", "late", "late"]
        assert messages() == ["ship", "out_for_delivery", "deliver"]

    def test_what_the_order_had_at_the_time_is_applied_after_the_missing_step(self, shipped: Order) -> None:
        assert tell("out_for_delivery", 10) == (200, "applied")
        assert tell("out_for_delivery", 30) == (200, "refused")
        assert tell("failed_attempt", 20) == (200, "applied")
        assert way(shipped)[2:] == ["out_for_delivery", "fail_delivery", "out_for_delivery"]

    def test_at_the_same_moment_the_parcels_way_is_the_order(self) -> None:
        order = make_order(until="confirmed", delivery_method="correios_pac")
        told = [tell(status, 0, order=order.code)[1] for status in ("delivered", "posted", "out_for_delivery")]
        assert told == ["refused", "applied", "late"]
        assert way(order) == ["confirm", "ship", "deliver"]

    def test_what_staff_did_meanwhile_stands(self, shipped: Order) -> None:
        tell("failed_attempt", 10)
        assert tell("failed_attempt", 30) == (200, "refused")
        apply_transition(shipped, "out_for_delivery")
        assert tell("out_for_delivery", 20) == (200, "late")
        assert way(shipped)[2:] == ["fail_delivery", "out_for_delivery"]
        assert results()[1] == ("failed_attempt", "late", "")
        assert tell("delivered", 40) == (200, "applied")

    def test_what_staff_entered_does_not_hide_what_is_known(self, shipped: Order) -> None:
        tell("failed_attempt", 20)
        apply_transition(shipped, "out_for_delivery")
        assert tell("delivered", 10) == (200, "late")
        assert way(shipped)[2:] == ["fail_delivery", "out_for_delivery"]

    def test_what_came_before_staff_shipped_is_applied_with_the_next_news(self) -> None:
        order = make_order(until="confirmed", delivery_method="correios_pac")
        assert tell("out_for_delivery", 10, order=order.code) == (200, "refused")
        apply_transition(order, "ship", tracking_code=TRACKING_CODE)
        assert way(order) == ["confirm", "ship"]
        assert tell("delivered", 20) == (200, "applied")
        assert way(order) == ["confirm", "ship", "out_for_delivery", "deliver"]

    def test_news_of_another_parcel_stays_refused(self) -> None:
        order = make_order(until="confirmed", delivery_method="correios_pac")
        assert tell("delivered", 20, order=order.code, tracking_code="BB000000000BR") == (200, "refused")
        assert tell("out_for_delivery", 20, order=order.code) == (200, "refused")
        assert tell("posted", 0, order=order.code) == (200, "applied")
        assert way(order) == ["confirm", "ship", "out_for_delivery"]
        assert results()[0] == ("delivered", "refused", f"O pedido tem outro código de rastreio: {TRACKING_CODE}.")
        assert tell("delivered", 20) == (200, "applied")

    @pytest.mark.parametrize("end", ["cancel", "deliver"])
    def test_what_is_over_stays_over(self, end: str) -> None:
        order = make_order(until="shipped", delivery_method="correios_pac")
        apply_transition(order, end)
        assert tell("out_for_delivery", 10, order=order.code) == (200, "refused")
        assert tell("delivered", 20, order=order.code) == (200, "refused")
        assert way(order) == ["confirm", "ship", end]
        assert [result for _status, result, _reason in results()] == ["refused", "refused"]

    @pytest.mark.django_db(transaction=True)
    def test_the_same_news_at_the_same_time_is_one_transition(self) -> None:
        order = make_order(until="shipped", delivery_method="correios_pac")
        results: list[str] = []
        together = threading.Barrier(4)

        def send() -> None:
            together.wait()
            try:
                results.append(tell("out_for_delivery")[1])
            finally:
                connection.close()

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == ["applied", "repeated", "repeated", "repeated"]
        assert way(order) == ["confirm", "ship", "out_for_delivery"]

    def test_a_receiver_that_fails_undoes_the_news_which_may_come_again(self, shipped: Order) -> None:
        def fail(**_kwargs: Any) -> None:
            raise RuntimeError("broken")

        body, timestamp = news("out_for_delivery"), str(int(time.time()))
        shipment_status_changed.connect(fail)
        try:
            with pytest.raises(RuntimeError):
                post(body, timestamp=timestamp)
        finally:
            shipment_status_changed.disconnect(fail)
        assert (CarrierNews.objects.count(), way(shipped)) == (0, ["confirm", "ship"])
        assert post(body, timestamp=timestamp).json()["result"] == "applied"


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


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """A parcel's whole way as (status, minute), and the same shuffled, with repetitions."""
    attempts = ["out_for_delivery", "failed_attempt"] * draw(st.integers(0, 2))
    ends = draw(st.sampled_from([[], ["out_for_delivery"], ["delivered"], ["out_for_delivery", "delivered"]]))
    story, minute = [("posted", 0)], 0
    for status in [*attempts, *ends]:
        # Only the first attempt may be at the same moment as what was before it.
        minute += draw(st.integers(int(status == "out_for_delivery" and len(story) > 1), 2))
        story.append((status, minute))
    return story, draw(st.permutations([*story, *draw(st.lists(st.sampled_from(story), max_size=4))]))


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=stories())
def test_any_order_and_number_of_a_whole_story_ends_as_the_story_does(told: Any) -> None:
    story, shuffled = told
    if not EvolutionInstance.objects.exists():
        make_instance()
    in_order, order = (make_order(until="confirmed", delivery_method="correios_pac") for _ in range(2))
    assert {tell(*each, order=in_order.code) for each in story} == {(200, "applied")}
    for each in shuffled:
        assert tell(*each, order=order.code)[0] == 200
    in_order.refresh_from_db()
    order.refresh_from_db()
    states = [(one.status, one.delivery_status, one.tracking_code) for one in (in_order, order)]
    assert states[0] == states[1]
    rows = NotificationLog.objects.filter(order=order).order_by("pk").select_related("order_event__carrier_news")
    read = [(row.event, row.order_event.carrier_news.occurred_at) for row in rows if row.order_event]
    assert [event for event, _when in read] == way(order)[1:]
    assert [when for _event, when in read] == sorted(when for _event, when in read)
    assert not CarrierNews.objects.filter(order=order, result="received").exists()


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
        for method in ("get", "put", "delete"):
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
        "status": st.sampled_from(CarrierNews.Status.values),
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
