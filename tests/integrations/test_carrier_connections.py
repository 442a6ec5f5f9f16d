"""A carrier that a store is connected to: what it tells moves that store's orders, whatever else it is."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ValidationError
from django.db import OperationalError
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from integrations import retention
from integrations.carriers import intake, matching
from integrations.carriers.models import CarrierConnection, CarrierNews, check_mapping
from integrations.carriers.sources import generic, melhorenvio
from integrations.carriers.sources.melhorenvio import MEANINGS
from integrations.models import NotificationLog
from integrations.sources import health
from orders import erasure
from orders.models import Order, Store
from orders.services import apply_transition
from tests.factories import TRACKING_CODE, make_instance, make_order
from tests.integrations import carriers
from tests.integrations.parcels import LABEL, SECRET, label, make_connection, results, send, sign

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def instance() -> None:
    make_instance()


def told() -> list[str]:
    return list(NotificationLog.objects.order_by("pk").values_list("event", flat=True))


def way(order: Order) -> list[str]:
    order.refresh_from_db()
    return carriers.way(order)


def parcel(until: str = "confirmed", **values: Any) -> Order:
    """An order that a carrier brings, of which nobody was told anything yet."""
    return make_order(until=until, **{"delivery_method": "correios_pac", **values})


class TestCase13:
    def test_posted_ships_with_its_code_and_tells(self) -> None:
        order, connection = parcel(), make_connection()
        Order.objects.filter(pk=order.pk).update(code="K7MPXQ")
        body = json.dumps({
            "event": "order.posted", "data": {"id": "9f", "tracking": TRACKING_CODE, "tags": [{"tag": "K7MPXQ"}]}
        }).encode()  # fmt: skip
        assert send(connection, body) == 200
        assert CarrierNews.objects.get(order=None).result == "received"
        assert intake.process() == 1
        assert way(order) == ["confirm", "ship"]
        assert order.tracking_code == TRACKING_CODE
        assert told() == ["ship"]
        assert results() == [("order.posted", "applied")]

    def test_an_order_made_for_a_test_has_no_parcel(self) -> None:
        """A test token of the API may use the very reference of a live order."""
        connection = make_connection()
        parcel(source="test:minha-loja", external_id="1042", external_number="1042")
        order = parcel(source="minha-loja", external_id="1042", external_number="1042")
        send(connection, label("order.posted", tags=[{"tag": "1042"}]))
        intake.process()
        assert (way(order), told()) == (["confirm", "ship"], ["ship"])
        assert results() == [("order.posted", "applied")]

    def test_an_unsigned_probe_is_answered_and_leaves_nothing(self) -> None:
        connection = make_connection()
        for slash in ("", "/"):
            path = f"/webhooks/tracking/melhorenvio/{connection.token}{slash}"
            client = Client(enforce_csrf_checks=True)
            answers = [client.get(path), client.head(path), client.post(path), client.post(path, b"{}", "text/plain")]
            assert [each.status_code for each in answers] == [200] * 4
            assert client.put(path).status_code == 405
        connection.refresh_from_db()
        assert (CarrierNews.objects.count(), connection.refused, connection.last_news_at) == (0, 0, None)

    def test_a_cancelled_label_cancels_no_order(self) -> None:
        order, connection = parcel("shipped"), make_connection()
        send(connection, label("order.cancelled"))
        intake.process()
        assert way(order) == ["confirm", "ship"]
        assert results() == [("order.cancelled", "noted")]
        assert (CarrierNews.objects.get().order, told()) == (order, [])


class TestWhoMayTell:
    @pytest.mark.parametrize(
        "signature", [sign(label(), "outro"), sign(b"{}"), "não", sign(label()).lower(), label().hex()[:64]]
    )
    def test_a_wrong_signature_is_refused_and_counted(self, signature: str) -> None:
        order, connection = parcel(), make_connection()
        assert send(connection, label(tags=[{"tag": order.code}]), X_ME_Signature=signature) == 403
        connection.refresh_from_db()
        assert (connection.refused, CarrierNews.objects.count()) == (1, 0)
        assert connection.refused_at is not None

    def test_hex_is_no_signature(self) -> None:
        import hashlib
        import hmac

        connection, body = make_connection(), label()
        assert send(connection, body, X_ME_Signature=hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()) == 403

    @pytest.mark.parametrize("secret", ["", "   "])
    def test_an_empty_secret_never_verifies(self, secret: str) -> None:
        connection = make_connection(credentials={"secret": secret})
        assert send(connection, label(), X_ME_Signature=sign(label(), secret)) == 403
        assert not CarrierNews.objects.exists()

    def test_a_new_secret_ends_the_old_one(self) -> None:
        connection = make_connection()
        assert send(connection, label()) == 200
        connection.keep({"secret": "novo"})
        connection.save()
        assert send(connection, label()) == 403
        assert send(connection, label(), X_ME_Signature=sign(label(), "novo")) == 200

    def test_another_address_is_nobodys(self) -> None:
        connection = make_connection()
        for path in (f"melhorenvio/{'x' * 32}", f"superfrete/{connection.token}", f"nobody/{connection.token}"):
            headers = {"X-ME-Signature": sign(label())}
            answer = Client().post(f"/webhooks/tracking/{path}", label(), "application/json", headers=headers)
            assert answer.status_code == 404

    def test_the_secret_of_one_store_is_not_anothers(self) -> None:
        mine = make_connection()
        other = make_connection(store=Store.objects.create(name="Outra"), credentials={"secret": "outro"})
        assert send(other, label()) == 403
        assert send(mine, label()) == 200

    def test_a_body_beyond_a_mebibyte_is_refused(self) -> None:
        connection = make_connection()
        body = label(more="x" * (1024 * 1024))
        assert send(connection, body) == 413
        connection.refresh_from_db()
        assert (connection.refused, connection.refused_why) == (1, "too_large")
        assert send(connection, label(more="x" * (1024 * 1024 - 1000))) == 200

    def test_with_the_installations_key_missing_it_has_to_come_again(self, settings: Any) -> None:
        connection, keys = make_connection(), settings.CREDENTIALS_KEYS
        settings.CREDENTIALS_KEYS = [Fernet.generate_key().decode()]
        assert send(connection, label()) == 503
        connection.refresh_from_db()
        assert (connection.refused, health.state(connection)) == (0, "unreadable")
        settings.CREDENTIALS_KEYS = keys
        assert send(connection, label()) == 200
        connection.refresh_from_db()
        assert health.state(connection) == "ok"
        assert CarrierNews.objects.count() == 1

    def test_what_cannot_be_stored_has_to_come_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connection = make_connection()

        def broken(**_values: Any) -> None:
            raise OperationalError("the server closed the connection unexpectedly")

        with monkeypatch.context() as patched:
            patched.setattr(CarrierNews.objects, "create", broken)
            assert send(connection, label()) == 503
        assert send(connection, label()) == 200

    def test_the_secret_that_all_share_goes_on_working(self, settings: Any) -> None:
        settings.TRACKING_WEBHOOK_SECRET = carriers.SECRET
        order = parcel("shipped")
        make_connection("generic")
        assert carriers.tell("delivered") == (200, "applied")
        assert way(order) == ["confirm", "ship", "deliver"]


class TestStores:
    def test_the_same_code_in_two_stores_moves_the_connections_own_order(self) -> None:
        other = Store.objects.create(name="Outra")
        make_instance(other, name="outra")
        mine, theirs = parcel("shipped"), parcel("shipped", store=other)
        send(make_connection(store=other), label("order.delivered"))
        intake.process()
        assert (way(mine), way(theirs)) == (["confirm", "ship"], ["confirm", "ship", "deliver"])

    def test_no_tag_reaches_another_stores_order(self) -> None:
        order = parcel()
        connection = make_connection(store=Store.objects.create(name="Outra"))
        send(connection, label(tags=[{"tag": order.code}]))
        intake.process()
        assert (way(order), results()) == (["confirm"], [("order.posted", "unknown")])

    def test_what_a_connection_learned_of_a_parcel_is_its_own(self) -> None:
        order = parcel()
        send(make_connection(), label("order.created", tracking=None, tags=[{"tag": order.code}]))
        send(make_connection(store=Store.objects.create(name="Outra")), label(tracking="BB000000000BR"))
        intake.process()
        assert way(order) == ["confirm"]


class TestWhoseParcel:
    @pytest.mark.parametrize("tag", ["code", "#code", "1011", "#1011", "77"])
    def test_a_tag_names_the_order(self, tag: str) -> None:
        order = parcel(source="woocommerce", external_id="77", external_number="1011")
        send(make_connection(), label(tags=[{"tag": "outra coisa"}, {"tag": tag.replace("code", order.code.lower())}]))
        intake.process()
        assert way(order) == ["confirm", "ship"]

    @pytest.mark.parametrize("tag", ["#", " ", "\0", ""])
    def test_a_tag_that_says_nothing_names_none(self, tag: str) -> None:
        order = parcel()
        send(make_connection(), label(tags=[{"tag": tag}]))
        intake.process()
        assert (way(order), results()) == (["confirm"], [("order.posted", "unknown")])

    def test_what_was_heard_of_it_before_names_it_later(self) -> None:
        order, connection = parcel(), make_connection()
        send(connection, label("order.created", tracking=None, tags=[{"tag": order.code}]))
        send(connection, label("order.generated", tracking=None))
        send(connection, label("order.posted"))
        intake.process()
        assert way(order) == ["confirm", "ship"]
        assert (order.tracking_code, told()) == (TRACKING_CODE, ["ship"])
        assert [result for _word, result in results()] == ["nothing", "nothing", "applied"]

    def test_its_own_code_counts_until_the_carriers_is_there(self) -> None:
        order, connection = parcel(), make_connection()
        mine = {"tracking": None, "self_tracking": "ME2600ABC", "tags": [{"tag": order.code}]}
        send(connection, label("order.posted", **mine))
        send(connection, label("order.delivered", **mine | {"tracking": TRACKING_CODE}))
        intake.process()
        assert (way(order), order.tracking_code) == (["confirm", "ship", "deliver"], "ME2600ABC")

    def test_two_orders_with_one_code_need_a_person(self) -> None:
        parcel("shipped"), parcel("shipped")
        send(make_connection(), label("order.delivered"))
        intake.process()
        assert results() == [("order.delivered", "ambiguous")]

    def test_the_one_under_way_goes_before_the_one_that_is_done(self) -> None:
        parcel("delivered")
        order = parcel("shipped")
        send(make_connection(), label("order.delivered"))
        intake.process()
        assert way(order) == ["confirm", "ship", "deliver"]

    def test_an_order_that_comes_later_gets_its_news_then(self) -> None:
        send(make_connection(), label("order.delivered"))
        intake.process()
        row = CarrierNews.objects.get()
        assert (row.result, row.attempts) == ("unknown", 1)
        assert row.due_at is not None
        assert row.due_at > timezone.now() + timedelta(seconds=30)
        order = parcel("shipped")
        CarrierNews.objects.update(due_at=Now())
        intake.process()
        assert (way(order), results()) == (["confirm", "ship", "deliver"], [("order.delivered", "applied")])

    @pytest.mark.parametrize("events", [("posted", "delivered"), ("delivered", "posted")])
    @pytest.mark.parametrize("first", [0, 1])
    def test_of_what_waited_for_it_only_the_newest_is_told(self, events: tuple[str, str], first: int) -> None:
        """Whichever came in first, and whichever has its turn first."""
        connection = make_connection()
        ago = {"posted": timedelta(hours=5), "delivered": timedelta(hours=1)}
        for event in events:
            at = {f"{event}_at": str(timezone.now() - ago[event])}
            send(connection, label(f"order.{event}", tags=[{"tag": "1011"}], **at))
        intake.process()
        rows = CarrierNews.objects.order_by("pk")
        assert [(row.result, row.attempts) for row in rows] == [("unknown", 1)] * 2
        order = parcel(source="woocommerce", external_id="77", external_number="1011")
        CarrierNews.objects.filter(pk=rows[first].pk).update(due_at=Now())
        # The other one does not wait for its own turn.
        assert intake.process() == 2
        assert (way(order), told()) == (["confirm", "ship", "deliver"], ["deliver"])
        assert {row.due_at for row in CarrierNews.objects.all()} == {None}

    def test_what_waits_and_takes_the_order_nowhere_keeps_nobody_from_hearing(self) -> None:
        connection = make_connection()
        for event in ("order.posted", "order.undelivered", "order.posted"):
            send(connection, label(event, tags=[{"tag": "1011"}]))
        connection.mapping = {"order.undelivered": "returned"}
        connection.save()
        intake.process()
        order = parcel(source="woocommerce", external_id="77", external_number="1011")
        CarrierNews.objects.update(due_at=Now())
        intake.process()
        assert (way(order), told()) == (["confirm", "ship"], ["ship"])
        assert [result for _word, result in results()] == ["applied", "refused", "repeated"]

    def test_of_an_order_that_never_comes_it_is_asked_no_more(self) -> None:
        send(make_connection(), label())
        for _attempt in range(len(intake.RETRIES) + 1):
            CarrierNews.objects.update(due_at=Now())
            intake.process()
        assert CarrierNews.objects.values_list("result", "due_at").get() == ("unknown", None)

    def test_another_parcel_of_a_shipped_order_is_for_a_person(self) -> None:
        order = parcel("shipped")
        send(make_connection(), label(tracking="BB123456785BR", tags=[{"tag": order.code}]))
        intake.process()
        row = CarrierNews.objects.get()
        assert (row.result, row.reason) == ("refused", f"O pedido tem outro código de rastreio: {TRACKING_CODE}.")
        assert way(order) == ["confirm", "ship"]


OUTCOMES = {
    **dict.fromkeys(("created", "pending", "released", "generated", "ready-to-print", "received"), ("nothing", [])),
    "posted": ("applied", ["ship"]),
    "delivered": ("applied", ["ship", "deliver"]),
    "undelivered": ("staff", []),
    "paused": ("staff", []),
    "suspended": ("staff", []),
    "cancelled": ("noted", []),
    "canceled": ("noted", []),
    "expired": ("noted", []),
}


class TestWhatItMeans:
    def test_all_meanings_are_looked_at(self) -> None:
        assert MEANINGS.keys() == {f"order.{event}" for event in OUTCOMES}

    @pytest.mark.parametrize("event", OUTCOMES)
    def test_each_event(self, event: str) -> None:
        order = parcel()
        # Its status may lag behind.
        send(make_connection(), label(f"order.{event}", status="released", tags=[{"tag": order.code}]))
        intake.process()
        result, steps = OUTCOMES[event]
        assert (way(order), results()) == (["confirm", *steps], [(f"order.{event}", result)])
        assert told() == steps[-1:]
        assert CarrierNews.objects.get().external_id == LABEL

    def test_an_unheard_word_waits_for_a_meaning(self) -> None:
        order, connection = parcel("shipped"), make_connection()
        send(connection, label("order.lost-in-space"))
        intake.process()
        assert results() == [("order.lost-in-space", "no_meaning")]
        assert CarrierNews.objects.get().reason == "Diga o que significa: order.lost-in-space."
        connection.mapping = {"order.lost-in-space": "failed_attempt", "order.posted": "noted"}
        connection.save()
        assert intake.again(CarrierNews.objects.all()) == 1
        intake.process()
        assert way(order) == ["confirm", "ship", "fail_delivery"]

    def test_the_mapping_is_checked(self) -> None:
        check_mapping({"order.posted": "staff"})
        for wrong in ({"order.posted": "paid"}, {"": "staff"}, {"x" * 61: "staff"}, ["staff"]):
            with pytest.raises(ValidationError):
                check_mapping(wrong)

    def test_an_unconfirmed_order_that_is_posted_is_confirmed_with_it(self) -> None:
        order = parcel("")
        send(make_connection(), label(tags=[{"tag": order.code}]))
        intake.process()
        assert (way(order), told()) == (["confirm", "ship"], ["ship"])

    def test_what_a_cancelled_order_cannot_take_is_for_a_person(self) -> None:
        order = parcel()
        apply_transition(order, "cancel", notify=False)
        send(make_connection(), label(tags=[{"tag": order.code}]))
        intake.process()
        assert results() == [("order.posted", "refused")]
        assert CarrierNews.objects.get().reason

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"event":"order.posted"}', b'{"event": 7}'])
    def test_what_is_not_as_described_is_kept_for_a_person(self, body: bytes) -> None:
        assert send(make_connection(), body) == 200
        intake.process()
        row = CarrierNews.objects.get()
        assert (row.result, bytes(row.body), row.due_at) == ("staff", body, None)
        assert row.reason


class TestAgainLateAndReordered:
    def test_the_same_again_changes_nothing_and_tells_nobody(self) -> None:
        order, connection = parcel(), make_connection()
        body = label(tags=[{"tag": order.code}])
        assert [send(connection, body) for _time in range(3)] == [200, 200, 200]
        intake.process()
        assert (way(order), told()) == (["confirm", "ship"], ["ship"])
        assert [result for _word, result in results()] == ["applied", "repeated", "repeated"]

    def test_delivered_before_posted_delivers_and_the_other_is_late(self) -> None:
        order, connection = parcel(), make_connection()
        for event in ("order.delivered", "order.posted"):
            send(connection, label(event, tags=[{"tag": order.code}]))
        intake.process()
        assert (way(order), told()) == (["confirm", "ship", "deliver"], ["deliver"])
        assert results() == [("order.delivered", "applied"), ("order.posted", "late")]
        assert order.tracking_code == TRACKING_CODE

    def test_an_older_attempt_is_no_second_one(self) -> None:
        order, connection = parcel("shipped"), make_connection("generic")
        for status, minute in (("failed_attempt", 10), ("out_for_delivery", 20), ("failed_attempt", 10)):
            generically(connection, status, minute)
        intake.process()
        assert way(order) == ["confirm", "ship", "fail_delivery", "out_for_delivery"]
        assert [result for _word, result in results()] == ["applied", "applied", "repeated"]
        generically(connection, "failed_attempt", 15)
        intake.process()
        assert results()[-1] == ("failed_attempt", "late")

    def test_what_happened_before_the_carrier_was_connected_is_told_nobody(self) -> None:
        order, connection = parcel("shipped"), make_connection(created_at=timezone.now())
        send(connection, label("order.delivered", delivered_at=str(timezone.now() - timedelta(hours=5))))
        intake.process()
        assert (way(order), told()) == (["confirm", "ship", "deliver"], [])

    def test_what_is_old_is_told_nobody(self) -> None:
        order, connection = parcel("shipped"), make_connection()
        send(connection, label("order.delivered", delivered_at=str(timezone.now() - timedelta(days=4))))
        intake.process()
        assert (way(order), told()) == (["confirm", "ship", "deliver"], [])

    def test_of_several_parcels_the_last_one_delivers(self) -> None:
        order, connection = parcel(), make_connection("generic")
        other = "BB123456785BR"
        apply_transition(order, "ship", notify=False, tracking_code=f"{TRACKING_CODE}, {other}")
        # The later one comes in first.
        generically(connection, "delivered", 20, tracking_code=other)
        intake.process()
        assert results() == [("delivered", "waiting")]
        generically(connection, "delivered", 10)
        intake.process()
        assert way(order) == ["confirm", "ship", "deliver"]
        assert sorted(results()) == [("delivered", "applied"), ("delivered", "waiting")]
        assert told() == ["deliver"]

    def test_what_staff_took_back_is_theirs(self) -> None:
        order, connection = parcel("delivered"), make_connection()
        apply_transition(order, "back_to_shipped", notify=False)
        send(connection, label("order.delivered"))
        intake.process()
        assert results() == [("order.delivered", "refused")]


def generically(connection: CarrierConnection, status: str, minute: int, **values: Any) -> None:
    body, timestamp = carriers.news(status, minute, **values), str(int(time.time()))
    headers = {
        generic.TIMESTAMP_HEADER: timestamp,
        generic.SIGNATURE_HEADER: f"sha256={generic.sign(SECRET, timestamp, body)}",
    }
    path = f"/webhooks/tracking/generic/{connection.token}/"
    assert Client().post(path, body, content_type="application/json", headers=headers).status_code == 200


class TestTheFormatOfOurOwn:
    def test_it_has_a_secret_of_its_own(self, settings: Any) -> None:
        settings.TRACKING_WEBHOOK_SECRET = "the-one-of-all"
        order, connection = parcel(), make_connection("generic")
        body, timestamp = carriers.news("posted", order=order.code), str(int(time.time()))
        for secret, status in (("the-one-of-all", 403), (SECRET, 200)):
            headers = {
                generic.TIMESTAMP_HEADER: timestamp,
                generic.SIGNATURE_HEADER: f"sha256={generic.sign(secret, timestamp, body)}",
            }
            path = f"/webhooks/tracking/generic/{connection.token}"
            assert Client().post(path, body, content_type="application/json", headers=headers).status_code == status
        intake.process()
        assert way(order) == ["confirm", "ship"]

    def test_what_is_not_as_described_is_kept_for_a_person(self) -> None:
        generically(make_connection("generic"), "posted", 0, tracking_code=7)
        intake.process()
        reason = "Não está como descrito: tracking_code must be a string."
        assert CarrierNews.objects.values_list("result", "reason").get() == ("staff", reason)


class TestWorkingOff:
    def test_what_fails_is_tried_again_from_its_row(self, monkeypatch: pytest.MonkeyPatch) -> None:
        order, connection = parcel("shipped"), make_connection()
        send(connection, label("order.delivered"))

        def broken(*_args: Any, **_kwargs: Any) -> None:
            raise RuntimeError

        with monkeypatch.context() as patched:
            patched.setattr("integrations.carriers.bringing.bring_to", broken)
            intake.process()
        row = CarrierNews.objects.get()
        assert (row.result, row.attempts, row.order) == ("received", 1, None)
        assert intake.process() == 0  # it is not due yet
        CarrierNews.objects.update(due_at=Now())
        intake.process()
        assert (way(order), results()) == (["confirm", "ship", "deliver"], [("order.delivered", "applied")])

    def test_it_gives_up_in_the_end_and_asks_a_person(self, monkeypatch: pytest.MonkeyPatch) -> None:
        send(make_connection(), label())
        CarrierNews.objects.update(attempts=len(intake.RETRIES))
        monkeypatch.setattr(matching, "orders_of", lambda *_args: 1 / 0)
        intake.process()
        assert CarrierNews.objects.values_list("result", "due_at").get() == ("error", None)

    def test_switched_off_it_is_kept_and_nothing_is_made_of_it(self) -> None:
        order, connection = parcel("shipped"), make_connection(is_on=False)
        assert send(connection, label("order.delivered")) == 200
        intake.process()
        assert (way(order), results()) == (["confirm", "ship"], [("", "off")])
        CarrierConnection.objects.update(is_on=True)
        assert intake.again(CarrierNews.objects.all()) == 1
        intake.process()
        assert way(order) == ["confirm", "ship", "deliver"]

    def test_what_moved_an_order_is_not_applied_again(self) -> None:
        parcel("shipped")
        send(make_connection(), label("order.delivered"))
        intake.process()
        assert intake.again(CarrierNews.objects.all()) == 0

    def test_a_connection_is_worked_off_by_one_at_a_time(self) -> None:
        send(make_connection(), label())
        CarrierConnection.objects.update(busy_until=Now() + timedelta(seconds=60))
        assert intake.process() == 0
        CarrierConnection.objects.update(busy_until=Now())
        assert intake.process() == 1

    def test_what_is_read_is_not_written_back_after_an_erasure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The worker has the body in its hands when the erasure takes it."""
        order, connection = parcel("shipped"), make_connection()
        send(connection, label("order.delivered"))
        read = melhorenvio.read

        def erased_meanwhile(headers: Any, body: bytes) -> Any:
            erasure.erase(order.customer)
            return read(headers, body)

        monkeypatch.setattr(melhorenvio, "read", erased_meanwhile)
        assert intake.process() == 1
        row = CarrierNews.objects.get()
        assert (bytes(row.body), row.tracking_code, row.order, row.due_at) == (b"", "", None, None)
        assert way(order) == ["confirm", "ship"]

    def test_an_erasure_takes_each_parcels_news_of_its_store(self) -> None:
        order = parcel()
        apply_transition(order, "ship", tracking_code="AA123456785BR, BB123456785BR", notify=False)
        theirs = make_connection(store=Store.objects.create(name="Outra"))
        for connection in (make_connection(), theirs):
            send(connection, label(tracking="BB123456785BR"))
            for code in ("AA 123 456 785 BR", "CC123456785BR"):
                CarrierNews.objects.create(
                    connection=connection, source="melhorenvio", tracking_code=code, description="Com o vizinho",
                    occurred_at=Now(), result="unknown", body=b"{}",
                )  # fmt: skip
        proof = erasure.erase(order.customer)
        assert proof.counts["carrier_news"] == 2
        left = CarrierNews.objects.exclude(body=b"").order_by("pk").values_list("connection__store", "tracking_code")
        other = theirs.store_id
        assert list(left) == [
            (order.store_id, "CC123456785BR"), (other, ""), (other, "AA 123 456 785 BR"), (other, "CC123456785BR"),
        ]  # fmt: skip
        assert [row.connection_id for row in intake.due()] == [theirs.pk]

    def test_what_waits_for_a_person_is_kept_longer_and_what_is_off_is_not(self) -> None:
        on, off = make_connection(), make_connection(is_on=False)
        rows = [
            CarrierNews.objects.create(
                connection=connection, source="melhorenvio", result=result, due_at=due_at, body=b"{}",
                occurred_at=Now(), received_at=Now() - timedelta(days=31),
            )
            for connection, result, due_at in (
                (on, "no_meaning", None), (on, "nothing", None), (on, "received", Now()), (off, "received", Now()),
                (off, "staff", None),
            )
        ]  # fmt: skip
        retention.purge()
        assert set(CarrierNews.objects.values_list("pk", flat=True)) == {rows[0].pk, rows[2].pk, rows[4].pk}
        CarrierNews.objects.update(received_at=Now() - timedelta(days=121))
        retention.purge()
        assert CarrierNews.objects.get().pk == rows[2].pk

    def test_idle_it_costs_one_statement(self, django_assert_num_queries: Any) -> None:
        make_connection()
        with django_assert_num_queries(1):
            intake.process()
