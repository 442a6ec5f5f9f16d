"""Clocks that disagree, and what beat remembers of one that was ahead: messages are looked for all the same."""

from __future__ import annotations

import shelve
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import __version__ as celery_version
from celery.beat import ScheduleEntry
from celery.schedules import schedule
from django.db.models.functions import Now

from flowlog import heartbeats, publishing
from flowlog.celery import app
from flowlog.models import Heartbeat
from flowlog.publishing import WakeUp
from flowlog.schedule import Scheduler
from integrations.models import NotificationLog
from notifications import sweep
from tests.broker import broker_at, take_all
from tests.factories import make_instance, make_order
from tests.integrations.sandbox import SandboxProcess
from tests.processes import System, beat, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_queues")]

SWEEP = "notifications.tasks.sweep"


@pytest.fixture
def system(tmp_path: Path, gateway: SandboxProcess) -> Iterator[System]:
    with ExitStack() as stack:
        yield System(stack, tmp_path, gateway)


def published(*names: str) -> list[Any]:
    return [message for message in take_all("default") if message.headers["task"] in names]


def write_schedule_of_the_future(file: Path) -> None:
    """What Celery's own beat leaves behind on a machine whose clock was an hour ahead."""
    ahead = datetime.now(UTC) + timedelta(hours=1)
    names = app.conf.beat_schedule
    with shelve.open(str(file), writeback=True) as stored:  # noqa: S301 - our own
        stored["entries"] = {
            name: ScheduleEntry(name=name, task=entry["task"], last_run_at=ahead, schedule=schedule(entry["schedule"]))
            for name, entry in names.items()
        }
        stored["__version__"], stored["tz"], stored["utc_enabled"] = celery_version, app.conf.timezone, True


def test_beat_publishes_whatever_a_schedule_file_says(tmp_path: Path) -> None:
    file = tmp_path / "schedule"
    write_schedule_of_the_future(file)
    with beat(file, NOTIFICATIONS_SWEEP_INTERVAL="0.3"):
        wait_until(lambda: published(SWEEP), "a sweep")


def test_beat_goes_on_at_once_when_its_clock_is_set_back() -> None:
    """As if all had been run by a clock an hour ahead, which was mended since."""
    scheduler = Scheduler(app=app)
    scheduler.tick()
    for entry in scheduler.schedule.values():
        entry.last_run_at = entry.default_now() + timedelta(hours=1)
    every = app.conf.beat_schedule["sweep"]["schedule"]
    assert scheduler.tick() <= every
    for entry in scheduler.schedule.values():
        assert entry.last_run_at is not None
        assert entry.last_run_at <= entry.default_now()
        entry.last_run_at = entry.last_run_at - timedelta(seconds=every)
    scheduler._heap = None
    while scheduler.tick() == 0:
        pass
    assert len(published(SWEEP)) == 1
    scheduler.close()


def test_a_worker_whose_clock_is_ahead_still_takes_what_beat_sends(system: System) -> None:
    """Five minutes: the sweep's expiry, as beat writes it, lies so much nearer by the worker's clock."""
    options = app.conf.beat_schedule["sweep"]["options"]
    expires = datetime.now(UTC) + timedelta(seconds=options["expires"]) - timedelta(minutes=5)
    system.worker("default")
    app.send_task(SWEEP, queue="default", expires=expires, ignore_result=True)
    wait_until(lambda: Heartbeat.objects.filter(queue="sweep").exists(), "a sweep that was done")


def test_nor_do_wake_ups_expire_by_a_clock_that_is_minutes_ahead() -> None:
    assert publishing.publish([WakeUp(SWEEP)], expires=1) == 1
    [message] = published(SWEEP)
    left = datetime.fromisoformat(message.headers["expires"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left < timedelta(minutes=11)


def test_after_a_day_without_a_worker_most_sweeps_cost_one_query(django_assert_num_queries: Any) -> None:
    make_instance()
    make_order(notify=True)
    NotificationLog.objects.update(woken_at=None)
    sweep.sweep_in_turn("default@test")
    woken = NotificationLog.objects.get().woken_at
    assert woken is not None
    NotificationLog.objects.update(woken_at=None)
    with django_assert_num_queries(1):
        sweep.sweep_in_turn("default@test")
    Heartbeat.objects.update(beat_at=Now() - timedelta(seconds=3))
    sweep.sweep_in_turn("default@test")
    assert NotificationLog.objects.get().woken_at is not None


def test_a_sweep_that_comes_to_nothing_is_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """One step that breaks, each time: the others run, and yet it must not look as if all were well."""
    make_instance()
    make_order(notify=True)
    NotificationLog.objects.update(woken_at=None)
    monkeypatch.setattr(sweep, "BATCH", -1)  # a slice that no query can have
    sweep.sweep_in_turn("default@test")
    assert heartbeats.pulses()["sweep"].silent
    monkeypatch.undo()
    sweep.sweep_in_turn("default@test")
    assert not heartbeats.pulses()["sweep"].silent


def test_without_beat_whoever_sends_a_message_asks_for_a_look(system: System) -> None:
    heartbeats.beat(heartbeats.SWEEP, "default@test")
    Heartbeat.objects.update(beat_at=Now() - timedelta(minutes=5))
    make_instance()
    system.worker("whatsapp", HEARTBEAT_INTERVAL="0.1")
    make_order(notify=True)
    wait_until(lambda: published("flowlog.tasks.look_for_trouble"), "a look that was asked for")


def test_publishing_never_raises_whatever_the_address(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    """In the middle of a status change: what cannot be published is left to the sweep, and the change stays."""
    for url in ("redis://127.0.0.1:9/shop", "redis://127.0.0.1:9/6?db=6", "nothing://x"):
        with broker_at(url, settings):
            assert publishing.publish([WakeUp(SWEEP)], expires=60) == 0
            began = time.monotonic()
            order = make_order(notify=True)
            assert time.monotonic() - began < 5
        assert NotificationLog.objects.get(order=order).status == "pending"
    assert caplog.text.count("wake-ups wait for the sweep") >= 6
