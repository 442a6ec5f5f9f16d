"""What writing messages costs, and how many wake-ups go out for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from integrations.models import EvolutionInstance, NotificationLog
from orders import bulk, changes, services
from orders.models import Order, OrderEvent, Store
from orders.services import apply_transition, apply_transition_bulk
from tests.broker import take_all
from tests.factories import make_instance, make_order
from tests.staff import make_staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_queues")]


@pytest.fixture
def instances() -> list[EvolutionInstance]:
    """One each of two stores."""
    other = Store.objects.create(name="Outra loja")
    return [make_instance(), make_instance(other, name="outra")]


def orders(instances: list[EvolutionInstance], number: int) -> list[Order]:
    """So many of each store."""
    return [
        make_order(store=instance.store, customer_phone=f"+551198765{each:04}")
        for each in range(number)
        for instance in instances
    ]


def woken() -> list[int]:
    return [message.decode()[0][0] for message in take_all("whatsapp")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("notify", "statements"), [(True, 7), (False, 5)])
def test_statements_of_a_status_change(notify: bool, statements: int) -> None:
    make_instance()
    first, second = make_order(), make_order(customer_phone="+5511987650001")
    apply_transition(first, "confirm", notify=notify)
    with CaptureQueriesContext(connection) as made:
        apply_transition(second, "confirm", notify=notify)
    assert [each["sql"].split()[0] for each in made][:: statements - 1] == ["BEGIN", "COMMIT"]
    assert len(made) == statements


def test_many_at_once_wake_each_instance_once(
    instances: list[EvolutionInstance],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    monkeypatch.setattr(services, "CHUNK", 3)
    chosen = orders(instances, 4)
    with django_capture_on_commit_callbacks(execute=True):
        apply_transition_bulk(chosen, "confirm")
    rows = NotificationLog.objects.order_by("pk")
    assert list(rows.values_list("order", "instance")) == [
        (order.pk, instance.pk) for order, instance in zip(chosen, instances * 4, strict=True)
    ]
    assert sorted(woken()) == [row.pk for row in rows[:2]]


ITS_OWN = {"id", "order_id", "order_event_id", "dedupe_key", "recipient", "snapshot", "created_at"}


@pytest.mark.parametrize("quiet", [False, True])
def test_many_at_once_are_written_as_one_is(instances: list[EvolutionInstance], quiet: bool) -> None:
    """Whatever there is in them: times and spans of time, texts, what there is not."""
    store = instances[0].store
    if quiet:
        store.quiet_from, store.quiet_until = time(0), time(23, 59, 59, 999999)
        store.save()
    phones = [f"+551198765{each:04}" for each in range(3)]
    made = [
        make_order(store=store, customer_phone=phone, delivery_method="carrier", until="confirmed") for phone in phones
    ]
    delay, address = timedelta(seconds=30), "https://example.com/a?b=%s"
    apply_transition(made[0], "ship", delay=delay, tracking_code="X-1", tracking_url=address)
    each = {order.pk: {"tracking_code": "X-1"} for order in made[1:]}
    apply_transition_bulk(made[1:], "ship", delay=delay, tracking_url=address, each=each)
    models: tuple[type[Model], ...] = (OrderEvent, NotificationLog)
    for model in models:
        written: list[dict[str, Any]] = list(model._default_manager.filter(order__in=made).order_by("-pk").values()[:3])
        *together, alone = written
        for row in together:
            differs = {name for name in row if row[name] != alone[name]} - ITS_OWN
            spans = {name: row[name] - alone[name] for name in differs}
            assert [span for span in spans.values() if not timedelta() < span < timedelta(seconds=30)] == []
    told = NotificationLog.objects.filter(event="ship").order_by("pk").values_list("order", "recipient", "snapshot")
    assert [row[:2] for row in told] == [(order.pk, phone) for order, phone in zip(made, phones, strict=True)]
    for order, _recipient, snapshot in told:
        assert (snapshot["order"]["id"], snapshot["order"]["tracking_link"]) == (order, address)
        assert [item["description"] for item in snapshot["order"]["items"]] == ["Camiseta azul"]


def test_what_was_undone_wakes_nobody_and_keeps_nobody_from_it(
    instances: list[EvolutionInstance], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    undone, stays = orders(instances[:1], 2)
    with django_capture_on_commit_callbacks(execute=True):
        with transaction.atomic():
            apply_transition(undone, "confirm")
            transaction.set_rollback(True)
        apply_transition(stays, "confirm")
    assert woken() == [NotificationLog.objects.get().pk]


def test_the_first_chunk_of_a_job_wakes_alone(
    instances: list[EvolutionInstance],
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    settings.STAFF_UNDO_SECONDS = 30
    monkeypatch.setattr(bulk, "CHUNK", 4)
    ana = make_staff(stores=[instance.store for instance in instances])
    job = bulk.start_bulk(orders(instances, 5), "confirm", ana)
    with django_capture_on_commit_callbacks(execute=True):
        bulk.work_off(job.pk)
    rows = NotificationLog.objects.order_by("pk")
    assert sorted(woken()) == [row.pk for row in rows[:2]]
    # The sweep comes to the others.
    assert list(rows.values_list("woken_at", flat=True)) == [None] * 10


def test_a_bulk_change_is_made_whole_or_not_at_all(
    instances: list[EvolutionInstance], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "CHUNK", 2)
    chosen = orders(instances[:1], 5)
    original: Any = changes.save_all

    def breaks(changed: Any) -> None:
        if changed[0][0].pk == chosen[4].pk:
            raise ValueError("odd")
        original(changed)

    monkeypatch.setattr("orders.services.save_all", breaks)
    with pytest.raises(ValueError, match="odd"):
        apply_transition_bulk(chosen, "confirm")
    assert set(Order.objects.values_list("status", flat=True)) == {"pending"}
    assert not OrderEvent.objects.filter(transition="confirm").exists()
    assert NotificationLog.objects.count() == 0
