"""`manage.py notifications purge`, what the staff see of anonymised messages, and purging while others are at work."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from contextlib import ExitStack
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from flowlog import publishing
from flowlog.publishing import WakeUp
from integrations import retention
from integrations.models import CustomerReply, DeliveryAttempt, EvolutionInstance, NotificationLog, WebhookEvent
from notifications.actions import resend
from tests.broker import purge as empty
from tests.factories import PHONE, make_instance, make_order
from tests.integrations.sandbox import SandboxProcess
from tests.processes import System, environment, wait_until
from tests.staff import client_of, make_staff

Status = NotificationLog.Status
LIST = "/admin/integrations/notificationlog/"


def run(*arguments: str) -> list[str]:
    out = io.StringIO()
    call_command("notifications", "purge", *arguments, stdout=out)
    return out.getvalue().splitlines()


def old_message(**values: Any) -> NotificationLog:
    row = NotificationLog.objects.get(order=make_order(notify=True))
    values = {"status": Status.SENT, "sent_at": Now(), "message": "Olá, Maria! Seu pedido chegou."} | values
    NotificationLog.objects.filter(pk=row.pk).update(created_at=Now() - timedelta(days=181), **values)
    row.refresh_from_db()
    return row


def anonymised() -> NotificationLog:
    row = old_message()
    retention.purge()
    row.refresh_from_db()
    assert row.anonymised_at
    return row


@pytest.mark.django_db
class TestCommand:
    NOTHING = (
        "Respostas de clientes apagadas: 0",
        "Instâncias cujo último número com falha foi apagado: 0",
        "Endereços sem nome esquecidos: 0",
        "Tentativas de envio excluídas: 0",
        "Webhooks excluídos: 0",
        "Atualizações de transportadoras excluídas: 0",
        "Avisos de lojas esquecidos: 0",
        "Formulários usados esquecidos: 0",
    )

    def test_dry_run_counts_and_changes_nothing(self) -> None:
        row = old_message()
        before = NotificationLog.objects.values().get()
        assert run("--dry-run") == [
            "Nada foi alterado. Haveria a fazer:",
            "Mensagens anonimizadas: 1",
            *self.NOTHING,
        ]
        assert NotificationLog.objects.values().get(pk=row.pk) == before

    def test_dry_run_counts_as_far_as_anybody_wants_to_know(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retention, "COUNTED", 1)
        old_message()
        assert run("--dry-run")[1] == "Mensagens anonimizadas: 1"
        old_message()
        assert run("--dry-run")[1] == "Mensagens anonimizadas: mais de 1"

    def test_it_does_what_the_dry_run_said(self) -> None:
        old_message()
        assert run() == ["Mensagens anonimizadas: 1", *self.NOTHING]
        assert run() == ["Mensagens anonimizadas: 0", *self.NOTHING]

    def test_it_says_what_is_kept_for_ever(self, settings: Any) -> None:
        settings.RETENTION_ATTEMPTS_DAYS = 0
        assert run("--dry-run")[5] == "Tentativas de envio excluídas: não se apaga (0 dias)"


@pytest.mark.django_db
class TestResend:
    def refusal(self, row: NotificationLog) -> str:
        assert row.anonymised_at
        day = f"{timezone.localtime(row.anonymised_at):%d/%m/%Y}"
        return f"O texto e o número desta mensagem foram apagados em {day}. Ela não pode ser reenviada."

    def test_the_command_refuses(self) -> None:
        row = anonymised()
        with pytest.raises(CommandError) as refused:
            call_command("notifications", "resend", str(row.pk))
        assert str(refused.value) == self.refusal(row)
        assert NotificationLog.objects.count() == 1

    def test_a_resend_of_one_that_is_anonymised_cannot_go_again_either(self) -> None:
        row = old_message()
        again = resend.resend(row)
        NotificationLog.objects.filter(pk=again.pk).update(status=Status.FAILED, error_code="expired")
        assert retention.purge().messages == 1
        again.refresh_from_db()
        assert again.anonymised_at is None
        with pytest.raises(resend.ResendRefusedError):
            resend.resend(again)
        client = client_of(make_staff())
        assert "Reenviar" not in client.get(f"{LIST}{again.pk}/change/").content.decode()
        assert NotificationLog.objects.count() == 2

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_the_admin_offers_it_no_more_and_refuses(self, method: str) -> None:
        row = anonymised()
        client = client_of(make_staff())
        assert "/resend/" not in client.get(f"{LIST}{row.pk}/change/").content.decode()
        answer = getattr(client, method)(f"{LIST}{row.pk}/resend/", follow=True)
        assert answer.redirect_chain == [(f"{LIST}{row.pk}/change/", 302)]
        assert self.refusal(row) in unescape(answer.content.decode())
        assert NotificationLog.objects.count() == 1


@pytest.mark.django_db
class TestAdmin:
    @pytest.fixture
    def client(self) -> Client:
        return client_of(make_staff())

    def test_the_pages_of_an_anonymised_message_read_well(self, client: Client) -> None:
        row = anonymised()
        assert row.order
        listed = unescape(client.get(LIST).content.decode())
        shown = unescape(client.get(f"{LIST}{row.pk}/change/").content.decode())
        for page in (listed, shown):
            assert row.order.code in page
            assert "apagado" in page
            for gone in ("Maria", "98765", "Seu pedido chegou", "None"):
                assert gone not in page
        assert "O texto, o nome e o número foram apagados em" in shown
        assert "O texto é escrito quando a mensagem é enviada." not in shown

    def test_the_orders_timeline_still_shows_that_it_was_sent(self, client: Client) -> None:
        row = anonymised()
        page = client.get(f"/admin/orders/order/{row.order_id}/change/").content.decode()
        assert f'href="{LIST}{row.pk}/change/"' in page
        assert "Seu pedido chegou" not in page


@pytest.mark.django_db(transaction=True)
class TestBesideOthers:
    @pytest.fixture(autouse=True)
    def instance(self) -> EvolutionInstance:
        return make_instance()

    def test_two_at_once_do_each_thing_once(self) -> None:
        make_order(notify=True)
        pattern: dict[str, Any] = dict(NotificationLog.objects.values().get())
        del pattern["id"]
        then = timezone.now() - timedelta(days=400)
        old = {"status": Status.SENT, "sent_at": then, "created_at": then}
        rows = NotificationLog.objects.bulk_create(
            NotificationLog(**pattern | old | {"dedupe_key": f"test:{number}", "order_event_id": None})
            for number in range(3000)
        )
        DeliveryAttempt.objects.bulk_create(
            DeliveryAttempt(notification=row, claim_token="0" * 32, started_at=then, response_body="x") for row in rows
        )
        WebhookEvent.objects.bulk_create(
            WebhookEvent(
                source="evolution", instance_name="flowlog", event="messages.update", payload={"number": PHONE},
                received_at=then, processed_at=then,
            )
            for _number in range(3000)
        )  # fmt: skip
        command = [sys.executable, "manage.py", "notifications", "purge"]
        both = [
            subprocess.Popen(
                command, cwd=django_settings.BASE_DIR, env=environment(), text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            for _number in range(2)
        ]  # fmt: skip
        outputs = [process.communicate(timeout=120) for process in both]
        assert [process.returncode for process in both] == [0, 0], outputs
        said = [dict(line.split(": ") for line in out.splitlines()) for out, _errors in outputs]
        total = {what: sum(int(each[what]) for each in said) for what in said[0]}
        assert {what: number for what, number in total.items() if number} == {
            "Mensagens anonimizadas": 3000,
            "Tentativas de envio excluídas": 3000,
            "Webhooks excluídos": 3000,
        }
        assert NotificationLog.objects.filter(anonymised_at=None).count() == 1
        assert (DeliveryAttempt.objects.count(), WebhookEvent.objects.count()) == (0, 0)

    def test_what_somebody_else_has_locked_is_passed_by(self) -> None:
        locked, free = old_message(), old_message()
        is_locked, may_go = threading.Event(), threading.Event()

        def hold() -> None:
            with transaction.atomic():
                NotificationLog.objects.select_for_update().get(pk=locked.pk)
                is_locked.set()
                may_go.wait(60)
            connection.close()

        holder = threading.Thread(target=hold)
        holder.start()
        try:
            assert is_locked.wait(60)
            assert retention.purge() == retention.Purged(messages=1)
            left = NotificationLog.objects.filter(anonymised_at=None)
            assert list(left.values_list("pk", flat=True)) == [locked.pk]
        finally:
            may_go.set()
            holder.join()
        assert retention.purge() == retention.Purged(messages=1)
        assert free.pk != locked.pk

    def test_a_live_delivery_is_not_disturbed(self, tmp_path: Path, gateway: SandboxProcess) -> None:
        """Messages that are old already when they are sent: each goes out whole and once, and then forgets."""
        with ExitStack() as stack:
            empty("default", "whatsapp")
            system = System(stack, tmp_path, gateway, NOTIFICATIONS_SWEEP_INTERVAL="0.5")
            orders = [make_order(notify=True, customer_phone=f"+55119876543{number:02}") for number in range(30)]
            rows = NotificationLog.objects.filter(order__in=orders)
            rows.update(created_at=Now() - timedelta(days=400))
            system.start_all()
            counted = 0

            def all_done() -> bool:
                nonlocal counted
                counted += retention.purge().messages
                return not rows.exclude(status=Status.SENT).exists()

            wait_until(all_done, "the messages to be sent")
            counted += retention.purge().messages
        assert counted == 30
        assert rows.filter(anonymised_at=None).count() == 0
        texts = {order.customer.phone: gateway.texts(order.customer.phone) for order in orders}
        assert {phone: len(said) for phone, said in texts.items()} == dict.fromkeys(texts, 1)
        for order in orders:
            assert order.code in texts[order.customer.phone][0]
            assert "Maria" in texts[order.customer.phone][0]
        assert CustomerReply.objects.count() == 0

    def test_the_workers_task_goes_on_until_all_is_done(self, tmp_path: Path, gateway: SandboxProcess) -> None:
        for _number in range(3):
            old_message()
        with ExitStack() as stack:
            empty("default", "whatsapp")
            System(stack, tmp_path, gateway).worker("default")
            publishing.publish([WakeUp(retention.TASK)], expires=60)
            wait_until(lambda: retention.due() == retention.Purged(), "the task to have purged")
        assert NotificationLog.objects.filter(anonymised_at=None).count() == 0
