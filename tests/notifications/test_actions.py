"""What people do by hand is refused by the action itself, and leaves an entry, whoever calls it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db.models.functions import Now

from integrations.models import EvolutionInstance, NotificationLog
from notifications.actions.cancel import cancel
from notifications.actions.release import release
from notifications.actions.resend import resend
from orders.models import Store, StoreStaff
from tests.factories import make_instance, make_order

pytestmark = pytest.mark.django_db

Status = NotificationLog.Status
NAMES = ("resend_notificationlog", "cancel_notificationlog", "release_evolutioninstance")


@pytest.fixture
def instance() -> EvolutionInstance:
    make_instance()
    EvolutionInstance.objects.update(held_at=Now(), held_code="connection_closed", held_reason="x", probe_at=Now())
    return EvolutionInstance.objects.get()


@pytest.fixture
def waiting(instance: EvolutionInstance) -> NotificationLog:
    return NotificationLog.objects.get(order=make_order(notify=True))


@pytest.fixture
def failed(instance: EvolutionInstance) -> NotificationLog:
    row = NotificationLog.objects.get(order=make_order(notify=True))
    NotificationLog.objects.filter(pk=row.pk).update(status=Status.FAILED, error_code="bad_request")
    return NotificationLog.objects.get(pk=row.pk)


def person_with(*names: str, store: Store | None = None) -> User:
    person = User.objects.create_user("bia", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=names))
    StoreStaff.objects.create(user=person, store=store or Store.get_default())
    return person


def test_for_another_store_each_is_refused_and_changes_nothing(
    instance: EvolutionInstance, waiting: NotificationLog, failed: NotificationLog
) -> None:
    bia = person_with(*NAMES, store=Store.objects.create(name="Outra"))
    before = list(NotificationLog.objects.order_by("pk").values())
    for action in (
        lambda: resend(failed, actor=bia),
        lambda: cancel([waiting], actor=bia),
        lambda: release(instance, actor=bia),
    ):
        with pytest.raises(PermissionDenied):
            action()
    assert list(NotificationLog.objects.order_by("pk").values()) == before
    assert EvolutionInstance.objects.get().held_at == instance.held_at
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("lacking", NAMES)
def test_without_its_permission_each_is_refused_and_changes_nothing(
    lacking: str, instance: EvolutionInstance, waiting: NotificationLog, failed: NotificationLog
) -> None:
    bia = person_with(*(name for name in NAMES if name != lacking))
    before = list(NotificationLog.objects.order_by("pk").values())
    actions: tuple[Callable[[], object], ...] = (
        lambda: resend(failed, actor=bia),
        lambda: cancel([waiting], actor=bia),
        lambda: release(instance, actor=bia),
    )
    with pytest.raises(PermissionDenied):
        dict(zip(NAMES, actions, strict=True))[lacking]()
    assert list(NotificationLog.objects.order_by("pk").values()) == before
    assert EvolutionInstance.objects.get().held_at == instance.held_at
    assert not LogEntry.objects.exists()


def test_with_it_each_is_done_and_stands_in_the_history(
    instance: EvolutionInstance, waiting: NotificationLog, failed: NotificationLog
) -> None:
    bia = person_with(*NAMES)
    new = resend(failed, actor=bia)
    assert cancel([waiting, failed], actor=bia) == [waiting]
    assert [release(instance, actor=bia), release(instance, actor=bia)] == [True, False]
    assert (new.requested_by, NotificationLog.objects.get(pk=waiting.pk).cancelled_by) == (bia, bia)
    entries = LogEntry.objects.order_by("pk").values_list("user", "content_type__model", "object_id", "change_message")
    assert list(entries) == [
        (bia.pk, "notificationlog", str(failed.pk), "Reenviada."),
        (bia.pk, "notificationlog", str(waiting.pk), "Cancelada."),
        (bia.pk, "evolutioninstance", str(instance.pk), "Liberado."),
    ]


def test_the_command_line_may_and_is_named_in_the_log(
    instance: EvolutionInstance, failed: NotificationLog, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "notifications.actions.audit"):
        call_command("notifications", "resend", str(failed.pk))
        call_command("notifications", "release", instance.name)
    said = [record.getMessage() for record in caplog.records if record.name == "notifications.actions.audit"]
    assert said == [
        f"NotificationLog {failed.pk}, from the command line: Reenviada.",
        f"EvolutionInstance {instance.pk}, from the command line: Liberado.",
    ]
    assert not LogEntry.objects.exists()
