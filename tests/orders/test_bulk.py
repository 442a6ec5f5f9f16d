"""Bulk changes in the background: every order once, whoever dies or comes twice, and the page that tells of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from integrations.models import NotificationLog
from orders import bulk
from orders.admin.bulk_jobs import bulk_job_url
from orders.desk_models import BulkJob
from orders.models import Order, OrderEvent, Store, StoreStaff
from orders.services import apply_transition, apply_transition_to
from orders.transitions import TransitionNotAllowed
from tests.factories import make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 2)


def orders(number: int) -> list[Order]:
    return [make_order(customer_phone=f"+551198765{each:04}") for each in range(number)]


def confirmed() -> int:
    return OrderEvent.objects.filter(transition="confirm").count()


def state(job: BulkJob) -> tuple[int, int, Sequence[Any], bool]:
    job.refresh_from_db()
    return job.position, job.applied, job.refusals, job.finished_at is not None


def test_each_order_is_changed_once_and_told_of_and_refusals_are_kept() -> None:
    chosen, ana = orders(5), make_staff()
    apply_transition(chosen[1], "cancel", notify=False)
    job = bulk.start_bulk(chosen, "confirm", ana, notify=True)
    assert state(job) == (0, 0, [], False)
    assert bulk.work_off(job.pk) is False
    why = f"“Confirmar” não é possível para o pedido {chosen[1].code}: a situação está como “cancelado”."
    assert state(job) == (5, 4, [[chosen[1].code, why]], True)
    assert confirmed() == 4
    assert set(OrderEvent.objects.filter(transition="confirm").values_list("actor", flat=True)) == {ana.pk}
    assert {row.event for order in chosen for row in order.notifications.all()} == {"confirm"}
    bulk.work_off(job.pk)
    assert confirmed() == 4


def test_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    job = bulk.start_bulk(orders(5), "confirm", make_staff())
    woken: list[int] = []
    monkeypatch.setattr(bulk, "_wake", woken.append)
    assert bulk.work_off(job.pk, patience=0) is True
    assert state(job) == (2, 2, [], False)
    assert woken == [job.pk]
    assert bulk.work_off(job.pk) is False
    assert state(job) == (5, 5, [], True)


def test_what_dies_in_a_chunk_leaves_it_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    job = bulk.start_bulk(orders(3), "confirm", make_staff())

    def die(_job: BulkJob, **_values: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as killed:
        killed.setattr(BulkJob, "save", die)
        with pytest.raises(SystemExit):
            bulk.work_off(job.pk)
    assert (state(job), confirmed()) == ((0, 0, [], False), 0)
    bulk.work_off(job.pk)
    assert (state(job), confirmed()) == ((3, 3, [], True), 3)


def test_one_odd_order_keeps_no_other_back(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = orders(3)
    odd = chosen[1].pk

    def breaks(rows: Any, *args: Any, **values: Any) -> Any:
        if rows.filter(pk=odd).exists():
            raise ValueError("odd")
        return apply_transition_to(rows, *args, **values)

    monkeypatch.setattr("orders.bulk.apply_transition_to", breaks)
    job = bulk.start_bulk(chosen, "confirm", make_staff())
    bulk.work_off(job.pk)
    why = "Não foi possível alterar este pedido. Tente na página dele."
    assert state(job) == (3, 2, [[chosen[1].code, why]], True)


def test_data_of_all_and_of_each() -> None:
    values: dict[str, Any] = {"delivery_method": "correios_pac", "until": "confirmed"}
    chosen = [make_order(customer_phone=f"+551198765000{number}", **values) for number in range(2)]
    codes = ("AA123456785BR", "BB123456785BR")
    each = {order.pk: {"tracking_code": code} for order, code in zip(chosen, codes, strict=True)}
    job = bulk.start_bulk(
        chosen, "ship", make_staff(), notify=False, data={"tracking_url": "https://example.com"}, each=each
    )
    bulk.work_off(job.pk)
    kept = Order.objects.order_by("pk").values_list("tracking_code", "tracking_url")
    assert list(kept) == [("AA123456785BR", "https://example.com"), ("BB123456785BR", "https://example.com")]


def test_what_can_never_be_starts_nothing() -> None:
    with pytest.raises(TransitionNotAllowed):
        bulk.start_bulk([], "explode", make_staff())
    assert BulkJob.objects.count() == 0


def test_jobs_that_stand_still_are_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[Any] = []

    def publish(wake_ups: list[Any], **_values: Any) -> int:
        published.extend(wake_ups)
        return len(wake_ups)

    monkeypatch.setattr("flowlog.publishing.publish", publish)
    ana = make_staff()
    idle, busy, done = (bulk.start_bulk([], "confirm", ana) for _ in range(3))
    BulkJob.objects.filter(pk__in=[idle.pk, done.pk]).update(moved_at=Now() - 2 * bulk.STANDS_STILL)
    BulkJob.objects.filter(pk=done.pk).update(finished_at=Now())
    assert bulk.wake_idle() == 1
    assert [(each.task, each.args) for each in published] == [(bulk.TASK, (idle.pk,))]
    assert busy.pk not in {each.args[0] for each in published}


def test_its_page_renews_itself_until_it_is_done_and_is_its_actors_alone() -> None:
    ana = make_staff()
    chosen = orders(3)
    apply_transition(chosen[0], "cancel", notify=False)
    job, client = bulk.start_bulk(chosen, "confirm", ana), client_of(ana)
    body = client.get(bulk_job_url(job)).content.decode()
    assert '<noscript><meta http-equiv="refresh"' in body
    assert "0 pedidos de 3 processados." in body
    bulk.work_off(job.pk)
    with CaptureQueriesContext(connection) as queries:
        body = client.get(bulk_job_url(job)).content.decode()
    assert len(queries) == 8
    assert 'http-equiv="refresh"' not in body
    for words in ("Concluído.", "2 pedidos alterados.", "1 pedido ficou como estava:", chosen[0].code):
        assert words in body
    assert client_of(make_staff("bia")).get(bulk_job_url(job)).status_code == 403


class TestStopping:
    def test_what_is_done_stays_and_the_rest_is_left(self) -> None:
        ana = make_staff()
        job, client = bulk.start_bulk(orders(5), "confirm", ana), client_of(ana)
        bulk.work_off(job.pk, patience=0)
        stop = f"{bulk_job_url(job)}stop/"
        wrong = client.post(stop, {"word": "pare"}, follow=True).content.decode()
        assert "Digite “parar” para parar." in wrong
        assert state(job) == (2, 2, [], False)
        body = client.post(stop, {"word": " Parar "}, follow=True).content.decode()
        for words in ("Parado a pedido.", "2 pedidos de 5 processados.", "2 pedidos alterados.",
                      "3 pedidos não chegaram a ser alterados e ficam como estavam."):  # fmt: skip
            assert words in body
        assert "data-progress" not in body
        assert 'name="word"' not in body
        assert bulk.work_off(job.pk) is False
        assert (state(job), confirmed()) == ((2, 2, [], True), 2)

    def test_comes_too_late_for_one_that_is_through(self) -> None:
        ana = make_staff()
        job, client = bulk.start_bulk(orders(1), "confirm", ana), client_of(ana)
        bulk.work_off(job.pk)
        body = client.post(f"{bulk_job_url(job)}stop/", {"word": "parar"}, follow=True).content.decode()
        assert "Já tinha terminado: nada foi parado." in body
        assert "Concluído." in body
        assert BulkJob.objects.get().stopped == ""

    def test_is_its_actors_alone(self) -> None:
        job = bulk.start_bulk(orders(1), "confirm", make_staff())
        bia = client_of(make_staff("bia"))
        assert bia.post(f"{bulk_job_url(job)}stop/", {"word": "parar"}).status_code == 403
        assert client_of(job.actor).get(f"{bulk_job_url(job)}stop/").status_code == 302  # type: ignore[arg-type]
        assert state(job) == (0, 0, [], False)


def let_go(ana: User) -> None:
    ana.is_active = False
    ana.save()


def no_function(ana: User) -> None:
    ana.groups.clear()


@pytest.mark.parametrize("lose", [let_go, no_function])
def test_goes_on_only_while_its_actor_may(lose: Callable[[User], None]) -> None:
    ana = make_staff()
    ana.first_name = "Ana"
    ana.save()
    job = bulk.start_bulk(orders(5), "confirm", ana)
    bulk.work_off(job.pk, patience=0)
    lose(ana)
    assert bulk.work_off(job.pk) is False
    assert (state(job), confirmed()) == ((2, 2, [], True), 2)
    boss = client_of(User.objects.create_superuser("dono"))
    body = boss.get(bulk_job_url(job)).content.decode()
    assert "Parado: Ana não pode mais alterar pedidos." in body
    assert "3 pedidos não chegaram a ser alterados e ficam como estavam." in body


def test_changes_no_order_of_a_store_that_its_actor_has_lost() -> None:
    ana, other = make_staff(), Store.objects.create(name="Filial")
    StoreStaff.objects.create(user=ana, store=other)
    chosen = [make_order(), make_order(store=other)]
    job = bulk.start_bulk(chosen, "confirm", ana)
    StoreStaff.objects.filter(user=ana, store=other).delete()
    bulk.work_off(job.pk)
    why = f"O pedido {chosen[1].code} é de uma loja para a qual ana não trabalha mais."
    assert state(job) == (2, 1, [[chosen[1].code, why]], True)
    assert not NotificationLog.objects.filter(order=chosen[1]).exists()
