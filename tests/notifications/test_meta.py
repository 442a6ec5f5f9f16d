"""A number at Meta instead of the gateway: the same story, Meta's 24 hours, and its refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.db.models import F
from django.db.models.functions import Now

from flowlog.devtools.sandbox.faults import Fault
from integrations.inbound.intake import process
from integrations.meta.templates import as_parameter
from integrations.models import CustomerReply, EvolutionInstance, MetaNumber, NotificationLog, WebhookEvent
from notifications.delivery import deliver
from notifications.lookups import look_up
from notifications.message_ids import own_id
from notifications.probes import probe
from orders.models import Customer, Store
from orders.services import apply_transition
from tests.broker import purge
from tests.factories import PHONE, make_instance, make_order
from tests.integrations.meta import BODY, NUMBER_ID, make_number, post, set_up, status, told
from tests.integrations.sandbox import SandboxProcess
from tests.integrations.webhooks import connection as connection_told
from tests.integrations.webhooks import post as post_of_gateway
from tests.processes import System, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

Status = NotificationLog.Status


@pytest.fixture
def instance(gateway: SandboxProcess, settings: Any) -> EvolutionInstance:
    settings.META_GRAPH_URL = gateway.base_url
    set_up(gateway)
    number = make_number(make_instance(name="meta", gateway="meta"))
    return number.instance


@pytest.fixture
def system(tmp_path: Path, gateway: SandboxProcess, instance: EvolutionInstance) -> Iterator[System]:
    with ExitStack() as stack:
        purge("default", "whatsapp")
        yield System(stack, tmp_path, gateway, META_GRAPH_URL=gateway.base_url)
        # The last receipts have been delivered before the web server goes.
        set_up(gateway)
        gateway.webhooks()


def in_template(row: NotificationLog) -> str:
    return BODY.replace("{{1}}", as_parameter(row.message))


def row_of(**values: Any) -> NotificationLog:
    return NotificationLog.objects.get(order=make_order(notify=True, **values))


def fresh(row: NotificationLog) -> NotificationLog:
    return NotificationLog.objects.get(pk=row.pk)


def delivered(**values: Any) -> NotificationLog:
    row = row_of(**values)
    deliver(row.pk)
    return fresh(row)


def rows() -> list[tuple[str, str, str, str]]:
    return list(NotificationLog.objects.order_by("pk").values_list("event", "status", "receipt", "error_code"))


def age(row: NotificationLog, seconds: float) -> None:
    """Let its request lie that far back."""
    back = timedelta(seconds=seconds)
    row.delivery_attempts.update(started_at=F("started_at") - back)
    NotificationLog.objects.update(first_attempt_at=F("first_attempt_at") - back, lookup_at=Now())


def test_told_in_a_template_answered_told_in_texts_and_left_alone(system: System, gateway: SandboxProcess) -> None:
    system.start_all()
    address = system.web()
    with requests.Session() as session:
        session.trust_env = False
        # Meta does not wait for a server that is only starting.
        assert session.get(f"{address}/admin/login/", timeout=30).status_code == 200
    set_up(gateway, webhook=f"{address}/webhooks/meta/meta", verify_token="palavra")
    gateway.options(server_ack_seconds=0, delivery_ack_seconds=0.1, read_seconds=0.2)

    order = make_order(notify=True)
    wait_until(lambda: rows() == [("create", "sent", "read", "")], "the order to be told and read")
    created = NotificationLog.objects.get()
    assert "\n" in created.message
    assert gateway.texts(PHONE) == [in_template(created)]
    [message] = gateway.messages(PHONE)
    assert (message["key_id"], message["callback_data"]) == (created.provider_message_id, own_id(created))

    gateway.reply(PHONE, "Que horas chega?", instance=NUMBER_ID, quoted=created.provider_message_id)
    wait_until(CustomerReply.objects.filter(order=order).exists, "the answer")
    apply_transition(order, "confirm")
    wait_until(lambda: len(gateway.texts(PHONE)) == 2, "the confirmation to be told")
    wait_until(lambda: rows()[1:] == [("confirm", "sent", "read", "")], "the confirmation to be read")
    assert gateway.texts(PHONE)[1] == NotificationLog.objects.get(event="confirm").message

    gateway.reply(PHONE, "SAIR", instance=NUMBER_ID)
    wait_until(lambda: len(gateway.texts(PHONE)) == 3, "the confirmation of opting out")
    assert "VOLTAR" in gateway.texts(PHONE)[2]
    assert Customer.objects.get().opted_out_at is not None
    apply_transition(order, "pay")
    left_alone = ("pay", "skipped", "", "opted_out")
    wait_until(lambda: rows()[-1] == left_alone, "the message that is not sent")
    assert len(gateway.texts()) == 3


class TestRefusals:
    @pytest.mark.parametrize(
        ("ending", "expected"),
        [
            ("9014", (Status.FAILED, "meta_recipient_not_allowed", 1)),
            ("9026", (Status.FAILED, "meta_outside_24_hours", 1)),
            ("9013", (Status.PENDING, "meta_rate_limit", 1)),
            ("9027", (Status.PENDING, "meta_error", 1)),
            ("9019", (Status.UNKNOWN, "bad_gateway", 1)),
            ("9012", (Status.PENDING, "meta_auth", 0)),
        ],
    )
    def test_each_has_its_consequence(
        self, gateway: SandboxProcess, instance: EvolutionInstance, ending: str, expected: Any
    ) -> None:
        row = delivered(customer_phone=f"+551198765{ending}")
        assert (row.status, row.error_code, row.attempts) == expected
        assert row.error_message
        instance.refresh_from_db()
        assert instance.held_code == ("meta_auth" if ending == "9012" else "")
        assert gateway.messages() == []

    def test_a_template_that_meta_does_not_take_loses_no_message(
        self, gateway: SandboxProcess, instance: EvolutionInstance
    ) -> None:
        MetaNumber.objects.update(template_name="outro")
        row = delivered()
        assert (row.status, row.error_code) == (Status.PENDING, "meta_template")
        MetaNumber.objects.update(template_name="aviso_de_pedido")
        NotificationLog.objects.update(next_attempt_at=Now())
        deliver(row.pk)
        assert (fresh(row).status, gateway.texts()) == (Status.SENT, [in_template(row)])

    def test_an_instance_without_its_number_is_held_until_it_has_one(
        self, gateway: SandboxProcess, instance: EvolutionInstance
    ) -> None:
        MetaNumber.objects.all().delete()
        row = delivered()
        instance.refresh_from_db()
        assert (row.status, row.attempts, instance.held_code) == (Status.PENDING, 0, "meta_number")
        make_number(instance)
        EvolutionInstance.objects.update(probe_at=Now())
        deliver(row.pk)
        instance.refresh_from_db()
        assert (fresh(row).status, instance.held_at, len(gateway.messages())) == (Status.SENT, None, 1)

    @pytest.mark.parametrize(("said", "state"), [("CONNECTED", "open"), ("BANNED", "close")])
    def test_a_held_one_is_asked_what_meta_calls_it(
        self, gateway: SandboxProcess, instance: EvolutionInstance, said: str, state: str
    ) -> None:
        gateway.options(meta_status=said)
        EvolutionInstance.objects.update(held_at=Now(), probe_at=Now(), held_code="meta_auth")
        probe(instance.pk)
        instance.refresh_from_db()
        assert (instance.state, instance.held_code) == (state, "meta_auth")

    def test_what_the_gateway_says_of_the_banned_phone_holds_nothing(self, instance: EvolutionInstance) -> None:
        event = connection_told("close", 401) | {"instance": "meta"}
        assert post_of_gateway(event, instance="meta") == 200
        process()
        instance.refresh_from_db()
        assert (instance.state, instance.held_at) == ("unknown", None)


class TestUnknown:
    def unknown(self, gateway: SandboxProcess, fault: Fault) -> NotificationLog:
        row = row_of()
        gateway.fault(fault)
        deliver(row.pk)
        assert fresh(row).status == Status.UNKNOWN
        return fresh(row)

    @pytest.mark.parametrize("word", ["sent", "failed"])
    def test_a_receipt_with_its_id_proves_that_it_was_sent(
        self, gateway: SandboxProcess, instance: EvolutionInstance, word: str
    ) -> None:
        row = self.unknown(gateway, Fault.RESET_AFTER_SEND)
        [message] = gateway.messages()
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN
        errors = {"errors": [{"code": 131026}]} if word == "failed" else {}
        proof = status(message["key_id"], word, biz_opaque_callback_data=own_id(row), **errors)
        assert post(told(statuses=[proof])) == 200
        process()
        look_up(row.pk)
        row = fresh(row)
        assert (row.status, row.provider_message_id) == (Status.SENT, message["key_id"])
        # Nobody was asked: there is nobody to ask.
        assert row.delivery_attempts.filter(kind="look_up").count() == 0
        process_all()
        assert fresh(row).receipt == ("server_ack" if word == "sent" else "error")
        assert len(gateway.messages()) == 1

    def test_one_with_another_id_proves_nothing(self, gateway: SandboxProcess, instance: EvolutionInstance) -> None:
        row = self.unknown(gateway, Fault.RESET_AFTER_SEND)
        [message] = gateway.messages()
        other = status(message["key_id"], "sent", biz_opaque_callback_data="3EB0FFFFFFFFFFFFFFFFFF")
        assert post(told(statuses=[other])) == 200
        process()
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN

    @pytest.mark.parametrize(
        ("setting", "expected"),
        [(Store.OnUnknownOutcome.RESEND, Status.PENDING), (Store.OnUnknownOutcome.ASK_STAFF, Status.FAILED)],
    )
    def test_without_a_receipt_the_store_decides_after_two_minutes(
        self, gateway: SandboxProcess, instance: EvolutionInstance, setting: str, expected: str
    ) -> None:
        Store.objects.update(on_unknown_outcome=setting)
        row = self.unknown(gateway, Fault.RESET)
        age(row, 119)
        look_up(row.pk)
        assert fresh(row).status == Status.UNKNOWN
        age(row, 1)
        look_up(row.pk)
        assert fresh(row).status == expected
        assert gateway.messages() == []


def process_all() -> None:
    """Those that are parked as well."""
    WebhookEvent.objects.filter(processed_at=None).update(due_at=Now())
    process()
