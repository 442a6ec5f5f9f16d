"""The engine sends through whatever gateway an instance has, and goes by what that says of itself."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from io import StringIO
from typing import Any, ClassVar

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from flowlog.checklist import State
from flowlog.monitoring import incidents, overview
from flowlog.operations.checklists import gateway as gateway_checks
from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.gateways import (
    Archive,
    Capabilities,
    FoundMessage,
    GatewayError,
    Kind,
    Outcome,
    SendReceipt,
    gateway_for,
    register,
)
from integrations.gateways.guides import Guide
from integrations.gateways.registry import KINDS
from integrations.inbound import way_back
from integrations.inbound.incoming import Incoming, Sender
from integrations.inbound.intake import known_events, process
from integrations.inbound.models import CustomerReply, WebhookEvent
from integrations.inbound.reading import Reader
from integrations.instances.connections import needs_phone
from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog, WebhookTally
from notifications.delivery import deliver
from notifications.lookups import look_up
from notifications.message_ids import own_id
from notifications.probes import probe
from notifications.reconcile import reconcile
from orders.models import Store
from tests.factories import PHONE, make_instance, make_order
from tests.integrations.sandbox import SandboxProcess, sandbox
from tests.integrations.webhooks import post, receipt
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db(transaction=True)

Status = NotificationLog.Status


class Birds:
    """A gateway that carries messages in memory."""

    capabilities: ClassVar = Capabilities(takes_ids=False, tells_receipts=False)
    calls: ClassVar[list[str]] = []
    carried: ClassVar[dict[str, list[FoundMessage]]] = {}
    lost: ClassVar[list[GatewayError]] = []

    def __init__(self, instance: EvolutionInstance) -> None:
        self.loft = instance.name

    def send(self, recipient: str, text: str, *, message_id: str = "", not_after: float | None = None) -> SendReceipt:
        self.calls.append(f"send {self.loft} {message_id}".strip())
        message = FoundMessage(f"PIGEON{len(self.calls)}", text, int(time.time()))
        self.carried.setdefault(recipient, []).insert(0, message)
        if self.lost:
            raise self.lost.pop()
        return SendReceipt(message.provider_message_id, 200, "", 0.01)

    def state(self) -> str:
        return "open"


class Pigeons(Birds):
    """They know afterwards what they carried."""

    def find(self, recipient: str, *, since: datetime, until: datetime) -> list[FoundMessage]:
        self.calls.append("find")
        within = (since.timestamp() - 1, until.timestamp() + 1)
        return [each for each in self.carried.get(recipient, []) if within[0] <= each.timestamp <= within[1]]

    def find_by_id(self, message_id: str) -> FoundMessage | None:
        self.calls.append("find_by_id")
        every = (message for messages in self.carried.values() for message in messages)
        return next((each for each in every if each.provider_message_id == message_id), None)


class Swallows(Birds):
    """They carry, and know nothing of it afterwards."""

    capabilities: ClassVar = Capabilities(takes_ids=True, tells_receipts=True)


@pytest.fixture(autouse=True)
def birds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.gateways.registry.KINDS", KINDS | {})
    for memory in (Pigeons.calls, Pigeons.carried, Pigeons.lost):
        memory.clear()
    register(Kind("pigeons", "Pombos", Pigeons))
    register(Kind("swallows", "Andorinhas", Swallows))


def archive_of(instance: EvolutionInstance) -> Archive:
    gateway = gateway_for(instance)
    assert isinstance(gateway, Archive)
    return gateway


def message(instance: EvolutionInstance, **values: Any) -> NotificationLog:
    return NotificationLog.objects.get(order=make_order(store=instance.store, notify=True, **values))


def delivered(row: NotificationLog) -> tuple[str, str, str]:
    deliver(row.pk)
    row.refresh_from_db()
    return row.status, row.error_code, row.provider_message_id


def looked_up(row: NotificationLog, *, seconds: float = 0) -> tuple[str, str, str]:
    """After its request has been over for that long."""
    back = timedelta(seconds=seconds)
    row.delivery_attempts.update(started_at=F("started_at") - back)
    NotificationLog.objects.filter(pk=row.pk).update(lookup_at=Now(), first_attempt_at=F("first_attempt_at") - back)
    look_up(row.pk)
    row.refresh_from_db()
    return row.status, row.error_code, row.provider_message_id


def look_ups() -> int:
    return DeliveryAttempt.objects.filter(kind=DeliveryAttempt.Kind.LOOK_UP).count()


def test_a_new_kind_sends_is_asked_and_hears_its_receipts() -> None:
    instance = make_instance(gateway="pigeons")
    first = message(instance)
    assert delivered(first) == (Status.SENT, "", "PIGEON1")
    lost = message(instance, customer_phone="+5511987650000")
    Pigeons.lost.append(GatewayError(Outcome.UNKNOWN, "read_timeout"))
    assert delivered(lost) == (Status.UNKNOWN, "read_timeout", "")
    assert looked_up(lost) == (Status.SENT, "", "PIGEON2")
    # It took no ids of ours, and was asked by none.
    assert Pigeons.calls == ["send flowlog", "send flowlog", "find"]
    assert [each.text for each in Pigeons.carried[PHONE]] == [first.message]
    post(receipt("PIGEON1", "READ"))
    process()
    first.refresh_from_db()
    assert first.receipt == "read"


def test_what_a_new_kind_does_not_have_is_sent_again() -> None:
    instance = make_instance(gateway="pigeons")
    delivered(message(instance))
    lost = message(instance)
    Pigeons.lost.append(GatewayError(Outcome.UNKNOWN, "read_timeout"))
    delivered(lost)
    Pigeons.carried[PHONE].pop(0)
    assert looked_up(lost) == (Status.UNKNOWN, "read_timeout", "")
    assert looked_up(lost, seconds=120) == (Status.PENDING, "did_not_arrive", "")
    restored = message(instance, customer_phone="+5511987650000")
    done = reconcile()
    assert (done.sent, sorted(done.waiting), done.unclear) == ([], [lost.pk, restored.pk], [])


@pytest.mark.parametrize(
    ("setting", "then"),
    [("resend", (Status.PENDING, "did_not_arrive", "")), ("ask_staff", (Status.FAILED, "outcome_unknown", ""))],
)
def test_one_that_keeps_nothing_is_not_asked_and_the_store_decides(setting: str, then: tuple[str, str, str]) -> None:
    instance = make_instance(gateway="swallows")
    Store.objects.update(on_unknown_outcome=setting)
    delivered(message(instance))
    lost = message(instance)
    Swallows.lost.append(GatewayError(Outcome.UNKNOWN, "read_timeout"))
    delivered(lost)
    assert looked_up(lost) == (Status.UNKNOWN, "read_timeout", "")
    assert Swallows.calls[1:] == [f"send flowlog {own_id(lost)}"]
    waiting = message(instance)
    done = reconcile()
    assert (done.sent, done.waiting, sorted(done.unclear)) == ([], [], [lost.pk, waiting.pk])
    assert looked_up(lost, seconds=120) == then
    assert (len(Swallows.calls), look_ups()) == (2, 0)


def test_a_held_instance_is_probed_at_its_own_gateway() -> None:
    instance = make_instance(gateway="pigeons")
    Pigeons.lost.append(GatewayError(Outcome.INSTANCE_DOWN, "connection_closed"))
    assert delivered(message(instance)) == (Status.PENDING, "connection_closed", "")
    instance.refresh_from_db()
    assert (instance.held_code, instance.state) == ("connection_closed", "close")
    probe(instance.pk)
    instance.refresh_from_db()
    assert (instance.held_code, instance.state) == ("connection_closed", "open")


def test_only_of_a_gateway_that_tells_receipts_they_are_missed() -> None:
    for kind in ("evolution", "pigeons", "swallows"):
        make_instance(name=kind, is_default=False, gateway=kind)
    assert sorted(instance.name for instance in way_back.judged()) == ["evolution", "swallows"]


class Perch(Guide):
    """What people do about swallows."""

    has_phone = True

    def set_up_at(self, instance: EvolutionInstance) -> str:
        return f"/perch/{instance.name}/"

    def lacks(self, instance: EvolutionInstance) -> str:
        return f"Falta o ninho de {instance.name}."

    def silent(self, instance: Any) -> tuple[str, str]:
        return f"{instance.name}: nenhuma voltou", "Olhe o ninho."

    def closed(self, instance: EvolutionInstance) -> tuple[str, str]:
        return "Voaram.", "Espere a primavera."


def told() -> list[tuple[str, str, str]]:
    return [(item.name, item.words, item.todo) for item in gateway_checks.instances()]


def silent(instance: EvolutionInstance) -> None:
    """It was heard of once, and the latest messages have no receipt."""
    WebhookTally.objects.create(source="swallows", name=instance.name, status=200, number=1)
    for row in [message(instance) for _time in range(settings.RECEIPTS_MISSED)]:
        NotificationLog.objects.filter(pk=row.pk).update(
            status=Status.SENT, sent_at=Now() - timedelta(hours=1), provider_message_id=f"S{row.pk}"
        )


def test_people_read_what_its_own_guide_says(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EVOLUTION_INSTANCE = ""
    register(Kind("swallows", "Andorinhas", Swallows, Perch()))
    monkeypatch.setattr(Swallows, "state", lambda _self: "close")
    client = client_of(make_staff(group=MANAGEMENT_GROUP))
    store = Store.get_default()
    values = {"store": store.pk, "name": "loja", "gateway": "swallows", "messages_per_minute": 0, "daily_cap": 0}
    answer = client.post("/admin/integrations/evolutioninstance/add/", values | {"is_default": "on"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/perch/loja/")
    instance = EvolutionInstance.objects.get()
    page = client.get("/admin/").content.decode()
    assert "Falta o ninho de loja." in page
    assert "/perch/loja/" in page
    assert told() == [("instância loja", "Voaram.", "Espere a primavera.")]
    instance.state = EvolutionInstance.State.CLOSE
    assert needs_phone(instance)
    silent(instance)
    assert [way_back.words(each) for each in way_back.troubled()] == [("loja: nenhuma voltou", "Olhe o ninho.")]
    assert "loja: nenhuma voltou" in [incident.headline for incident in incidents.present()]


def test_of_a_kind_without_a_guide_they_read_what_holds_of_any(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = make_instance(gateway="swallows")
    [judged] = way_back.judged()
    assert way_back.hint(judged) == "Nenhuma confirmação e nenhuma resposta chegou ainda."
    silent(instance)
    [(headline, todo)] = [way_back.words(each) for each in way_back.troubled()]
    assert headline == "WhatsApp flowlog: os avisos de entrega não chegam"
    assert todo.endswith(": ninguém sabe se elas chegaram aos clientes.")
    WebhookTally.objects.update(last_at=Now() - timedelta(days=1))
    WebhookTally.objects.create(source="swallows", name="flowlog", status=401, number=1)
    [(headline, todo)] = [way_back.words(each) for each in way_back.troubled()]
    assert headline == "WhatsApp flowlog: os avisos do WhatsApp são recusados"
    assert todo.endswith(", com status 401.")
    assert any(line.strip().startswith("Andorinhas flowlog: 1 ") for line in overview.as_lines())
    assert told() == [("instância flowlog", "Conectada.", "")]
    monkeypatch.setattr(Swallows, "state", lambda _self: "close")
    instance.state = EvolutionInstance.State.CLOSE
    assert not needs_phone(instance)
    [(_name, words, todo)] = told()
    assert (words, todo) == ("Não está conectada ao WhatsApp.", "Veja o endereço e a chave da instância no painel.")


class Ears(Reader):
    """What swallows twitter."""

    receipts = frozenset({"swallows.seen"})
    messages = frozenset({"swallows.said"})

    def receipt(self, event: WebhookEvent) -> tuple[str, NotificationLog.Receipt | None] | None:
        return event.payload["of"], NotificationLog.Receipt.READ

    def written(self, event: WebhookEvent) -> Incoming | None:
        kind, said_at = CustomerReply.Kind.TEXT, timezone.now()
        return Incoming(event.payload["id"], Sender((PHONE,)), "", said_at, kind, event.payload["said"], edits=False)


def test_what_its_webhooks_say_is_read_by_its_own_reader() -> None:
    register(Kind("swallows", "Andorinhas", Swallows, reader=Ears()))
    instance = make_instance(gateway="swallows")
    row = message(instance)
    delivered(row)

    def webhook(source: str, event: str, **payload: str) -> WebhookEvent:
        return WebhookEvent.objects.create(source=source, instance_name="flowlog", event=event, payload=payload)

    webhook("swallows", "swallows.seen", of=row.provider_message_id)
    webhook("swallows", "swallows.said", id="S1", said="Obrigada!")
    stranger = webhook("evolution", "swallows.said", id="S2", said="Não fui eu")
    process()
    row.refresh_from_db()
    assert row.receipt == "read"
    [reply] = CustomerReply.objects.all()
    assert (reply.order, reply.text) == (row.order, "Obrigada!")
    stranger.refresh_from_db()
    assert (stranger.processed_at is not None, stranger.error) == (True, "")
    assert {"swallows.seen", "swallows.said", "messages.update"} < set(known_events())


def test_a_kind_of_a_later_release_holds_its_instance_and_nothing_is_lost() -> None:
    instance = make_instance(gateway="carrier-snails")
    with pytest.raises(GatewayError, match="unknown_gateway"):
        gateway_for(instance)
    row = message(instance)
    assert delivered(row) == (Status.PENDING, "unknown_gateway", "")
    instance.refresh_from_db()
    assert instance.held_reason.startswith("Esta versão do Flowlog não conhece o tipo de conexão deste WhatsApp.")
    probe(instance.pk)
    assert row.attempts == 0
    assert [words.split(".")[0] for _name, words, _todo in told()] == [instance.held_reason.split(".")[0]]


def test_two_servers_each_get_only_their_own_messages(gateway: SandboxProcess, settings: Any) -> None:
    with sandbox("filial") as other:
        assert other.base_url != gateway.base_url
        here = make_instance(api_url=gateway.base_url, api_key=gateway.api_key)
        shop = Store.objects.create(name="Filial")
        there = make_instance(shop, name="filial", api_url=other.base_url, api_key=other.token("filial"))
        settings.EVOLUTION_API_URL, settings.EVOLUTION_API_KEY = "http://127.0.0.1:9", "a-key-for-nobody"
        rows = [message(here), message(there), message(here, customer_phone="+5511987650000")]
        assert [delivered(row)[0] for row in rows] == [Status.SENT] * 3
        assert gateway.texts() == [rows[0].message, rows[2].message]
        assert other.texts() == [rows[1].message]
        found = [archive_of(each).find_by_id(rows[1].provider_message_id) for each in (here, there)]
        assert [each and each.text for each in found] == [None, rows[1].message]
        # So do those who look after it.
        state = StringIO()
        call_command("evolution", "state", "filial", stdout=state)
        assert state.getvalue().splitlines()[0] == "filial: conectado"
        assert [(item.name, item.state) for item in gateway_checks.instances() if "instância" in item.name] == [
            ("instância filial", State.OK),
            ("instância flowlog", State.OK),
        ]
        # A key that cannot be read holds the instance; no other key is tried.
        settings.CREDENTIALS_KEYS = []
        unreadable = message(there)
        assert delivered(unreadable) == (Status.PENDING, "key_unreadable", "")
        assert (len(gateway.texts()), len(other.texts())) == (2, 1)
