"""What carriers' news becomes, and that repeats and reorderings do no harm."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from integrations.carriers.models import CarrierNews
from integrations.models import EvolutionInstance, NotificationLog
from integrations.signals import shipment_status_changed
from notifications import texts
from orders.models import Order
from orders.services import apply_transition
from tests.factories import TRACKING_CODE, make_instance, make_order
from tests.integrations.carriers import CORREIOS, news, post, tell, way
from tests.staff import client_of, make_staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("carrier_secret")]


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

    @pytest.mark.usefixtures("new_tables")
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

    @pytest.mark.parametrize("status", ["out_for_delivery", "failed_attempt"])
    def test_a_step_that_was_corrected_makes_no_news_late(self, shipped: Order, status: str) -> None:
        apply_transition(shipped, "out_for_delivery", notify=False)
        assert tell(status, 1) == (200, "late")
        apply_transition(shipped, "back_to_shipped", notify=False)
        assert tell(status, 2) == (200, "applied")

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
