"""Telling an endpoint: signed, in order, once it is taken; again, later and under the same id where it is not."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from standardwebhooks import WebhookVerificationError

from outgoing import delivery
from outgoing.models import ROTATION, Endpoint, OutgoingAttempt, OutgoingEvent
from outgoing.retention import purge
from tests.factories import make_order
from tests.integrations.raw_server import Connection, raw_server
from tests.integrations.receiver import Receiver
from tests.meetings import another
from tests.outgoing.endpoints import make_endpoint, told, verified

pytestmark = pytest.mark.django_db

THREE = ["order.created", "order.confirmed", "order.shipped"]


def due_now() -> None:
    OutgoingEvent.objects.filter(state="pending").update(due_at=Now())


def seconds_until_due() -> float:
    return (OutgoingEvent.objects.filter(state="pending").order_by("pk")[0].due_at - timezone.now()).total_seconds()


def test_all_is_told_once_in_order_and_verifies(system: Receiver) -> None:
    endpoint, secret = make_endpoint(system.url)
    make_order(until="shipped")
    assert delivery.deliver() == 3
    hooks = system.hooks()
    assert [verified(hook, secret)["type"] for hook in hooks] == THREE
    assert [hook.headers["webhook-id"] for hook in hooks] == [
        event.webhook_id for event in OutgoingEvent.objects.order_by("pk")
    ]
    assert len({hook.headers["webhook-id"] for hook in hooks}) == 3
    assert {hook.headers["Content-Type"] for hook in hooks} == {"application/json"}
    assert told() == [(name, "delivered") for name in THREE]
    assert delivery.deliver() == 0
    assert len(system.hooks()) == 3
    endpoint.refresh_from_db()
    assert endpoint.last_success_at is not None
    assert (endpoint.last_failure_at, endpoint.last_error) == (None, "")


def test_what_is_changed_on_the_way_does_not_verify(system: Receiver) -> None:
    _endpoint, secret = make_endpoint(system.url)
    _other, others = make_endpoint("https://other.example/")
    make_order()
    delivery.deliver()
    [hook] = system.hooks()
    with pytest.raises(WebhookVerificationError):
        verified(hook, others)
    object.__setattr__(hook, "raw", hook.raw.replace(b"pending", b"paid", 1))
    with pytest.raises(WebhookVerificationError):
        verified(hook, secret)


def test_a_new_secret_and_the_one_before_sign_together_for_a_day(system: Receiver) -> None:
    endpoint, former = make_endpoint(system.url)
    new = endpoint.new_secret()
    endpoint.save()
    make_order(until="confirmed")
    Endpoint.objects.update(kinds=["order.create"])
    event = OutgoingEvent.objects.order_by("pk")[0]
    delivery.settle(delivery.claim(endpoint.pk, uuid.uuid4()), delivery.Answer(200))  # type: ignore[arg-type]
    delivery.deliver()
    [hook] = system.hooks()
    assert [verified(hook, secret)["type"] for secret in (new, former)] == ["order.confirmed"] * 2
    Endpoint.objects.update(former_until=timezone.now())
    delivery.again(OutgoingEvent.objects.filter(pk=event.pk))
    delivery.deliver()
    hook = system.hooks()[1]
    assert verified(hook, new)["type"] == "order.created"
    with pytest.raises(WebhookVerificationError):
        verified(hook, former)
    assert timedelta(hours=24) == ROTATION


def test_what_is_not_taken_comes_again_under_its_id_before_what_is_newer(system: Receiver) -> None:
    """Half an hour of trouble: each piece of news once, in its order."""
    endpoint, secret = make_endpoint(system.url)
    system.statuses, system.text = [500, 302, 404], b"erro \x00 interno"
    make_order(until="confirmed")
    for tries in range(1, 4):
        due_now()
        assert delivery.deliver() == 1
        low, high = delivery.PAUSES[tries - 1] * 0.8, delivery.PAUSES[tries - 1] * 1.2
        assert low - 1 < seconds_until_due() <= high
        assert told() == [("order.created", "pending"), ("order.confirmed", "pending")]
        # Not due yet, it keeps what is newer waiting.
        assert delivery.deliver() == 0
        assert delivery.due_endpoints() == []
    endpoint.refresh_from_db()
    assert (endpoint.last_success_at, endpoint.last_error) == (None, "Respondeu com 404.")
    due_now()
    assert delivery.due_endpoints() == [endpoint.pk]
    assert delivery.deliver() == 2
    hooks = system.hooks()
    assert len({hook.headers["webhook-id"] for hook in hooks[:4]}) == 1
    assert len({hook.raw for hook in hooks[:4]}) == 1
    assert [verified(hook, secret)["type"] for hook in hooks] == ["order.created"] * 4 + ["order.confirmed"]
    noted = OutgoingAttempt.objects.values_list("http_status", "error", "answer")
    assert noted[0] == (500, "Respondeu com 500.", "erro � interno")
    assert [status for status, *_more in noted] == [500, 302, 404, 200, 200]
    endpoint.refresh_from_db()
    assert endpoint.last_error == ""


def test_it_is_told_no_sooner_than_it_asks_for(system: Receiver) -> None:
    _endpoint, _secret = make_endpoint(system.url)
    make_order()
    for asked, low, high in (("900", 890, 900), ("99999999", 86390, 86400), ("x", 90, 144)):
        system.statuses, system.headers = [503], {"Retry-After": asked}
        due_now()
        delivery.deliver()
        assert low < seconds_until_due() <= high, asked
    assert len(system.hooks()) == 3


def test_whoever_is_gone_is_told_nothing_more(system: Receiver) -> None:
    endpoint, _secret = make_endpoint(system.url)
    make_order(until="confirmed")
    system.statuses = [410]
    delivery.deliver()
    endpoint.refresh_from_db()
    assert (endpoint.is_on, endpoint.off_reason) == (False, "Respondeu 410: não há mais ninguém nesse endereço.")
    make_order(customer_phone="+5511987650000")
    due_now()
    delivery.sweep()
    assert (delivery.deliver(), delivery.due_endpoints()) == (0, [])
    assert len(system.hooks()) == 1
    assert told() == [("order.created", "pending"), ("order.confirmed", "pending")]


def test_after_three_days_it_is_given_up_and_the_next_is_told(system: Receiver) -> None:
    _endpoint, _secret = make_endpoint(system.url)
    make_order(until="confirmed")
    first, second = OutgoingEvent.objects.order_by("pk")
    OutgoingEvent.objects.filter(pk=first.pk).update(since=Now() - timedelta(days=3) + timedelta(minutes=1))
    delivery.sweep()
    system.statuses = [500]
    delivery.deliver()
    assert told()[0] == ("order.created", "pending")
    OutgoingEvent.objects.filter(pk=first.pk).update(since=Now() - timedelta(days=3))
    delivery.sweep()
    assert told() == [("order.created", "failed"), ("order.confirmed", "pending")]
    assert delivery.deliver() == 1
    assert [hook.body["type"] for hook in system.hooks()] == ["order.created", "order.confirmed"]
    # One that is tried for the last time.
    delivery.again(OutgoingEvent.objects.filter(pk=second.pk))
    OutgoingEvent.objects.filter(pk=second.pk).update(since=Now() - timedelta(days=3))
    system.statuses = [500]
    delivery.deliver()
    assert told()[1] == ("order.confirmed", "failed")


def test_who_died_keeps_it_no_longer_than_the_lease(system: Receiver) -> None:
    endpoint, _secret = make_endpoint(system.url)
    make_order(until="confirmed")
    dead = delivery.claim(endpoint.pk, uuid.uuid4())
    assert dead is not None
    assert (delivery.deliver(), delivery.due_endpoints()) == (0, [])
    OutgoingEvent.objects.filter(pk=dead.pk).update(lease_ends_at=Now())
    assert delivery.due_endpoints() == [endpoint.pk]
    assert delivery.deliver() == 2
    # If it was not dead, what it has to say changes nothing any more.
    delivery.settle(dead, delivery.Answer(500))
    assert told() == [("order.created", "delivered"), ("order.confirmed", "delivered")]
    assert [hook.body["type"] for hook in system.hooks()] == ["order.created", "order.confirmed"]


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_have_the_same_event() -> None:
    endpoint, _secret = make_endpoint()
    make_order(until="confirmed")
    with another() as other:
        with transaction.atomic():
            mine = delivery.claim(endpoint.pk, uuid.uuid4())
            theirs = other.begins(lambda: delivery.claim(endpoint.pk, uuid.uuid4()))
            other.waits_or_ends(theirs)
        assert theirs.result() is None
    assert mine is not None
    assert OutgoingEvent.objects.get(pk=mine.pk).attempts == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_tell_at_the_same_time() -> None:
    """Else two systems that hang would keep both processes of the queue, and nothing would be swept meanwhile."""
    one, _secret = make_endpoint()
    two, _secret = make_endpoint()
    make_order()
    mine, theirs = uuid.uuid4(), uuid.uuid4()
    with another() as other:
        with transaction.atomic():
            assert delivery.claim(one.pk, mine) is not None
            begun = other.begins(lambda: delivery.claim(two.pk, theirs))
            other.waits_or_ends(begun)
        assert begun.result() is None
    assert (delivery.due_endpoints(), delivery.due_endpoints(theirs)) == ([], [])
    assert delivery.due_endpoints(mine) == [two.pk]
    assert delivery.claim(two.pk, mine) is not None


def test_who_was_told_longest_ago_goes_first_and_who_fails_only_early() -> None:
    one, two, three = (make_endpoint()[0] for _number in range(3))
    make_order()
    Endpoint.objects.filter(pk=one.pk).update(last_success_at=Now())
    Endpoint.objects.filter(pk=two.pk).update(last_failure_at=Now() - timedelta(minutes=1))
    assert delivery.due_endpoints() == [three.pk, two.pk, one.pk]
    OutgoingEvent.objects.filter(endpoint=two.pk).update(attempts=1)
    assert delivery.due_endpoints(again=False) == [three.pk, one.pk]


def test_what_cannot_be_written_keeps_no_other_back(system: Receiver) -> None:
    make_endpoint(system.url)
    make_endpoint(system.url)
    make_order()
    first, _second = OutgoingEvent.objects.order_by("pk")
    OutgoingEvent.objects.filter(pk=first.pk).update(payload={"order": {"code": "K7PXMA"}})
    assert delivery.deliver() == 2
    assert [state for _name, state in told()] == ["pending", "delivered"]
    assert OutgoingAttempt.objects.get(event=first).error == "Falhou (KeyError): veja o log."


@pytest.mark.django_db(transaction=True)
def test_what_is_committed_late_waits_for_the_one_in_flight(system: Receiver) -> None:
    endpoint, _secret = make_endpoint(system.url)
    with another() as other:
        with other.transaction():
            other.does(make_order)
            with transaction.atomic():
                make_order(customer_phone="+5511987650000")
            flying = delivery.claim(endpoint.pk, uuid.uuid4())
        assert flying is not None
        assert OutgoingEvent.objects.filter(pk__lt=flying.pk).count() == 1
        assert delivery.claim(endpoint.pk, uuid.uuid4()) is None
        delivery.settle(flying, delivery.Answer(200))
    assert delivery.deliver() == 1
    assert told() == [("order.created", "delivered")] * 2


def test_private_addresses_are_refused_whatever_name_leads_there(settings: Any, system: Receiver) -> None:
    settings.SITE_URL = "https://pedidos.example.com"
    port = system.url.rpartition(":")[2]
    for host in ("localhost", "127.0.0.1", "10.0.0.1", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]"):
        endpoint, _secret = make_endpoint(f"https://{host}:{port}", kinds=["order.create"])
        make_order()
        assert delivery.deliver() == 1
        [tried] = OutgoingAttempt.objects.filter(event__endpoint=endpoint)
        assert tried.error == "O endereço do sistema não é um da internet pública."
        assert tried.http_status is None
        Endpoint.objects.update(is_on=False)
    plain, _secret = make_endpoint(system.url)
    make_order()
    delivery.deliver()
    assert OutgoingAttempt.objects.get(event__endpoint=plain).error == "O endereço deve começar com https://."
    assert system.hooks() == []


def test_an_answer_that_dribbles_or_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "READ_TIMEOUT", 0.5)

    def dribble(connection: Connection) -> None:
        connection.request()
        connection.dribble(b"HTTP/1.1 200 OK\r\nX-A: " + b"x" * 1000, 0.1)

    def flood(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * 10_000_000)

    for talk, state, error, kept in (
        (dribble, "pending", "O sistema não respondeu a tempo.", 0),
        (flood, "delivered", "", 500),
    ):
        with raw_server(talk) as server:
            endpoint, _secret = make_endpoint(server.url, kinds=["order.create"])
            make_order()
            delivery.deliver()
        [event] = endpoint.events.all()
        [tried] = event.tries.all()
        assert (event.state, tried.error, len(tried.answer)) == (state, error, kept)
        assert tried.milliseconds < 2000
        Endpoint.objects.update(is_on=False)


def test_a_secret_that_cannot_be_read_is_said(settings: Any, system: Receiver) -> None:
    _endpoint, _secret = make_endpoint(system.url)
    make_order()
    settings.CREDENTIALS_KEYS = []
    delivery.deliver()
    assert "CREDENTIALS_KEYS" in OutgoingAttempt.objects.get().error
    assert (told(), system.hooks()) == ([("order.created", "pending")], [])


def test_old_events_go_with_their_tries_and_unfinished_ones_stay(system: Receiver, settings: Any) -> None:
    endpoint, _secret = make_endpoint(system.url)
    make_order(until="confirmed")
    delivery.settle(delivery.claim(endpoint.pk, uuid.uuid4()), delivery.Answer(200))  # type: ignore[arg-type]
    OutgoingEvent.objects.update(created_at=Now() - timedelta(days=29))
    assert purge() == 0
    OutgoingEvent.objects.update(created_at=Now() - timedelta(days=31))
    settings.RETENTION_WEBHOOKS_DAYS = 0
    assert purge() == 0
    settings.RETENTION_WEBHOOKS_DAYS = 30
    assert purge() == 1
    assert (told(), OutgoingAttempt.objects.count()) == ([("order.confirmed", "pending")], 0)
