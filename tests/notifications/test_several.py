"""Several sends are in flight: an instance whose gateway hangs delays no other."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.db.models.functions import Now

from flowlog.checklist import State
from flowlog.devtools.system import celery_arguments
from flowlog.operations.checklists import workers
from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog
from notifications import capacity, questions, tasks, wakeups
from notifications.sweep import sweep
from orders.models import Store
from tests.broker import purge, take_all
from tests.factories import make_instance, make_order
from tests.integrations.sandbox import SandboxProcess, sandbox
from tests.processes import READY, Process, celery, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

Status = NotificationLog.Status
HANGS = "+5511987659007"


@pytest.fixture(scope="module")
def two() -> Iterator[SandboxProcess]:
    with sandbox("flowlog", "other") as gateway:
        yield gateway


@pytest.fixture
def shops(two: SandboxProcess, settings: Any) -> list[Store]:
    """Two, each with an instance of its own."""
    purge("whatsapp", "default")
    two.clear()
    two.options(search_hang_seconds=0)
    settings.EVOLUTION_API_URL, settings.EVOLUTION_API_KEY = two.base_url, two.api_key
    shops = [Store.get_default(), Store.objects.create(name="Outra loja")]
    for shop, name in zip(shops, ("flowlog", "other"), strict=True):
        make_instance(shop, name=name)
    return shops


@pytest.fixture
def worker(shops: list[Store], settings: Any) -> Iterator[Process]:
    """As `make run` and the unit start it; what hangs at the end is killed."""
    with ExitStack() as stack:
        process = stack.enter_context(
            celery(
                *celery_arguments()["worker-whatsapp"],
                ready=READY,
                EVOLUTION_API_URL=settings.EVOLUTION_API_URL,
                EVOLUTION_API_KEY=settings.EVOLUTION_API_KEY,
                REDIS_URL=settings.REDIS_URL,
            )
        )
        yield process
        process.kill()


def message(shop: Store, **values: Any) -> NotificationLog:
    return NotificationLog.objects.get(order=make_order(store=shop, notify=True, **values))


def statuses(rows: list[NotificationLog]) -> list[str]:
    found = NotificationLog.objects.filter(pk__in=[row.pk for row in rows])
    return list(found.order_by("pk").values_list("status", flat=True))


def unknown(shop: Store) -> NotificationLog:
    """One that is to be looked up, and whose request did begin. To be made while no worker could claim it."""
    row, token = message(shop), uuid.uuid4()
    NotificationLog.objects.filter(pk=row.pk).update(
        status=Status.UNKNOWN,
        claim_token=token,
        message="Oi",
        first_attempt_at=Now() - timedelta(minutes=3),
        lookup_at=Now() - timedelta(minutes=1),
    )
    DeliveryAttempt.objects.create(notification=row, claim_token=token, started_at=Now() - timedelta(minutes=3))
    return row


def children(worker: Process) -> int:
    return len(psutil.Process(worker.popen.pid).children())


def test_one_that_hangs_delays_no_other(shops: list[Store], worker: Process) -> None:
    assert children(worker) == 4
    stuck = [message(shops[0], customer_phone=HANGS) for _ in range(5)]
    wait_until(lambda: statuses(stuck)[0] == Status.SENDING, "the one that hangs")
    others = [message(shops[1]) for _ in range(8)]
    wait_until(lambda: statuses(others) == [Status.SENT] * 8, "the others")
    assert statuses(stuck) == [Status.SENDING, *[Status.PENDING] * 4]


def test_look_ups_that_hang_delay_nobodys_messages(
    shops: list[Store], two: SandboxProcess, request: pytest.FixtureRequest
) -> None:
    two.options(search_hang_seconds=60)
    lost = [unknown(shops[0]) for _ in range(8)]
    purge("whatsapp")
    request.getfixturevalue("worker")
    wakeups.publish_look_ups(lost)
    wait_until(lambda: EvolutionInstance.objects.filter(question_until__isnull=False).exists(), "the first look-up")
    rows = [message(shop) for shop in (*shops, *shops)]
    wait_until(lambda: statuses(rows) == [Status.SENT] * 4, "the messages of both shops")
    assert statuses(lost) == [Status.UNKNOWN] * 8
    assert not DeliveryAttempt.objects.filter(kind=DeliveryAttempt.Kind.LOOK_UP).exists()


class TestQuestions:
    """One at a time per instance; each look-up wakes the next."""

    def woken(self) -> list[int]:
        found = take_all("whatsapp")
        return [each.decode()[0][0] for each in found if each.headers["task"] == "notifications.tasks.look_up"]

    def test_the_sweep_wakes_the_next_of_each_instance(self, shops: list[Store]) -> None:
        rows = [unknown(shop) for shop in (*shops, *shops)]
        NotificationLog.objects.filter(pk=rows[2].pk).update(lookup_at=Now() - timedelta(minutes=2))
        NotificationLog.objects.update(woken_at=None)
        purge("whatsapp")
        assert sweep().looked_up == 2
        assert sorted(self.woken()) == [rows[1].pk, rows[2].pk]

    def test_a_look_up_wakes_the_next(self, shops: list[Store]) -> None:
        first, second = unknown(shops[0]), unknown(shops[0])
        unknown(shops[1])
        purge("whatsapp")
        tasks.look_up.apply((first.pk,))
        assert first.delivery_attempts.filter(kind=DeliveryAttempt.Kind.LOOK_UP).exists()
        assert self.woken() == [second.pk]
        assert not EvolutionInstance.objects.filter(question_until__isnull=False).exists()

    def test_while_one_asks_another_does_not(self, shops: list[Store]) -> None:
        row = unknown(shops[0])
        NotificationLog.objects.update(woken_at=None)
        purge("whatsapp")
        EvolutionInstance.objects.filter(store=shops[0]).update(question_until=Now() + timedelta(seconds=9))
        questions.look_up(row.pk)
        assert not DeliveryAttempt.objects.filter(kind=DeliveryAttempt.Kind.LOOK_UP).exists()
        assert sweep().looked_up == 0
        # Whoever died over it blocks it for no longer than its time.
        EvolutionInstance.objects.update(question_until=Now())
        assert sweep().looked_up == 1

    def test_a_probe_waits_for_its_turn_too(self, shops: list[Store]) -> None:
        instance = EvolutionInstance.objects.get(store=shops[0])
        claim = {"held_at": Now(), "held_code": "connection_closed", "probe_at": Now(), "state": "close"}
        EvolutionInstance.objects.filter(pk=instance.pk).update(question_until=Now() + timedelta(seconds=9), **claim)
        questions.probe(instance.pk)
        instance.refresh_from_db()
        assert instance.state == EvolutionInstance.State.CLOSE
        EvolutionInstance.objects.update(question_until=None)
        questions.probe(instance.pk)
        instance.refresh_from_db()
        assert instance.state == EvolutionInstance.State.OPEN

    def test_a_look_up_that_came_during_a_probe_is_woken_after_it(self, shops: list[Store]) -> None:
        row = unknown(shops[0])
        assert row.instance_id
        EvolutionInstance.objects.filter(pk=row.instance_id).update(
            held_at=Now(), held_code="connection_closed", probe_at=Now()
        )
        purge("whatsapp")
        questions.probe(row.instance_id)
        assert self.woken() == [row.pk]


class TestCapacity:
    @pytest.mark.parametrize(
        ("needed", "room", "processes"), [(0, 8, 2), (2, 8, 2), (6, 8, 6), (20, 8, 8), (6, 1, 2), (200, 900, 64)]
    )
    def test_two_for_each_instance_as_far_as_memory_goes(self, needed: int, room: int, processes: int) -> None:
        assert capacity.Capacity(needed, room).processes == processes

    def test_the_setting_wins(self, settings: Any) -> None:
        settings.WHATSAPP_PROCESSES = 3
        assert capacity.Capacity(200, 900).processes == capacity.processes() == 3

    def test_it_counts_the_instances(self, shops: list[Store]) -> None:
        assert capacity.capacity().needed == 4

    @pytest.mark.parametrize(
        ("cgroup", "limits", "megabytes"),
        [
            ("0::/shop/worker\n", {"shop/worker/memory.max": 96}, 96),
            ("0::/shop/worker\n", {"shop/memory.max": 64, "shop/worker/memory.max": 96}, 64),
            ("0::/\n", {"memory.max": 80}, 80),  # a container of its own namespace
            ("0::/docker/abc\n", {"memory.max": 80}, 80),  # one that sees only its own group
            ("4:cpu,memory:/shop\n1:name=systemd:/x\n0::/\n", {"memory/shop/memory.limit_in_bytes": 72}, 72),
            ("0::/worker\n", {"worker/memory.max": None}, None),
            ("0::/worker\n", {"worker/memory.max": 2**40}, None),
            ("3:cpu:/worker\n", {"worker/memory.max": 50}, None),
        ],
    )  # fmt: skip
    def test_memory_is_what_the_control_groups_leave_of_the_machines(
        self, tmp_path: Path, cgroup: str, limits: dict[str, int | None], megabytes: int | None
    ) -> None:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        assert capacity.memory(tmp_path) == whole
        files = {"proc/self/cgroup": cgroup} | {
            f"sys/fs/cgroup/{name}": f"{limit * 2**20 if limit else 'max'}\n" for name, limit in limits.items()
        }
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        assert capacity.memory(tmp_path) == (megabytes * 2**20 if megabytes else whole)

    def test_there_is_room_for_so_many_as_a_quarter_of_that_holds(self, tmp_path: Path) -> None:
        for name, content in {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": f"{720 * 2**20}\n"}.items():
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).write_text(content)
        assert capacity.capacity(tmp_path).room == 3

    def test_predeploy_says_whether_they_are_enough(self, shops: list[Store], settings: Any) -> None:
        settings.WHATSAPP_PROCESSES = 4
        assert [item.state for item in workers.processes()] == [State.OK]
        settings.WHATSAPP_PROCESSES = 3
        [item] = workers.processes()
        assert (item.state, item.words.split(":")[0]) == (State.WARNING, "3 processos; são precisos 4")
