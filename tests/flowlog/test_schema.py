"""A process whose database lacks migrations of its code changes no order, and says so everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from flowlog import schema
from flowlog.mail.mailers import mailers
from flowlog.monitoring import alarms
from orders.models import Order, OrderEvent
from orders.services import apply_transition, apply_transition_bulk
from tests.api.client import ORDER, Program
from tests.factories import make_order
from tests.flowlog.monitoring.conftest import alive  # noqa: F401 - a fixture
from tests.flowlog.monitoring.health import not_ok, seen_gone
from tests.mail import mail_server
from tests.processes import wait_until, web_server, worker
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db
MIGRATION = ("flowlog", "0002_alarm_over_since")
WORDS = "Faltam no banco migrations desta versão (flowlog.0002_alarm_over_since): rode `manage.py migrate`."


def fall_behind() -> None:
    """One migration has yet to be applied, and this process has only just started."""
    schema._complete.clear()
    app, name = MIGRATION
    MigrationRecorder(connection).migration_qs.filter(app=app, name=name).delete()


def stored() -> tuple[int, int]:
    return Order.objects.count(), OrderEvent.objects.count()


def test_no_service_changes_an_order_until_they_are_applied() -> None:
    order = make_order()
    fall_behind()
    before = stored()
    for change in (
        lambda: apply_transition(order, "confirm"),
        lambda: apply_transition_bulk(Order.objects.all(), "confirm"),
        make_order,
    ):
        with pytest.raises(schema.SchemaBehindError, match="0002_alarm_over_since"):
            change()
    assert stored() == before
    MigrationRecorder(connection).record_applied(*MIGRATION)
    apply_transition(order, "confirm")
    assert stored() == (1, before[1] + 1)


def test_once_all_are_there_it_costs_nothing() -> None:
    schema._complete.clear()
    schema.require()
    with CaptureQueriesContext(connection) as queries:
        schema.require()
    assert len(queries) == 0


def test_of_many_the_first_are_named() -> None:
    said = "Faltam no banco migrations desta versão (a.0001, b.0001, c.0001%s): rode `manage.py migrate`."
    assert schema.words(["a.0001", "b.0001", "c.0001"]) == said % ""
    assert schema.words(["a.0001", "b.0001", "c.0001", "d.0001", "e.0001"]) == said % ", +2"


def test_a_program_is_told_to_come_again_and_a_person_why() -> None:
    order = make_order()
    program, client = Program(), client_of(make_staff())
    fall_behind()
    before = stored()
    status, told = program.post("/orders", ORDER)
    assert (status, told["code"]) == (503, "unavailable")
    answer = client.post(f"/admin/orders/order/{order.pk}/transition/confirm/", {"orders": str(order.pk)})
    assert answer.status_code == 503
    assert answer.content.decode() == f"Nada foi mudado. {WORDS}\n"
    assert stored() == before


def test_banner_mail_and_readyz_tell_of_it_and_of_its_end(settings: Any, alive: None) -> None:  # noqa: F811
    settings.ALERT_EMAILS = ["ti@example.com"]
    user = make_staff()
    user.user_permissions.add(Permission.objects.get(codename="view_notificationlog"))
    client = client_of(user)
    fall_behind()
    headline = "Os pedidos não podem ser mudados: o banco está atrás desta versão"
    with mail_server() as server:
        settings.MAILERS = mailers(server.url)
        page = client.get("/admin/").content.decode()
        assert headline in page
        assert escape(WORDS) in page
        assert not_ok() == ["migrations"]
        alarms.look()
        alarms.look()
        assert server.subjects == [f"Flowlog: {headline}"]
        assert server.mails[0].get_content().startswith(WORDS)
        MigrationRecorder(connection).record_applied(*MIGRATION)
        assert headline not in client.get("/admin/").content.decode()
        alarms.look()
        seen_gone(60)
        alarms.look()
        assert server.subjects[1:] == ["Flowlog: Os pedidos podem ser mudados outra vez"]
    assert not_ok() == []


@pytest.mark.django_db(transaction=True)
def test_every_process_says_so_when_it_starts(tmp_path: Path) -> None:
    log = tmp_path / "django.log"

    def told() -> int:
        return log.exists() and log.read_text().count(f"Orders will not be changed: {WORDS}")

    fall_behind()
    try:
        with worker("default", LOG_DIR=str(tmp_path)), web_server(LOG_DIR=str(tmp_path), WEB_CONCURRENCY="1"):
            wait_until(lambda: told() == 2, "the web worker and that of default")
    finally:
        MigrationRecorder(connection).record_applied(*MIGRATION)
