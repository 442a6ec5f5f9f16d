"""A worker that stands still before its request sends nothing, and that is nobody's fault but the worker's."""

from __future__ import annotations

import pytest
from django.db.models.functions import Now

from integrations.models import EvolutionInstance
from notifications.delivery import deliver
from tests.factories import make_instance, make_order
from tests.faults.story import Status, outcomes, phone, rows
from tests.integrations.sandbox import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def every_request_comes_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.delivery.MAX_STALL", -3600.0)


def test_a_slow_worker_does_not_hold_the_instance(gateway: SandboxProcess) -> None:
    make_instance()
    for number in range(4):
        make_order(notify=True, customer_phone=phone(number))
    for row in rows():
        deliver(row.pk)
    assert [(row.status, row.error_code, row.attempts) for row in rows()] == [(Status.PENDING, "", 0)] * 4
    assert [outcomes(row) for row in rows()] == [[]] * 4
    assert gateway.messages() == []
    instance = EvolutionInstance.objects.get()
    assert (instance.held_at, instance.failures, instance.slot_token) == (None, 0, None)


def test_a_slow_worker_does_not_change_why_the_instance_is_held(gateway: SandboxProcess) -> None:
    make_instance(held_at=Now(), held_code="connection_closed", held_reason="…", probe_at=Now(), failures=1)
    make_order(notify=True)
    [row] = rows()
    deliver(row.pk)
    assert (row.status, row.attempts, outcomes(row)) == (Status.PENDING, 0, [])
    assert gateway.messages() == []
    instance = EvolutionInstance.objects.get()
    assert (instance.held_code, instance.held_reason, instance.failures) == ("connection_closed", "…", 1)
