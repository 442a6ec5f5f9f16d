"""The broker and the database go away and come back: every message arrives, once, and nothing stops for good."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.db import connection

from flowlog.devtools.postgres import Postgres
from flowlog.devtools.valkey import Valkey
from integrations.models import NotificationLog
from tests.broker import broker_at, hanging_server
from tests.embedded import RUN_HOME
from tests.factories import make_order
from tests.faults.crew import Crew, crew_at_work, shrunk
from tests.faults.database import database_at
from tests.faults.story import (
    Kind,
    Status,
    assert_at_rest,
    assert_told,
    assert_told_each,
    outcomes,
    rows,
    say_first,
    say_two,
    statuses,
    wait_for,
)
from tests.faults.worker import Action, Point
from tests.integrations.sandbox import SandboxProcess
from tests.processes import Process, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

NOWHERE = "redis://127.0.0.1:9/0"
BURST = 8


@pytest.fixture(scope="module", autouse=True)
def valkey() -> Iterator[Valkey]:
    with Valkey(RUN_HOME / "crashes" / "valkey") as server, broker_at(server.url, django_settings):
        yield server


@pytest.fixture(scope="module", autouse=True)
def postgres(django_db_setup: None, django_db_blocker: Any) -> Iterator[Postgres]:
    """A durable one: what it has committed survives its death, as in production."""
    with Postgres(RUN_HOME / "crashes" / "postgres") as server, ExitStack() as stack:
        with django_db_blocker.unblock():
            stack.enter_context(database_at(server.url, copied=True))
        yield server


@pytest.fixture(scope="module")
def running_crew(
    running_sandbox: SandboxProcess, valkey: Valkey, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Crew]:
    """One crew, which goes through all of it: only the sender may be replaced."""
    with crew_at_work(tmp_path_factory.mktemp("crew"), running_sandbox, DATABASE_URL=postgres.url) as crew:
        yield crew


@pytest.fixture(autouse=True)
def all_work_afterwards(crew: Crew, gateway: SandboxProcess, valkey: Valkey, postgres: Postgres) -> Iterator[None]:
    """A message of which no worker was told arrives: beat, the default worker and the sender all do their part."""
    yield
    connection.close()
    valkey.start()
    postgres.start()
    crew.sender()
    gateway.clear()
    gateway.options(latency_ms=0)
    with broker_at(NOWHERE, django_settings):
        order = make_order(notify=True, customer_phone="+5511900000099")
    own = NotificationLog.objects.filter(order=order)
    wait_until(own.filter(status=Status.SENT).exists, "a message that only the sweep knows of")
    assert_told(gateway, own.get())


def start_a_burst(gateway: SandboxProcess) -> None:
    """Orders of different customers, a few of whose messages have arrived by now."""
    gateway.options(latency_ms=100)
    for number in range(BURST):
        make_order(notify=True, customer_phone=f"+55119000022{number:02}")
    wait_until(lambda: len(gateway.messages()) > 1, "the first messages")


def assert_all_told_once(gateway: SandboxProcess, number: int) -> None:
    everything = wait_for(*[Status.SENT] * number)
    assert_told_each(gateway, everything)
    assert_at_rest()


class TestBroker:
    def test_down_while_the_status_changes(self, gateway: SandboxProcess, valkey: Valkey) -> None:
        valkey.stop()
        say_two()
        assert statuses() == [Status.PENDING] * 2
        valkey.start()
        message, following = wait_for(Status.SENT, Status.SENT)
        assert_told(gateway, message, following)
        assert [outcomes(row) for row in (message, following)] == [["sent"]] * 2
        assert_at_rest()

    def test_killed_in_mid_run(self, gateway: SandboxProcess, valkey: Valkey) -> None:
        start_a_burst(gateway)
        valkey.kill()
        assert Status.PENDING in statuses()
        valkey.start()
        assert_all_told_once(gateway, BURST)
        assert [outcomes(row) for row in rows()] == [["sent"]] * BURST

    def test_flushed_with_wake_ups_in_it(self, gateway: SandboxProcess, valkey: Valkey) -> None:
        start_a_burst(gateway)
        with redis.Redis.from_url(valkey.url) as client:
            client.flushall()
            assert Status.PENDING in statuses()
            say_two()
            client.flushall()
        assert_all_told_once(gateway, BURST + 2)
        assert [outcomes(row) for row in rows()] == [["sent"]] * (BURST + 2)

    def test_hanging_while_the_status_changes(self, gateway: SandboxProcess) -> None:
        started = time.monotonic()
        with hanging_server() as url, broker_at(url, django_settings):
            say_two()
        # Two changes, each of which gives up within about two seconds.
        assert time.monotonic() - started < 8
        message, following = wait_for(Status.SENT, Status.SENT)
        assert_told(gateway, message, following)
        assert_at_rest()

    def test_hanging_for_everyone_in_mid_run(self, gateway: SandboxProcess, valkey: Valkey) -> None:
        start_a_burst(gateway)
        server = valkey.main_process()
        assert server
        server.suspend()
        make_order(notify=True)
        server.resume()
        assert_all_told_once(gateway, BURST + 1)
        assert [outcomes(row) for row in rows()] == [["sent"]] * (BURST + 1)


class TestDatabase:
    def test_killed_in_mid_run(self, gateway: SandboxProcess, postgres: Postgres) -> None:
        start_a_burst(gateway)
        connection.close()
        postgres.kill()
        postgres.start()
        assert_all_told_once(gateway, BURST)

    @pytest.mark.usefixtures("patient_sender")
    def test_down_while_an_answer_is_in_hand(self, crew: Crew, gateway: SandboxProcess, postgres: Postgres) -> None:
        say_first()
        crew.arm(Point.AFTER_ANSWER, Action.FREEZE)
        say_two()
        sender = crew.wait_for_frost()
        connection.close()
        postgres.stop()
        sender.thaw()
        wait_until(lambda: sender.output().count("error connecting") > 1, "the sender to try again to connect")
        postgres.start()
        before, message, following = wait_for(*[Status.SENT] * 3)
        assert_told(gateway, before, message, following)
        # The answer outlived the outage: nobody had to look the message up.
        assert (outcomes(message), outcomes(message, Kind.LOOK_UP), message.attempts) == (["sent"], [], 1)
        assert_at_rest()

    @pytest.fixture
    def patient_sender(self, crew: Crew) -> Iterator[Process]:
        """With limits as far beyond the outage as production's."""
        crew.sender().kill()
        sender = crew.sender(**shrunk(SOFT_TIME_LIMIT=30, HARD_TIME_LIMIT=31, LEASE=32, LOOKUP_LAST=33))
        yield sender
        sender.kill()
