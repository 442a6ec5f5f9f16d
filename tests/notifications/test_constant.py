"""The statements that each message makes say what the readable rule says: both are asked of rows in every state."""

from __future__ import annotations

import gc
import math
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from celery.signals import worker_before_create_process
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, NotSupportedError, connection, transaction
from django.db.models import Model
from django.db.models.functions import JSONObject, Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flowlog.prepared import Rows, Statement, param, recording, together
from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog
from notifications import claims, delivery
from notifications.claims import Claim
from notifications.delivery import SendResult, Turn
from orders.models import Customer
from orders.services import apply_transition
from tests.factories import make_instance, make_order
from tests.meetings import another

pytestmark = pytest.mark.django_db

Status = NotificationLog.Status
MINUTE = timedelta(minutes=1)
OWN, OTHER = uuid.uuid4(), uuid.uuid4()


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


class TestStatement:
    def test_what_differs_is_sent_beside_it_and_what_does_not_is_part_of_it(self) -> None:
        make_instance()
        first, second = (NotificationLog.objects.get(order=make_order(notify=True)) for _ in range(2))
        rows = NotificationLog.objects.filter(pk=param("id"), status=Status.PENDING)
        statement = Statement(lambda: recording(rows).update(error_message=param("words"), error_code="100%"))
        for row in (first, second):
            assert statement.changed(id=row.pk, words=f"'; %s {row.pk}") == 1
        assert "'pending'" in statement._sql
        found = NotificationLog.objects.order_by("pk").values_list("error_message", "error_code")
        assert list(found) == [(f"'; %s {row.pk}", "100%") for row in (first, second)]

    def test_any_thread_compiles_it_and_none_asks_the_server(self) -> None:
        """In Django 6.1 JSONObject is written as the server's version has it."""
        rows = NotificationLog.objects.filter(pk=param("id")).values_list("status")
        here, there = Statement(lambda: rows), Statement(lambda: rows)
        asks = Statement(lambda: rows.values_list(JSONObject(status="status")))

        def compiled() -> str:
            return asks._sql

        with CaptureQueriesContext(connection) as asked, ThreadPoolExecutor(1) as other:
            assert other.submit(lambda: there._sql).result() == here._sql
            for ask in (compiled, other.submit(compiled).result):
                with pytest.raises(ImproperlyConfigured, match=r"^A statement is compiled once, without asking"):
                    ask()
        assert len(asked) == 0

    def test_rows_are_those_of_the_query_with_what_it_relates(self) -> None:
        make_instance()
        row = NotificationLog.objects.get(order=make_order(notify=True))
        query = NotificationLog.objects.select_related("order__customer", "instance").annotate(now=Now())
        [read] = Rows(lambda: query.filter(pk=param("id"))).all(id=row.pk)
        [expected] = query.filter(pk=row.pk)
        with CaptureQueriesContext(connection) as queries:
            for each in (read, expected):
                assert each.order
                assert isinstance(each.order.customer, Customer)
        assert len(queries) == 0
        fields = [field.attname for field in NotificationLog._meta.concrete_fields]
        assert [getattr(read, name) for name in fields] == [getattr(expected, name) for name in fields]
        assert isinstance(read.now, datetime)  # type: ignore[attr-defined]

    def test_it_is_prepared_once_in_a_session(self) -> None:
        statement = Statement(lambda: EvolutionInstance.objects.filter(name=param("name")).order_by().values("pk"))
        for name in ("ada", "eva"):
            statement.fetched(name=name)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement LIKE %s",
                ['SELECT "integrations_evolutioninstance"."id"%'],
            )
            assert cursor.fetchall() == [(2,)]

    @pytest.mark.django_db(transaction=True)
    def test_a_column_of_another_type_costs_no_more_than_the_session(self) -> None:
        statement = Statement(lambda: EvolutionInstance.objects.filter(pk=param("id")).order_by().values("name"))
        instance = make_instance()
        assert statement.fetched(id=instance.pk) == [("flowlog",)]
        try:
            with another() as other:
                other.does(lambda: self.make_names(120))
            with pytest.raises(NotSupportedError):
                statement.fetched(id=instance.pk)
            connection.close()
            assert statement.fetched(id=instance.pk) == [("flowlog",)]
        finally:
            connection.close()
            self.make_names(100)

    def test_some_are_made_together_and_with_one_that_fails_all(self) -> None:
        first, second = make_instance(), make_instance(name="other", is_default=False)
        found = Rows(lambda: EvolutionInstance.objects.filter(name=param("name")).order_by())
        named = Statement(
            lambda: recording(EvolutionInstance.objects.filter(pk=param("id"))).update(name=param("name"))
        )
        calls = (named.given(id=first.pk, name="eva"), found.given(name="eva"), named.given(id=0, name="ida"))
        together(*calls)
        assert [call.result for call in calls[::2]] == [1, 0]
        assert [(row.pk, row.name) for row in calls[1].result] == [(first.pk, "eva")]
        lost = named.given(id=second.pk, name="ida")
        with pytest.raises(IntegrityError), transaction.atomic():
            together(lost, named.given(id=second.pk, name="eva"), named.given(id=second.pk, name="ada"))
        assert lost.result is None
        assert set(EvolutionInstance.objects.values_list("name", flat=True)) == {"eva", "other"}

    @pytest.mark.django_db(transaction=True)
    def test_children_find_all_of_them_compiled_and_no_connection(self) -> None:
        locked = EvolutionInstance.objects.select_for_update().filter(pk=param("id")).order_by()
        statements = (Statement(lambda: locked.values_list("name")), Rows(lambda: locked), Statement("SELECT %(a)s"))
        connection.close()
        # Of what earlier tests have defined none is there any more, also not one that cannot be compiled.
        gc.collect()
        try:
            worker_before_create_process.send(None)
        finally:
            gc.unfreeze()
        assert all("_sql" in vars(each) for each in (*statements, claims._TAKE))
        assert connection.connection is None
        instance = make_instance()
        with transaction.atomic():
            assert statements[0].fetched(id=instance.pk) == [("flowlog",)]
            assert statements[1].all(id=instance.pk) == [instance]
            assert statements[2].fetched(a="b") == [("b",)]

    def make_names(self, length: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE integrations_evolutioninstance ALTER COLUMN name TYPE varchar({length})")


ROWS: dict[str, dict[str, Any]] = {
    "pending": {},
    "sending": {"status": Status.SENDING, "claim_token": OTHER, "lease_until": Now()},
    "unknown": {"status": Status.UNKNOWN, "first_attempt_at": Now()},
    "sent": {"status": Status.SENT, "sent_at": Now()},
    "failed": {"status": Status.FAILED, "error_code": "x"},
    "skipped": {"status": Status.SKIPPED, "error_code": "x"},
    "cancelled": {"status": Status.CANCELLED},
    "not due": {"next_attempt_at": Now() + MINUTE},
    "expired": {"expires_at": Now()},
    "called blocked": {"blocked": True},
    "of another instance": {},
    "without one": {"instance": None},
}
BEFORE: dict[str, dict[str, Any]] = {name: ROWS[name] for name in ("pending", "sending", "unknown", "sent", "failed")}
INSTANCES: dict[str, dict[str, Any]] = {
    "free": {},
    "its slot is taken": {"slot_token": OTHER, "slot_until": Now() + MINUTE},
    "its slot was taken": {"slot_token": OTHER, "slot_until": Now() - MINUTE},
    "paced": {"next_send_at": Now() + MINUTE},
    "capped": {"daily_cap": 1},
    "held": {"held_at": Now(), "held_code": "x", "probe_at": Now() + MINUTE},
    "to be probed": {"held_at": Now(), "held_code": "x", "probe_at": Now() - MINUTE},
}


class TestClaim:
    @pytest.fixture
    def rows(self) -> list[NotificationLog]:
        """Two messages of an order, one of another that fell due after them, and one that was sent."""
        make_instance(messages_per_minute=30)
        make_instance(name="other", is_default=False)
        order = make_order(notify=True)
        apply_transition(order, "confirm")
        make_order(notify=True)
        rows = list(NotificationLog.objects.order_by("pk"))
        due = timezone.now() - MINUTE
        for place, row in enumerate(rows):
            NotificationLog.objects.filter(pk=row.pk).update(next_attempt_at=due + timedelta(seconds=place))
        make_order(notify=True)
        NotificationLog.objects.filter(pk__gt=rows[-1].pk).update(status=Status.SENT, sent_at=Now())
        return rows

    @pytest.mark.parametrize("instance", INSTANCES)
    def test_it_takes_what_the_rule_says_and_nothing_else(self, rows: list[NotificationLog], instance: str) -> None:
        first, second, _third = rows
        [own, other] = EvolutionInstance.objects.order_by("-is_default")
        taken = set()
        for before, state in product(BEFORE, ROWS):
            with undone():
                EvolutionInstance.objects.filter(pk=own.pk).update(**INSTANCES[instance])
                self.put(first, BEFORE[before])
                self.put(second, {"instance": other} if state == "of another instance" else ROWS[state])
                ready = claims.ready_instances().filter(pk=own.pk)
                rule = claims.oldest_due(own).get()["pk"] if ready and claims.oldest_due(own) else None
                free_rule = rule if ready.filter(held_at=None) else None
                found = [
                    self.claimed(lambda: claims.claim(rows[2].pk)),
                    self.claimed(lambda: claims.claim_next(own.pk)),
                ]
                assert found == [rule, free_rule], (before, state)
                taken.add(rule)
        able = {"free", "its slot was taken", "to be probed"}
        assert taken == ({row.pk for row in rows} if instance in able else {None})

    def put(self, row: NotificationLog, values: dict[str, Any]) -> None:
        NotificationLog.objects.filter(pk=row.pk).update(blocked=False)
        NotificationLog.objects.filter(pk=row.pk).update(**values)

    def claimed(self, claiming: Any) -> int | None:
        """What it claims; that is undone. Slot and pace are set, and no other row is changed."""
        before = {row["id"]: row for row in NotificationLog.objects.values()}
        with undone():
            claim = claiming()
            changed = [row for row in NotificationLog.objects.values() if row != before[row["id"]]]
            if claim is None:
                assert changed == []
                return None
            [row] = changed
            assert not claim.over
            assert (row["status"], row["claim_token"]) == (Status.SENDING, claim.token)
            instance = EvolutionInstance.objects.get(pk=row["instance_id"])
            assert instance.slot_token == claim.token
            assert instance.slot_until
            assert row["lease_until"]
            assert abs(instance.slot_until - row["lease_until"]) < MINUTE
            assert timedelta(seconds=1) < instance.next_send_at - timezone.now() < timedelta(seconds=3)
            return int(row["id"])


LOST: dict[str, dict[str, Any]] = {
    "own": {},
    "unknown": {"status": Status.UNKNOWN, "lease_until": None},
    "put back": {"status": Status.PENDING, "lease_until": None},
    "given up": {"status": Status.FAILED, "lease_until": None, "error_code": "expired"},
    "failed": {"status": Status.FAILED, "lease_until": None, "error_code": "bad_request"},
    "cancelled": {"status": Status.CANCELLED, "lease_until": None},
    "another's": {"claim_token": OTHER},
}
SLOTS: dict[str, dict[str, Any]] = {
    "own": {"slot_token": OWN, "slot_until": Now() + MINUTE},
    "another's": {"slot_token": OTHER, "slot_until": Now() + MINUTE},
    "none": {},
    "own, held meanwhile": {"slot_token": OWN, "slot_until": Now() + MINUTE, **INSTANCES["held"]},
    "own, failing": {
        "slot_token": OWN,
        "slot_until": Now() + MINUTE,
        "failures": 2,
        "failed_recipient": "+551",
        "probes": 3,
    },
    "own, troubled": {"slot_token": OWN, "slot_until": Now() + MINUTE, "troubled_since": Now(), "state": "close"},
}

SENT = SendResult(None, "", "3EB0", 201, "{}", timedelta(seconds=1))


class TestSettle:
    @pytest.mark.parametrize("slot", SLOTS)
    @pytest.mark.parametrize("lost", LOST)
    def test_the_short_way_writes_what_the_long_one_does(self, lost: str, slot: str) -> None:
        make_instance()
        row = NotificationLog.objects.get(order=make_order(notify=True))
        rows = NotificationLog.objects.filter(pk=row.pk)
        rows.update(status=Status.SENDING, claim_token=OWN, lease_until=Now() + MINUTE, attempts=1, error_code="x")
        row.refresh_from_db()
        claim = Claim(row, OWN)
        attempt = DeliveryAttempt.objects.create(notification=row, claim_token=OWN)
        attempt.refresh_from_db()
        rows.update(**LOST[lost])
        EvolutionInstance.objects.update(**SLOTS[slot])
        with undone():
            delivery._settle(claim, attempt, SENT)
            long = everything()
        delivery.settle(claim, attempt, SENT)
        assert everything() == long


class TestBegin:
    def test_with_the_claim_the_same_is_written_as_after_it(self) -> None:
        instance = make_instance(messages_per_minute=0)
        for _each in range(2):
            make_order(notify=True)
        claim = claims.claim_next(instance.pk)
        assert claim
        attempt = claims.begin_attempt(claim)
        assert attempt
        with undone():
            delivery.settle(claim, attempt, SENT)
            alone = claims.claim_next(instance.pk)
            assert alone
            assert alone.attempt is None
            assert claims.begin_attempt(alone)
            after = self.written(alone)
        following = delivery.settle(claim, attempt, SENT, Turn(until=math.inf))
        assert following
        assert self.written(following) == after
        begun = DeliveryAttempt.objects.get(claim_token=following.token)
        assert following.attempt == begun
        assert following.attempt.started_at == begun.started_at
        assert (begun.outcome, begun.notification) == ("", following.notification)

    def written(self, claim: Claim) -> list[dict[str, Any]]:
        rows = everything()
        assert rows[-1]["claim_token"] == claim.token
        del rows[-1]["id"]
        return [{name: "own" if value == claim.token else value for name, value in row.items()} for row in rows]


def everything() -> list[dict[str, Any]]:
    """All rows, with each time to the minute: the two ways make them one after the other."""
    models: tuple[type[Model], ...] = (NotificationLog, EvolutionInstance, DeliveryAttempt)
    return [
        {
            name: timezone.now() - value > MINUTE / 2 if isinstance(value, datetime) else value
            for name, value in row.items()
        }
        for model in models
        for row in model._default_manager.values()
    ]
