"""A customer's personal data are erased on request, and what the shop must keep stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from io import StringIO

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from flowlog.staffpages.once import UsedForm
from integrations.inbound.intake import process
from integrations.models import CustomerReply, EvolutionInstance, LidNumber, NotificationLog, WebhookEvent
from notifications import claims
from orders import consent
from orders.erasure import ErasureRefusedError, erase
from orders.models import Customer, Erasure, Order, Store
from orders.services import apply_transition
from tests.factories import make_instance, make_order
from tests.integrations.webhooks import post, reply
from tests.processes import wait_until
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

SECRETS = ("Maria", "98765", "529982247", "Rua das Flores", "portão", "trocar", "encomenda")


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance(failed_recipient="+5511987654321")


@pytest.fixture
def order() -> Order:
    """Maria's order with all that is known of her: address, notes, a message sent, her answer, its webhook."""
    order = make_order(
        customer_cpf="529.982.247-25", delivery_address="Rua das Flores, 1", notes="portão azul", notify=True
    )
    NotificationLog.objects.update(status="cancelled", message="Olá, Maria! Sua encomenda …")
    apply_transition(order, "cancel", reason="Maria desistiu", notify=False)
    assert post(reply("quero trocar")) == 200
    process()
    return order


def everything() -> str:
    """All rows of the apps as text, as somebody would read them who has the database."""
    models = [model for name in ("orders", "integrations", "admin") for model in apps.get_app_config(name).get_models()]
    return "".join(serializers.serialize("json", model._default_manager.all(), ensure_ascii=False) for model in models)


def test_nothing_names_the_person_any_more(order: Order) -> None:
    LogEntry.objects.create(
        user=make_staff(),
        content_type=ContentType.objects.get_for_model(Customer),
        object_id=str(order.customer_id),
        object_repr=str(order.customer),
        action_flag=2,
    )
    UsedForm.objects.create(
        key="key", content="", answer={"messages": [[25, f"{order.customer} saved", "", False]], "location": "/admin/"}
    )
    UsedForm.objects.create(
        key="pop-up", content="", answer={"messages": [], "popup_response_data": str(order.customer)}
    )
    before = everything()
    assert [secret for secret in SECRETS if secret not in before] == []
    proof = erase(order.customer)
    assert [secret for secret in SECRETS if secret in everything()] == []
    assert UsedForm.objects.values_list("key", "answer").get() == ("key", {"messages": [], "location": "/admin/"})
    assert proof.counts == {
        "webhooks": 1, "messages": 1, "replies": 1, "orders": 1, "notes": 1, "history": 1, "customers": 1
    }  # fmt: skip


def test_the_shops_books_stay(order: Order) -> None:
    erase(order.customer)
    kept = Order.objects.get()
    assert (kept.code, kept.status, str(kept.total), kept.items.count()) == (order.code, "cancelled", "119.80", 1)
    assert list(kept.events.values_list("transition", flat=True)) == ["create", "cancel"]
    assert NotificationLog.objects.get().snapshot_order_code == order.code
    assert CustomerReply.objects.get().kind == "text"


def test_the_public_page_greets_nobody(order: Order) -> None:
    erase(order.customer)
    page = Client().get(reverse("tracking_page", args=[order.tracking_token])).content.decode()
    assert order.code in page
    assert "Olá," not in page
    assert [secret for secret in SECRETS if secret in page] == []


def test_what_waits_is_cancelled_and_later_news_go_nowhere() -> None:
    order = make_order(notify=True)
    assert erase(order.customer).counts["cancelled"] == 1
    apply_transition(order, "confirm")
    first, second = NotificationLog.objects.order_by("pk")
    assert first.status == "cancelled"
    assert claims.claim(second.pk) is not None
    second.refresh_from_db()
    assert (second.status, second.error_code, second.recipient) == ("skipped", "no_phone", "")
    assert second.snapshot["customer"]["name"] == ""


@pytest.mark.parametrize("status", ["sending", "unknown"])
def test_refuses_while_a_message_may_be_leaving(status: str) -> None:
    order = make_order(notify=True)
    assert claims.claim(NotificationLog.objects.get().pk) is not None
    if status == "unknown":
        NotificationLog.objects.update(status="unknown", lease_until=None)
    before = everything()
    with pytest.raises(ErasureRefusedError, match="está sendo enviada"):
        erase(order.customer)
    assert everything() == before


class TestConsent:
    def test_a_refusal_outlives_the_erasure(self) -> None:
        customer = make_order(customer_phone="11 98765-0713").customer
        consent.opt_out([customer], "SAIR")
        proof = erase(customer)
        assert len(proof.account_hash) == 64
        assert "650713" not in everything()
        order = make_order(customer_phone="11 8765-0713", notify=True)
        assert order.customer_id != customer.pk
        row = NotificationLog.objects.get()
        claims.claim(row.pk)
        row.refresh_from_db()
        assert (row.status, row.error_code) == ("skipped", "opted_out")

    def test_who_had_not_refused_is_a_new_customer(self) -> None:
        customer = make_order().customer
        assert erase(customer).account_hash == ""
        assert make_order().customer.opted_out_at is None

    def test_of_two_erasures_the_last_wish_counts(self) -> None:
        customer = make_order().customer
        consent.opt_out([customer], "SAIR")
        erase(customer)
        again = make_order().customer
        consent.opt_in([again], "loja")
        erase(again)
        assert make_order().customer.opted_out_at is None

    def test_an_earlier_secret_key_still_recalls_it(self, settings: object) -> None:
        customer = make_order().customer
        consent.opt_out([customer], "SAIR")
        erase(customer)
        old, settings.SECRET_KEY = settings.SECRET_KEY, "another-key-for-the-time-after"  # type: ignore[attr-defined]
        settings.EARLIER_SECRET_KEYS = [old]  # type: ignore[attr-defined]
        assert make_order().customer.opted_out_at is not None


def test_both_rows_of_one_account_are_the_person() -> None:
    store = Store.get_default()
    pair = [
        Customer.objects.create(store=store, name=f"Maria {p}", phone=p) for p in ("+5511987654321", "+551187654321")
    ]
    consent.opt_out(pair[1:], "SAIR")
    assert erase(pair[0]).counts["customers"] == 2
    assert set(Customer.objects.values_list("name", "phone")) == {("Cliente apagado", "")}
    assert make_order().customer.opted_out_at is not None


def test_what_a_nameless_address_wrote_goes_too(order: Order, instance: EvolutionInstance) -> None:
    LidNumber.objects.create(instance=instance, lid="13718000111@lid", number="+551187654321")
    for lid, key_id in (("13718000111@lid", "3EB0HERS"), ("99913718000111@lid", "3EB0SOMEBODYELSE")):
        assert post(reply("quero trocar", key_id, remoteJid=lid)) == 200
    process()
    erase(order.customer)
    assert [event.data["key"]["id"] for event in WebhookEvent.objects.all()] == ["3EB0SOMEBODYELSE"]
    assert not LidNumber.objects.exists()
    texts = CustomerReply.objects.order_by("pk").values_list("provider_message_id", "text", "sender")
    assert [each for each in texts if each[1] or each[2]] == [
        ("3EB0SOMEBODYELSE", "quero trocar", "99913718000111@lid")
    ]


@pytest.mark.django_db(transaction=True)
def test_an_order_made_meanwhile_is_a_new_customers() -> None:
    customer = make_order().customer

    def order() -> int:
        made = make_order()
        connection.close()
        return made.customer_id

    with ThreadPoolExecutor() as beside:
        with transaction.atomic():
            erase(customer)
            waiting = beside.submit(order)
            wait_until(_somebody_waits, "the order")
        made_for = waiting.result()
    assert made_for != customer.pk
    assert list(Customer.objects.order_by("pk").values_list("name", flat=True)) == ["Cliente apagado", "Maria da Silva"]


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


def test_another_stores_customer_and_other_numbers_stay() -> None:
    other = make_order(store=Store.objects.create(name="Filial")).customer
    longer = WebhookEvent.objects.create(
        source="evolution", instance_name="flowlog", event="x", payload={"data": {"n": "15511987654321"}}
    )
    erase(make_order().customer)
    assert Customer.objects.get(pk=other.pk).name == "Maria da Silva"
    assert WebhookEvent.objects.get() == longer


def test_a_dry_run_counts_and_changes_nothing(order: Order) -> None:
    before, told = everything(), StringIO()
    call_command("erase_customer", str(order.customer_id), "--dry-run", stdout=told)
    assert everything() == before
    assert told.getvalue().startswith("Seria apagado:")
    call_command("erase_customer", str(order.customer_id), "--yes", stdout=told)
    assert Customer.objects.get().name == "Cliente apagado"
    with pytest.raises(CommandError, match="já foi apagado"):
        call_command("erase_customer", str(order.customer_id), "--yes")


@pytest.mark.parametrize(
    ("answer", "name"), [("não\n", "Maria da Silva"), ("", "Maria da Silva"), ("Sim\n", "Cliente apagado")]
)
def test_the_command_asks_about_the_very_customer(
    answer: str, name: str, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(answer))
    told = StringIO()
    with nullcontext() if answer == "Sim\n" else pytest.raises(CommandError, match="Nada foi apagado"):
        call_command("erase_customer", str(order.customer_id), stdout=told)
    question = f"Apagar para sempre os dados pessoais de {order.customer} (Minha loja)? Escreva “sim”: "
    assert told.getvalue().startswith(question)
    assert Customer.objects.get().name == name


class TestAdmin:
    def test_asks_then_erases_and_shows_the_proof(self, order: Order) -> None:
        client = client_of(make_staff("bia", MANAGEMENT_GROUP))
        address = reverse("admin:orders_customer_erase", args=[order.customer_id])
        page = reverse("admin:orders_customer_change", args=[order.customer_id])
        assert address in client.get(page).content.decode()
        assert "Isso não pode ser desfeito" in client.get(address).content.decode()
        assert Customer.objects.get().name == "Maria da Silva"
        shown = client.post(address, follow=True).content.decode()
        assert "por bia" in shown
        assert 'name="phone"' not in shown
        assert "Opted out" not in shown
        assert Erasure.objects.get().actor_name == "bia"
        assert LogEntry.objects.get().get_change_message() == "Dados pessoais apagados."

    def test_not_without_the_permission(self, order: Order) -> None:
        client = client_of(make_staff())
        assert client.post(reverse("admin:orders_customer_erase", args=[order.customer_id])).status_code == 403
        assert Customer.objects.get().name == "Maria da Silva"
