"""What is old is anonymised or deleted, exactly that, and nothing that is still needed."""

from __future__ import annotations

import uuid
from datetime import timedelta
from datetime import timezone as datetime_timezone
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db.models.functions import Now
from django.utils import timezone
from django_celery_results.models import TaskResult

from flowlog import heartbeats
from flowlog.celery import app
from flowlog.models import Heartbeat
from flowlog.schedule import Scheduler
from flowlog.staffpages.once import UsedForm
from integrations import retention
from integrations.inbound.intake import process
from integrations.models import (
    CarrierNews,
    CustomerReply,
    DeliveryAttempt,
    EvolutionInstance,
    LidNumber,
    NotificationLog,
    ShopNews,
    WebhookEvent,
)
from integrations.retention import Purged
from orders.services import apply_transition
from tests.broker import purge as empty
from tests.broker import take_all
from tests.factories import PHONE, make_instance, make_order
from tests.integrations.shops import make_connection
from tests.integrations.webhooks import post, receipt, reply
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

Status = NotificationLog.Status
DAYS = {
    "RETENTION_ANONYMISE_AFTER_DAYS": 180,
    "RETENTION_ATTEMPTS_DAYS": 90,
    "RETENTION_WEBHOOKS_DAYS": 30,
}
DONE = (Status.SENT, Status.FAILED, Status.SKIPPED, Status.CANCELLED)


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()


def ago(days: float) -> Any:
    return Now() - timedelta(days=days)


def message(status: str = Status.SENT, *, days: float = 181, **values: Any) -> NotificationLog:
    """A message of an order of its own, as old as that."""
    row = NotificationLog.objects.get(order=make_order(notify=True))
    values = {"message": "Olá, Maria!", "attempts": 1, "created_at": ago(days), "status": status} | values
    if status == Status.SENT:
        values = {"sent_at": ago(days), "provider_message_id": f"3EB0{row.pk}"} | values
    if status == Status.SENDING:
        values |= {"claim_token": uuid.uuid4(), "lease_until": Now() + timedelta(hours=1)}
    if status in {Status.FAILED, Status.SKIPPED}:
        values |= {"error_code": "expired", "error_message": "Tarde demais."}
    NotificationLog.objects.filter(pk=row.pk).update(**values)
    row.refresh_from_db()
    return row


def attempt(row: NotificationLog, *, days: float = 181) -> DeliveryAttempt:
    values: dict[str, Any] = {"claim_token": uuid.uuid4(), "response_body": '{"remoteJid": "5511987654321@…"}'}
    return DeliveryAttempt.objects.create(notification=row, outcome="sent", started_at=ago(days), **values)


def webhook(event: str = "messages.update", *, days: float = 31, **values: Any) -> WebhookEvent:
    values = {"processed_at": ago(days), "instance_name": "flowlog"} | values
    return WebhookEvent.objects.create(source="evolution", event=event, payload={}, received_at=ago(days), **values)


def carrier_news(result: str, *, days: float = 31, **values: Any) -> CarrierNews:
    told = {"source": "generic", "signature": uuid.uuid4().hex, "tracking_code": "AA1", "status": "posted"}
    return CarrierNews.objects.create(result=result, occurred_at=ago(days), received_at=ago(days), **told, **values)


def customer_reply(text: str = "Obrigada!", *, days: float = 181, **values: Any) -> CustomerReply:
    order = make_order()
    values = {"kind": "text", "provider_message_id": uuid.uuid4().hex, "instance": EvolutionInstance.objects.get()} | (
        values
    )
    return CustomerReply.objects.create(
        customer=order.customer, order=order, text=text, received_at=ago(days), **values
    )


def left(rows: type[Any]) -> set[int]:
    return set(rows.objects.values_list("pk", flat=True))


class TestMessages:
    def test_what_an_anonymised_message_still_says(self) -> None:
        row = message(receipt="read", celery_task_id="a-task", delivered_at=ago(181), read_at=ago(181))
        said = attempt(row, days=20)
        before = {field.attname: getattr(row, field.attname) for field in NotificationLog._meta.concrete_fields}
        assert retention.purge() == Purged(messages=1)
        row.refresh_from_db()
        after = {field.attname: getattr(row, field.attname) for field in NotificationLog._meta.concrete_fields}
        changed = {name: value for name, value in after.items() if value != before[name]}
        assert changed.pop("anonymised_at") is not None
        assert row.order
        assert changed == {
            "message": "",
            "recipient": "",
            "snapshot": {
                "version": 1,
                "event": "create",
                "occurred_at": before["snapshot"]["occurred_at"],
                "order": {"code": row.order.code},
            },
        }
        said.refresh_from_db()
        assert (said.response_body, said.outcome) == ("", "sent")
        assert str(row) == f"{row.order.code} · Pedido recebido"

    def test_one_without_an_order(self) -> None:
        row = message(order=None, order_event=None, snapshot={"version": 1, "event": "test", "customer": {"name": "M"}})
        assert retention.purge() == Purged(messages=1)
        row.refresh_from_db()
        assert row.snapshot == {"version": 1, "event": "test", "order": {}}
        assert str(row) == "Pedido recebido"

    @pytest.mark.parametrize("status", NotificationLog.UNFINISHED)
    def test_an_unfinished_one_is_left_alone_however_old(self, status: str) -> None:
        row = message(status)
        tried = attempt(row)
        assert retention.purge() == Purged()
        row.refresh_from_db()
        assert (row.message, row.recipient, row.snapshot["customer"]["phone"]) == ("Olá, Maria!", PHONE, PHONE)
        assert left(DeliveryAttempt) == {tried.pk}

    def test_exactly_those_that_are_old_and_done_in_several_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retention, "BATCH", 3)
        old = [message(status) for status in DONE for _number in range(2)]
        young = message(days=179)
        assert retention.due() == Purged(messages=8)
        assert retention.purge() == Purged(messages=8)
        anonymised = NotificationLog.objects.filter(anonymised_at__isnull=False)
        assert set(anonymised.values_list("pk", flat=True)) == {row.pk for row in old}
        young.refresh_from_db()
        assert young.message == "Olá, Maria!"
        assert retention.purge() == retention.due() == Purged()

    def test_a_late_receipt_still_finds_it(self) -> None:
        row = message(provider_message_id="3EB0LATE")
        retention.purge()
        assert post(receipt("3EB0LATE", "READ")) == 200
        process()
        row.refresh_from_db()
        assert (row.receipt, row.message) == ("read", "")

    def test_the_order_stays_as_it_is(self) -> None:
        row = message()
        assert row.order
        apply_transition(row.order, "cancel", reason="A cliente desistiu", notify=False)
        order = type(row.order).objects.filter(pk=row.order.pk).values()
        timeline, customer = row.order.events.order_by("pk").values(), type(row.order.customer).objects.values()
        before = list(order), list(timeline), list(customer)
        assert "A cliente desistiu" in str(before)
        retention.purge()
        assert (list(order.all()), list(timeline.all()), list(customer.all())) == before

    def test_the_number_that_an_instance_remembers(self, instance: EvolutionInstance) -> None:
        row = message(Status.FAILED, days=179)
        EvolutionInstance.objects.update(failed_recipient=PHONE, failures=2)
        assert retention.purge() == Purged()
        NotificationLog.objects.filter(pk=row.pk).update(created_at=ago(181))
        assert retention.purge() == Purged(messages=1, instances=1)
        instance.refresh_from_db()
        assert (instance.failed_recipient, instance.failures) == ("", 2)


class TestReplies:
    def test_the_text_goes_and_the_timeline_says_so(self) -> None:
        answered = customer_reply("Podem entregar à Joana?")
        picture = customer_reply("", kind="image")
        young = customer_reply("Obrigada!", days=179)
        assert retention.purge() == Purged(replies=1)
        texts = dict(CustomerReply.objects.values_list("pk", "text"))
        assert texts == {answered.pk: "", picture.pk: "", young.pk: "Obrigada!"}
        client = client_of(make_staff())
        pages = [
            client.get(f"/admin/orders/order/{each.order_id}/change/").content.decode()
            for each in (answered, picture, young)
        ]
        assert ["O texto foi apagado" in page for page in pages] == [True, False, False]
        assert all("O cliente respondeu" in page for page in pages)

    def test_what_it_read_before_an_edit_goes_too_and_all_that_is_nobodys(self) -> None:
        edited = customer_reply("Já chegou", earlier_texts=["Quando chega?"])
        nobodys = customer_reply("", kind="audio", provider_message_id="nobodys")
        CustomerReply.objects.filter(pk=nobodys.pk).update(customer=None, order=None, sender="9@lid")
        assert retention.purge() == Purged(replies=2)
        assert CustomerReply.objects.values_list("pk", "text", "earlier_texts").get() == (edited.pk, "", [])


class TestDeleted:
    def test_webhooks_once_they_are_worked_off(self) -> None:
        webhook()
        kept = {webhook(processed_at=None).pk, webhook(days=29).pk}
        assert retention.purge() == Purged(webhooks=1)
        assert left(WebhookEvent) == kept

    def test_a_proof_is_kept_while_a_message_of_its_instance_is_unknown(self) -> None:
        row = message(Status.UNKNOWN, days=40)
        proof = webhook("send.message")
        webhook("send.message", instance_name="another")
        webhook()
        assert retention.purge() == Purged(webhooks=2)
        assert left(WebhookEvent) == {proof.pk}
        NotificationLog.objects.filter(pk=row.pk).update(status=Status.SENT, sent_at=Now())
        assert retention.purge() == Purged(webhooks=1)

    def test_attempts_of_messages_that_are_done(self) -> None:
        row = message(days=100)
        attempt(row, days=91)
        young = attempt(row, days=89)
        waiting = attempt(message(Status.PENDING, days=100), days=91)
        assert retention.purge() == Purged(attempts=1)
        assert left(DeliveryAttempt) == {young.pk, waiting.pk}

    def test_carriers_news_that_changed_no_order(self) -> None:
        order = make_order(until="confirmed")
        for result in ("unknown", "ambiguous"):
            carrier_news(result)
        for result in ("refused", "late", "repeated"):
            carrier_news(result, order=order)
        applied = carrier_news("applied", order=order, event=order.events.latest("pk"))
        young = carrier_news("unknown", days=29)
        assert retention.purge() == Purged(carrier_news=5)
        assert left(CarrierNews) == {applied.pk, young.pk}


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        ("RETENTION_ANONYMISE_AFTER_DAYS", {"messages", "replies", "instances", "lids"}),
        ("RETENTION_ATTEMPTS_DAYS", {"attempts"}),
        ("RETENTION_WEBHOOKS_DAYS", {"webhooks", "carrier_news", "shop_news"}),
    ],
)
def test_0_days_means_never(setting: str, names: set[str], settings: Any) -> None:
    attempt(message(Status.FAILED))
    EvolutionInstance.objects.update(failed_recipient="+5521999998888")
    customer_reply()
    LidNumber.objects.create(
        instance=EvolutionInstance.objects.get(), lid="9@lid", number="+5511987654321", learned_at=ago(181)
    )
    webhook()
    carrier_news("unknown")
    ShopNews.objects.create(connection=make_connection(), body=b"{}", due_at=None, received_at=ago(31))
    UsedForm.objects.create(key="a", content="b", used_at=Now() - timedelta(days=9))
    everything = retention.due()
    assert set(everything.counts().values()) == {1}
    setattr(settings, setting, 0)
    expected = {name: 0 if name in names else 1 for name in everything.counts()}
    assert retention.due().counts() == expected
    assert retention.kept_for_ever() == names
    assert retention.purge().counts() == expected
    setattr(settings, setting, DAYS[setting])
    assert retention.due().counts() == {name: 1 - number for name, number in expected.items()}


class TestInTurns:
    def test_what_time_was_too_short_for_has_the_task_called_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        empty("default")
        message()
        monkeypatch.setattr(retention, "TIME_BUDGET", 0.0)
        retention.purge_in_turns()
        assert retention.due() == Purged(messages=1)
        assert [each.headers["task"] for each in take_all("default")] == ["integrations.tasks.purge"]
        monkeypatch.undo()
        retention.purge_in_turns()
        assert retention.due() == Purged()
        assert take_all("default") == []

    def test_without_time_it_says_that_there_is_more(self) -> None:
        assert retention.purge(0.0) == Purged(more=True)


class TestByBeat:
    def test_looked_for_often_and_results_too(self) -> None:
        # The one that `celery beat` uses: of the library's own entries it keeps none.
        scheduler = Scheduler(app=app)
        nightly = {name: scheduler.schedule[name] for name in ("nightly", "celery.backend_cleanup")}
        assert {name: (entry.task, str(entry.schedule)) for name, entry in nightly.items()} == {
            "nightly": ("integrations.tasks.nightly", "<freq: 5.00 minutes>"),
            "celery.backend_cleanup": ("celery.backend_cleanup", "<freq: 1.00 hour>"),
        }
        for entry in nightly.values():
            assert app.amqp.router.route({}, str(entry.task))["queue"].name == "default"

    def test_once_a_night_or_later_if_nothing_ran_then(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """By the database's clock, in a shop where it is noon; `NIGHT` is put before and after that."""
        since_noon = timezone.now() - timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)
        noon = datetime_timezone(-since_noon)

        def left(*, last: float, night_ago: int) -> Purged:
            """What two looks leave, when the job was last done so many hours ago and its time was those minutes ago."""
            heartbeats.beat(heartbeats.NIGHTLY, "default@test")
            Heartbeat.objects.update(beat_at=Now() - timedelta(hours=last))
            with timezone.override(noon):
                monkeypatch.setattr(retention, "NIGHT", (timezone.localtime() - timedelta(minutes=night_ago)).time())
                NotificationLog.objects.update(anonymised_at=Now())
                for _ in range(2):
                    message()
                    retention.purge_each_night("default@test")
                return retention.due()

        assert left(last=0.25, night_ago=30) == Purged(messages=2)
        assert left(last=0.75, night_ago=30) == Purged(messages=1)
        assert left(last=23, night_ago=-30) == Purged(messages=2)
        assert left(last=24, night_ago=-30) == Purged(messages=1)
        assert left(last=24 * 40, night_ago=30) == Purged(messages=1)

    def test_on_a_new_system_at_once(self) -> None:
        message()
        retention.purge_each_night("default@test")
        assert retention.due() == Purged()
        assert Heartbeat.objects.get(queue="nightly").host == "default@test"

    def test_the_library_deletes_the_results_that_are_old(self) -> None:
        for name, days in (("old", 8), ("young", 6)):
            TaskResult.objects.create(task_id=name)
            TaskResult.objects.filter(task_id=name).update(date_done=ago(days))
        assert django_settings.RETENTION_RESULTS_DAYS == 7
        app.tasks["celery.backend_cleanup"]()
        assert list(TaskResult.objects.values_list("task_id", flat=True)) == ["young"]


def test_a_customers_reply_that_the_gateway_told_is_erased_everywhere(settings: Any) -> None:
    """From the webhook to the timeline: nothing that the customer wrote is left once both settings' days are over."""
    make_order(notify=True)
    assert post(reply("Meu endereço mudou: Rua das Flores 7")) == 200
    process()
    WebhookEvent.objects.update(received_at=ago(31))
    CustomerReply.objects.update(received_at=ago(181))
    assert retention.purge() == Purged(replies=1, webhooks=1)
    assert (WebhookEvent.objects.count(), CustomerReply.objects.get().text) == (0, "")
