"""A message of unknown outcome is settled by what the gateway told meanwhile, of it or of its id."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from flowlog.devtools.sandbox.faults import Fault
from integrations.evolution.client import client
from integrations.gateways import Outcome
from integrations.inbound.intake import process
from integrations.models import NotificationLog, WebhookEvent
from notifications import claims, delivery, lookups
from notifications.delivery import SendResult, deliver
from notifications.lookups import look_up
from notifications.message_ids import own_id
from notifications.sweep import sweep
from orders.models import Store
from tests.factories import make_instance
from tests.integrations.sandbox import SandboxProcess
from tests.integrations.webhooks import JID, post, receipt, sent_message
from tests.notifications.lookups.rows import Finding, Status, age, findings, fresh, row_of, sent, unknown

pytestmark = pytest.mark.django_db(transaction=True)


class TestTold:
    """The gateway's own account of what it sent, which came by webhook."""

    def told(self, row: NotificationLog, key_id: str = "3EB0TOLD", *, late: float = 0, **changed: Any) -> None:
        assert row.first_attempt_at
        timestamp = int(row.first_attempt_at.timestamp() + late)
        arguments: dict[str, Any] = {"text": row.message, "timestamp": timestamp} | changed
        assert post(sent_message(key_id, **arguments)) == 200

    def test_is_proof_without_asking(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        self.told(row)
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, "3EB0TOLD")
        assert fresh(row).sent_at == row.delivery_attempts.get().started_at
        assert findings(row) == []

    def test_makes_the_look_up_due_at_once(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        later = Now() + timedelta(minutes=2)
        NotificationLog.objects.update(lookup_at=later, woken_at=Now())
        self.told(row, text="another")
        process()
        assert not lookups.due().exists()
        self.told(row)
        process()
        assert lookups.due().get() == row
        assert fresh(row).status == Status.UNKNOWN
        swept = sweep()
        assert swept.looked_up == 1

    def test_while_it_is_being_sent_has_it_looked_up_as_soon_as_it_is_unknown(self, gateway: SandboxProcess) -> None:
        claim = claims.claim(row_of().pk)
        assert claim
        attempt = claims.begin_attempt(claim)
        assert attempt
        self.told(fresh(claim.notification))
        process()
        delivery.settle(claim, attempt, SendResult(Outcome.UNKNOWN, "read_timeout"))
        assert lookups.due().get() == claim.notification
        look_up(claim.notification.pk)
        row = fresh(claim.notification)
        assert (row.status, row.provider_message_id) == (Status.SENT, "3EB0TOLD")
        assert findings(row) == []

    def test_of_the_other_form_of_the_number(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        self.told(row, jid="551187654321@s.whatsapp.net")
        look_up(row.pk)
        assert fresh(row).status == Status.SENT

    @pytest.mark.parametrize(
        "changed",
        [
            {"text": "Outra mensagem"}, {"jid": "5511900000000@s.whatsapp.net"}, {"jid": "987654321098765@lid"},
            {"late": -12}, {"key_id": ""},
        ],
    )  # fmt: skip
    def test_of_another_message_proves_nothing(self, gateway: SandboxProcess, changed: dict[str, Any]) -> None:
        row = unknown(gateway, Fault.RESET)
        self.told(row, **changed)
        process()
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN
        assert findings(row) == [(Finding.NOT_FOUND, "")]

    def test_of_an_id_that_another_message_has_proves_nothing(self, gateway: SandboxProcess) -> None:
        other = sent(customer_phone="+5511900000000")
        row = unknown(gateway, Fault.RESET)
        self.told(row, other.provider_message_id)
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN

    def test_of_another_instance_proves_nothing(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        assert row.first_attempt_at
        body = sent_message("3EB0", row.message, int(row.first_attempt_at.timestamp()))
        assert post(body | {"instance": "other"}, instance="other") == 200
        assert post(body | {"instance": "other"}) == 200
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN

    def test_never_changes_a_message_that_is_being_sent(self, gateway: SandboxProcess) -> None:
        row = row_of()
        claim = claims.claim(row.pk)
        assert claim
        assert claims.begin_attempt(claim)
        before = NotificationLog.objects.values().get()
        self.told(fresh(row))
        assert post(receipt("3EB0TOLD", "READ")) == 200
        process()
        assert NotificationLog.objects.values().get() == before

    def test_its_receipt_that_came_before_is_joined(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        assert post(receipt("3EB0TOLD", "DELIVERY_ACK")) == 200
        self.told(row)
        process()
        look_up(row.pk)
        WebhookEvent.objects.update(due_at=Now())
        process()
        assert (fresh(row).status, fresh(row).receipt) == (Status.SENT, "delivery_ack")
        assert fresh(row).delivered_at


class TestReceived:
    """The gateway says what became of a message to this number by an id that no row has."""

    def hidden(self, gateway: SandboxProcess, text: str = "") -> tuple[NotificationLog, str]:
        """One that went out, but is kept under an address that names nobody; with its id."""
        gateway.options(lid_rows=True)
        row = unknown(gateway, Fault.RESET_AFTER_SEND)
        [message] = gateway.messages()
        NotificationLog.objects.filter(pk=row.pk).update(message=text or row.message)
        return row, message["key_id"]

    @pytest.mark.parametrize("jid", [JID, "551187654321@s.whatsapp.net", "5511987654321"])
    @pytest.mark.parametrize("status", ["SERVER_ACK", "ERROR", "READ"])
    def test_has_the_gateway_asked_for_that_id(self, gateway: SandboxProcess, status: str, jid: str) -> None:
        row, key_id = self.hidden(gateway)
        look_up(row.pk)
        assert findings(row) == [(Finding.NOT_FOUND, "")]
        NotificationLog.objects.update(lookup_at=Now() + timedelta(minutes=2))
        assert post(receipt(key_id, status, remoteJid=jid)) == 200
        process()
        assert lookups.due().get() == row
        assert fresh(row).status == Status.UNKNOWN
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, key_id)
        WebhookEvent.objects.update(due_at=Now())
        process()
        assert fresh(row).receipt == status.lower()

    @pytest.mark.parametrize("jid", ["5511900000000@s.whatsapp.net", "987654321098765@lid", "", "551187654321@g.us"])
    def test_of_another_chat_proves_nothing(self, gateway: SandboxProcess, jid: str) -> None:
        row, key_id = self.hidden(gateway)
        NotificationLog.objects.update(lookup_at=Now() + timedelta(minutes=2))
        assert post(receipt(key_id, "READ", remoteJid=jid)) == 200
        process()
        assert not lookups.due().exists()
        NotificationLog.objects.update(lookup_at=Now())
        look_up(row.pk)
        assert (fresh(row).status, findings(row)) == (Status.UNKNOWN, [(Finding.NOT_FOUND, "")])

    def test_of_other_words_proves_nothing(self, gateway: SandboxProcess) -> None:
        row, key_id = self.hidden(gateway, text="Outra mensagem")
        assert post(receipt(key_id, "READ")) == 200
        look_up(row.pk)
        assert (fresh(row).status, findings(row)) == (Status.UNKNOWN, [(Finding.NOT_FOUND, "")])

    def test_of_an_earlier_time_or_an_id_that_is_gone_proves_nothing(self, gateway: SandboxProcess) -> None:
        row, key_id = self.hidden(gateway)
        for each in (key_id, "3EB0GONE", ""):
            assert post(receipt(each, "READ")) == 200
        WebhookEvent.objects.update(received_at=Now() + timedelta(seconds=15))
        NotificationLog.objects.update(first_attempt_at=Now() + timedelta(seconds=12))
        look_up(row.pk)
        assert (fresh(row).status, findings(row)) == (Status.UNKNOWN, [(Finding.NOT_FOUND, "")])

    def test_of_an_id_that_another_message_has_proves_nothing(self, gateway: SandboxProcess) -> None:
        other = sent()
        assert post(receipt(other.provider_message_id, "READ")) == 200
        row = unknown(gateway, Fault.RESET)
        NotificationLog.objects.filter(pk=row.pk).update(message=other.message)
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN


class TestItsOwnId:
    """Where the gateway takes the id that a message is to have, that id is proof by itself."""

    @pytest.fixture(autouse=True)
    def takes_ids(self, gateway: SandboxProcess) -> None:
        gateway.options(version="2.4.0-rc2")

    def test_is_of_the_gateways_form_and_the_same_in_each_attempt(self, settings: Any) -> None:
        row, other = row_of(), row_of()
        assert re.fullmatch("3EB0[0-9A-F]{18}", own_id(row))
        assert own_id(row) == own_id(fresh(row))
        # After a backup was restored another message may have the same key.
        assert len({own_id(row), own_id(other), own_id(restored_with_the_key_of(row))}) == 3
        known = own_id(row)
        settings.SECRET_KEY = "another installation's"
        assert own_id(row) != known

    def test_is_the_messages_and_a_repeat_is_the_same_message(self, gateway: SandboxProcess) -> None:
        Store.objects.update(on_unknown_outcome=Store.OnUnknownOutcome.RESEND)
        gateway.options(keep_messages=False)
        row = unknown(gateway, Fault.RESET_AFTER_SEND)
        age(row, 120)
        look_up(row.pk)
        assert fresh(row).status == Status.PENDING
        NotificationLog.objects.update(next_attempt_at=Now())
        deliver(row.pk)
        assert (fresh(row).status, fresh(row).attempts, fresh(row).provider_message_id) == ("sent", 2, own_id(row))
        assert [each["key_id"] for each in gateway.messages()] == [own_id(row)]

    def test_is_found_whatever_the_address_and_the_words(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        client().send_text("flowlog", "+5511900000000", "Em outras palavras", own_id(row))
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, own_id(row))
        assert findings(row) == [(Finding.FOUND, "")]

    @pytest.mark.parametrize("told", ["kept", "sent", "received"])
    def test_is_proof_after_the_secret_key_was_changed(self, gateway: SandboxProcess, settings: Any, told: str) -> None:
        row = unknown(gateway, Fault.RESET)
        known = own_id(row)
        if told == "kept":
            client().send_text("flowlog", "+5511900000000", "Em outras palavras", known)
        else:
            lid = "987654321098765@lid"
            body = sent_message(known, "…", 1, lid) if told == "sent" else receipt(known, "READ", remoteJid=lid)
            assert post(body) == 200
        settings.EARLIER_SECRET_KEYS, settings.SECRET_KEY = [settings.SECRET_KEY], "another-key-for-the-time-after"
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, known)
        assert own_id(row) != known

    def test_of_another_row_proves_nothing(self, gateway: SandboxProcess) -> None:
        row, other = unknown(gateway, Fault.RESET), row_of()
        client().send_text("flowlog", "+5511900000000", "Em outras palavras", own_id(other))
        assert post(receipt(own_id(other), "DELIVERY_ACK")) == 200
        look_up(row.pk)
        assert (fresh(row).status, findings(row)) == (Status.UNKNOWN, [(Finding.NOT_FOUND, "")])

    @pytest.mark.parametrize("jid", [JID, "987654321098765@lid", "5511987654321"])
    def test_told_of_by_the_gateway_is_proof_without_asking(self, gateway: SandboxProcess, jid: str) -> None:
        row = unknown(gateway, Fault.RESET)
        assert post(sent_message(own_id(row), "Em outras palavras", 1, jid)) == 200
        process()
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, own_id(row))
        assert findings(row) == []

    def test_in_a_receipt_is_proof_and_the_receipt_is_joined(self, gateway: SandboxProcess) -> None:
        row = unknown(gateway, Fault.RESET)
        assert post(receipt(own_id(row), "DELIVERY_ACK", remoteJid="987654321098765@lid")) == 200
        process()
        look_up(row.pk)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, own_id(row))
        assert findings(row) == []
        WebhookEvent.objects.update(due_at=Now())
        process()
        assert fresh(row).receipt == "delivery_ack"

    def test_of_another_instance_proves_nothing(self, gateway: SandboxProcess) -> None:
        make_instance(name="other", is_default=False)
        row = unknown(gateway, Fault.RESET)
        for body in (receipt(own_id(row), "READ"), sent_message(own_id(row), row.message, 1)):
            assert post(body | {"instance": "other"}, instance="other") == 200
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN

    def test_is_ignored_by_older_gateways_which_proves_nothing(self, gateway: SandboxProcess) -> None:
        gateway.options(version="2.3.7")
        row = unknown(gateway, Fault.RESET_AFTER_SEND)
        look_up(row.pk)
        [message] = gateway.messages()
        assert message["key_id"] != own_id(row)
        assert (fresh(row).status, fresh(row).provider_message_id) == (Status.SENT, message["key_id"])


def restored_with_the_key_of(row: NotificationLog) -> NotificationLog:
    return NotificationLog(pk=row.pk, created_at=row.created_at + timedelta(microseconds=1))
