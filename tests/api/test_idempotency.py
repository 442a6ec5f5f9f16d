"""A request that comes again is carried out once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.models.functions import Now

from api import idempotency
from api.models import StoredAnswer
from api.tasks import purge_answers
from integrations.models import NotificationLog
from orders.erasure import erase
from orders.models import Customer, Order
from tests.api.client import ORDER, Program
from tests.factories import make_instance

pytestmark = pytest.mark.django_db


def test_the_same_again_is_the_same_answer(program: Program) -> None:
    first = program.post("/orders", ORDER, key="pedido-1042")
    body = program.last.content
    assert "Idempotent-Replayed" not in program.last.headers
    second = program.post("/orders", ORDER, key="pedido-1042")
    assert (second, program.last.content) == (first, body)
    assert (program.last.headers["Idempotent-Replayed"], program.last.status_code) == ("true", 201)
    assert (Order.objects.count(), NotificationLog.objects.count()) == (1, 1)


def test_a_step_that_comes_again_is_taken_once(program: Program) -> None:
    steps = f"/orders/{program.post('/orders', ORDER)[1]['code']}/transitions"
    first = program.post(steps, {"name": "confirm"}, key="k")
    assert program.post(steps, {"name": "confirm"}, key="k") == first
    assert program.post(steps, {"name": "confirm"}, key="k2")[0] == 409
    assert program.post(steps, {"name": "confirm"}, key="k2")[0] == 409
    # What was refused was not carried out, and its key is free.
    assert program.post(steps, {"name": "pay"}, key="k2")[0] == 200
    assert StoredAnswer.objects.count() == 2


def test_another_request_with_the_key_is_refused(program: Program) -> None:
    made = program.post("/orders", ORDER, key="k")[1]
    other = {**ORDER, "freight": "1.00"}
    for status, problem in (
        program.post("/orders", other, key="k"),
        program.post(f"/orders/{made['code']}/cancel", {}, key="k"),
    ):
        assert (status, problem["code"]) == (422, "idempotency-key-reused")
    # Each token has keys of its own.
    assert Program(name="Outro").post("/orders", other, key="k")[0] == 201
    assert Order.objects.count() == 2


@pytest.mark.parametrize("key", ["x" * 256, "com espaço", "acentuação"])
def test_a_key_is_of_up_to_255_plain_characters(program: Program, key: str) -> None:
    status, problem = program.post("/orders", ORDER, key=key)
    assert (status, problem["errors"][0]["parameter"]) == (422, "Idempotency-Key")
    assert program.post("/orders", ORDER, key="x" * 255)[0] == 201


def test_a_dry_run_uses_no_key(program: Program) -> None:
    assert program.post("/orders", ORDER, key="k", dry_run=1)[0] == 200
    assert program.post("/orders", ORDER, key="k")[0] == 201


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one_order() -> None:
    make_instance()
    program = Program()

    def send(_number: int) -> tuple[int, Any]:
        try:
            sender = Program.__new__(Program)
            sender.__dict__.update(program.__dict__)
            return sender.post("/orders", ORDER, key="k")
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as together:
        answers = list(together.map(send, range(4)))
    assert {status for status, _body in answers} <= {201, 409}
    assert {body["code"] for status, body in answers if status == 409} <= {"request-in-progress"}
    assert len({body["code"] for status, body in answers if status == 201}) == 1
    assert Order.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_that_is_still_worked_on_is_not_begun_again() -> None:
    make_instance()
    program = Program()

    def lock_elsewhere() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", [idempotency._LOCKS, f"{program.token.pk} k"])

    with ThreadPoolExecutor(1) as another:
        another.submit(lock_elsewhere).result()
        status, problem = program.post("/orders", ORDER, key="k")
        another.submit(lambda: connection.close()).result()  # noqa: PLW0108 - the thread's own
    assert (status, problem["code"], program.last.headers["Retry-After"]) == (409, "request-in-progress", "1")
    assert not Order.objects.exists()


def test_answers_are_forgotten_after_two_days(program: Program) -> None:
    program.post("/orders", ORDER, key="old")
    StoredAnswer.objects.update(created_at=Now() - timedelta(hours=49))
    program.post("/orders", ORDER, key="new")
    StoredAnswer.objects.filter(key="new").update(created_at=Now() - timedelta(hours=47))
    purge_answers()
    assert list(StoredAnswer.objects.values_list("key", flat=True)) == ["new"]
    schedule = django_settings.CELERY_BEAT_SCHEDULE["purge-api-answers"]
    assert (schedule["task"], schedule["schedule"]) == (purge_answers.name, 3600)
    assert django_settings.CELERY_TASK_ROUTES[purge_answers.name] == {"queue": "default"}


def test_an_erasure_takes_the_answers_about_its_orders_along(program: Program) -> None:
    program.post("/orders", ORDER, key="hers")
    program.post("/orders", {**ORDER, "customer": {"name": "Ana", "phone": "(11) 98765-1111"}}, key="anothers")
    NotificationLog.objects.update(status="cancelled")
    erase(Customer.objects.get(phone="+5511987654321"))
    kept = StoredAnswer.objects.order_by("pk").values_list("key", "fingerprint", "body")
    assert [(key, bool(fingerprint), "Ana" in body) for key, fingerprint, body in kept] == [
        ("hers", False, False), ("anothers", True, True),
    ]  # fmt: skip
    assert kept[0][2] == ""


def test_a_key_does_not_bring_an_erased_customer_back(program: Program) -> None:
    """A program that never got its answer sends the same again."""
    code = program.post("/orders", ORDER, key="hers")[1]["code"]
    program.post(f"/orders/{code}/transitions", {"name": "confirm"}, key="step")
    NotificationLog.objects.update(status="cancelled")
    erase(Customer.objects.get())
    for path, body, key in (
        ("/orders", ORDER, "hers"),
        ("/orders", {**ORDER, "freight": "1.00"}, "hers"),
        (f"/orders/{code}/transitions", {"name": "confirm"}, "step"),
    ):
        status, problem = program.post(path, body, key=key)
        assert (status, problem["code"], problem["title"]) == (410, "customer-erased", "Não está mais aqui")
    assert (Order.objects.count(), Customer.objects.values_list("phone", flat=True).get()) == (1, "")
    assert NotificationLog.objects.count() == 2
