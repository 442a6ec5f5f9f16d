"""What the gateway says of a connection: the latest counts, and a storm of it is one quiet batch."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.gateways.sentences import cause
from integrations.inbound import intake
from integrations.inbound.intake import process
from integrations.instances.connections import hold, resume
from integrations.models import CustomerReply, EvolutionInstance, NotificationLog, WebhookEvent
from integrations.signals import instance_connection_changed
from tests.factories import make_instance
from tests.integrations import webhooks
from tests.integrations.test_receipts import make_row
from tests.integrations.webhooks import envelope, post

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()


def tell(*bodies: dict[str, Any]) -> EvolutionInstance:
    for body in bodies:
        assert post(body) == 200
    process()
    return EvolutionInstance.objects.get()


@pytest.mark.parametrize("state", ["open", "connecting"])
def test_a_state_is_noted_and_holds_nothing(state: str) -> None:
    instance = tell(webhooks.connection(state))
    assert (instance.state, instance.held_at) == (state, None)


@pytest.mark.parametrize(
    "body",
    [
        webhooks.connection("close", 401),
        webhooks.connection("close", 403),
        webhooks.connection("refused", 428),
        envelope("status.instance", {"instance": "flowlog", "status": "closed", "disconnectionReasonCode": 401}),
        envelope("logout.instance", None),
    ],
)
def test_a_lost_connection_holds_the_instance_and_says_why(body: dict[str, Any]) -> None:
    instance = tell(body)
    assert (instance.state, instance.held_code) == ("close", "connection_closed")
    assert instance.held_reason == cause("connection_closed")


def test_only_of_its_own_instance() -> None:
    make_instance(name="other", is_default=False)
    post(webhooks.connection("close", 401))
    process()
    assert list(EvolutionInstance.objects.order_by("name").values_list("name", "state")) == [
        ("flowlog", "close"), ("other", "unknown"),
    ]  # fmt: skip
    assert EvolutionInstance.objects.get(name="other").held_at is None


def test_open_resumes_nothing_but_makes_the_probe_due(instance: EvolutionInstance) -> None:
    hold(instance.pk, "connection_closed")
    EvolutionInstance.objects.update(probe_at=Now() + timedelta(minutes=5), probes=4)
    instance = tell(webhooks.connection("open"))
    assert instance.state == "open"
    assert instance.held_at
    assert instance.probes == 4
    assert EvolutionInstance.objects.filter(probe_at__lte=Now()).exists()


def test_the_latest_counts_in_one_batch_and_across_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = tell(webhooks.connection("close", 401), webhooks.connection("connecting"), webhooks.connection("open"))
    assert (instance.state, instance.held_at) == ("open", None)
    monkeypatch.setattr(intake, "BATCH", 2)
    states = ["close", "connecting", "close", "open", "connecting"]
    instance = tell(*(webhooks.connection(state, 401) for state in states))
    assert (instance.state, instance.held_at) == ("connecting", None)


@pytest.mark.parametrize("batch", [1, 2, 200])
@pytest.mark.parametrize(
    ("later", "state"),
    [(["connecting"], "connecting"), (["odd"], "close"), (["odd", "connecting", "odd"], "connecting")],
)
def test_only_a_later_open_keeps_a_lost_connection_from_holding(
    later: list[str], state: str, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH", batch)
    instance = tell(*(webhooks.connection(each) for each in ("open", "close", *later)))
    assert (instance.state, instance.held_code) == (state, "connection_closed")


def test_one_that_settles_nothing_has_it_held_no_second_time(instance: EvolutionInstance) -> None:
    tell(webhooks.connection("close", 401))
    resume(instance.pk)
    instance = tell(webhooks.connection("connecting"), webhooks.connection("odd"))
    assert (instance.state, instance.held_at) == ("connecting", None)


def test_one_that_was_lost_and_is_worked_off_late_holds_it_all_the_same(instance: EvolutionInstance) -> None:
    post(webhooks.connection("close", 401))
    WebhookEvent.objects.update(due_at=Now() + timedelta(minutes=1))
    assert tell(webhooks.connection("connecting")).held_at is None
    WebhookEvent.objects.filter(processed_at=None).update(due_at=Now())
    process()
    instance.refresh_from_db()
    assert (instance.state, instance.held_code) == ("connecting", "connection_closed")


def test_one_that_a_later_loss_overtook_holds_it_no_second_time(instance: EvolutionInstance) -> None:
    post(webhooks.connection("close", 401))
    WebhookEvent.objects.update(due_at=Now() + timedelta(minutes=1))
    assert tell(webhooks.connection("close", 401)).held_at
    resume(instance.pk)
    WebhookEvent.objects.filter(processed_at=None).update(due_at=Now())
    process()
    instance.refresh_from_db()
    assert (instance.state, instance.held_at) == ("close", None)


def test_one_that_was_overtaken_by_a_newer_one_changes_nothing() -> None:
    post(webhooks.connection("close", 401))
    WebhookEvent.objects.update(due_at=Now() + timedelta(minutes=1))
    tell(webhooks.connection("open"))
    WebhookEvent.objects.filter(processed_at=None).update(due_at=Now())
    process()
    instance = EvolutionInstance.objects.get()
    assert (instance.state, instance.held_at) == ("open", None)


def test_a_storm_costs_a_few_statements_and_one_row() -> None:
    for _ in range(150):
        post(webhooks.connection("connecting"))
    with CaptureQueriesContext(connection) as queries:
        process()
    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) < 15
    assert list(WebhookEvent.objects.values_list("event", "error")) == [("connection.update", "")]
    with CaptureQueriesContext(connection) as queries:
        tell(webhooks.connection("connecting"))
    [update] = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "integrations_evolutioninstance"')]
    assert """NOT ("integrations_evolutioninstance"."state" = 'connecting')""" in update


def test_is_told_once(django_capture_on_commit_callbacks: Any) -> None:
    told: list[bool] = []

    def receive(*, held: bool, **_kwargs: Any) -> None:
        told.append(held)

    instance_connection_changed.connect(receive, weak=False)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            tell(webhooks.connection("close", 401), envelope("logout.instance", None))
            tell(envelope("logout.instance", None))
    finally:
        instance_connection_changed.disconnect(receive)
    assert told == [True]


@pytest.mark.parametrize("data", [None, {}, {"state": "odd"}, {"state": 7}, {"state": ["open"]}, "open"])
def test_what_says_nothing_changes_nothing(data: Any) -> None:
    instance = tell(webhooks.connection("open"), envelope("connection.update", data))
    assert instance.state == "open"
    assert WebhookEvent.objects.get(error="unexpected_shape").processed_at


STEPS = st.lists(
    st.sampled_from(["open", "connecting", "close", "refused", "odd"])
    | st.sampled_from(["work off", "receipt", "answer"]),
    max_size=25,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, batch=st.sampled_from([1, 2, 3, 200]))
def test_no_loss_is_swallowed_whatever_comes_between(steps: list[str], batch: int) -> None:
    """Whenever the work is done, the state is the latest one known, and a loss that no `open` has followed holds."""
    for model in (WebhookEvent, NotificationLog, CustomerReply):
        model.objects.all().delete()
    EvolutionInstance.objects.all().delete()
    make_instance()
    row = make_row()
    state, held, settling = "unknown", False, ""
    with patch.object(intake, "BATCH", batch):
        for number, step in enumerate([*steps, "work off"]):
            match step:
                case "work off":
                    process()
                    held, settling = held or settling == "close", ""
                    instance = EvolutionInstance.objects.get()
                    assert (instance.state, instance.held_at is not None) == (state, held)
                case "receipt":
                    assert post(webhooks.receipt("3EB0", "READ")) == 200
                case "answer":
                    assert post(webhooks.reply("SAIR", f"answer {number}")) == 200
                case _:
                    assert post(webhooks.connection(step)) == 200
                    state = {"refused": "close", "odd": state}.get(step, step)
                    settling = {"connecting": settling, "odd": settling}.get(step, state)
    row.refresh_from_db()
    assert row.receipt == ("read" if "receipt" in steps else "")
    assert not WebhookEvent.objects.filter(processed_at=None).exists()
    assert not WebhookEvent.objects.filter(error="failed").exists()
