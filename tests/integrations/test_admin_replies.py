"""Answers in the admin: what a person has to decide stands on home, and each decision is theirs, once and on record."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db.models.functions import Now
from django.test import Client

from integrations.inbound.intake import process
from integrations.models import CustomerReply, EvolutionInstance, NotificationLog
from orders.models import Customer, Order, Store
from orders.services import apply_transition
from tests.factories import PHONE, make_instance, make_order
from tests.integrations.webhooks import envelope, post, reply
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/integrations/customerreply/"
LID = "987654321098765@lid"


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()


def tell(*bodies: dict[str, Any]) -> None:
    for body in bodies:
        assert post(body) == 200
    process()


def home(client: Client) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", client.get("/admin/").content.decode()).split())


def decide(client: Client, wants_none: str, pk: int | None = None) -> int:
    pk = pk or CustomerReply.objects.latest("pk").pk
    return client.post(f"{LIST}{pk}/decide/", {"wants_none": wants_none}).status_code


def out() -> set[int]:
    return set(Customer.objects.exclude(opted_out_at=None).values_list("pk", flat=True))


def row(client: Client, order: Order) -> str:
    body = client.get("/admin/orders/order/").content.decode()
    return next(line.partition("</tr>")[0] for line in body.split("<tr") if order.code in line)


class TestQuestion:
    def test_stands_on_home_with_the_words_escaped(self) -> None:
        client = client_of(make_staff())
        order = make_order()
        assert "Respostas a decidir" not in home(client)
        tell(reply("Cancelar <mensagens>"), reply("Obrigada!", "two"))
        said = home(client)
        assert "Não quer mais mensagens?" in said
        assert "Maria da Silva · (11) 98765-4321" in said
        assert order.code in said
        body = client.get("/admin/").content.decode()
        assert "“Cancelar &lt;mensagens&gt;”" in body
        assert 'name="wants_none" value="yes"' in body
        assert 'name="wants_none" value="no"' in body
        assert "Obrigada!" not in body

    def test_yes_opts_out_by_whom_and_is_confirmed_to_the_customer(self) -> None:
        order, client = make_order(notify=True), client_of(make_staff())
        tell(reply("Cancelar mensagens"))
        assert out() == set()
        assert decide(client, "yes") == 302
        customer = order.customer
        customer.refresh_from_db()
        assert customer.opted_out_how == "respondeu “Cancelar mensagens” no WhatsApp, como ana entendeu"
        [change] = customer.consent_changes.all()
        assert (change.opted_out, change.at) == (True, CustomerReply.objects.get().received_at)
        told = NotificationLog.objects.filter(order=None).values_list("event", "recipient", "status")
        assert list(told) == [("opt_out", PHONE, "pending")]
        assert CustomerReply.objects.values_list("wish", "decided_by__username").get() == ("out", "ana")
        entry = LogEntry.objects.get()
        assert (entry.user.username, entry.get_change_message()) == (
            "ana", "Anotado: o cliente não recebe mais mensagens.",
        )  # fmt: skip
        assert "Respostas a decidir" not in home(client)
        apply_transition(order, "confirm")
        assert "respondeu" not in row(client, order)

    def test_no_makes_it_an_ordinary_answer(self) -> None:
        order, client = make_order(notify=True), client_of(make_staff())
        tell(reply("Cancelar"))
        assert "respondeu" in row(client, order)
        assert decide(client, "no") == 302
        assert out() == set()
        assert CustomerReply.objects.values_list("wish", "decided_by__username").get() == ("", "ana")
        assert LogEntry.objects.get().get_change_message() == "Anotado: não pediu isso."
        assert "Respostas a decidir" not in home(client)
        assert "respondeu" in row(client, order)
        assert NotificationLog.objects.filter(order=None).count() == 0

    def test_is_none_of_who_gets_no_messages_anyway(self) -> None:
        make_order()
        tell(reply("SAIR", "one"), reply("Cancelar", "two"))
        assert "Respostas a decidir" not in home(client_of(make_staff()))
        assert list(CustomerReply.objects.order_by("pk").values_list("wish", flat=True)) == ["out", ""]

    def test_is_decided_once(self) -> None:
        make_order()
        client = client_of(make_staff())
        tell(reply("Cancelar"))
        decide(client, "no")
        assert decide(client, "yes") == 302
        assert "Alguém já decidiu isso." in home(client)
        assert out() == set()
        assert LogEntry.objects.count() == 1

    def test_an_ordinary_answer_is_none(self) -> None:
        make_order()
        tell(reply("Obrigada!"))
        assert decide(client_of(make_staff()), "yes") == 302
        assert out() == set()
        assert CustomerReply.objects.get().decided_at is None

    def test_who_has_asked_for_messages_since_keeps_them(self) -> None:
        make_order()
        client = client_of(make_staff())
        asked, later = reply("Cancelar", "one"), reply("VOLTAR", "two")
        asked["data"]["messageTimestamp"], later["data"]["messageTimestamp"] = int(time.time()) - 60, int(time.time())
        tell(asked, later)
        decide(client, "yes", CustomerReply.objects.earliest("pk").pk)
        assert out() == set()
        assert "escreveu depois que quer as mensagens" in home(client)

    def test_is_answered_for_the_stores_that_the_instance_writes_for_alone(self) -> None:
        elsewhere = Store.objects.create(name="Outra")
        make_instance(store=elsewhere, name="theirs")
        here, there = make_order(), make_order(store=elsewhere, notify=True)
        tell(reply("Cancelar"))
        decide(client_of(make_staff()), "yes")
        assert out() == {here.customer_id}
        assert there.customer_id not in out()

    def test_an_edit_to_other_words_takes_it_back_and_a_deletion_is_said(self) -> None:
        make_order()
        client = client_of(make_staff())
        tell(reply("Cancelar"))
        tell(
            envelope(
                "messages.delete",
                {"remoteJid": "5511987654321@s.whatsapp.net", "id": reply("")["data"]["key"]["id"], "fromMe": False},
            )
        )
        assert "apagada pelo cliente" in home(client)
        key = {"id": "3EB0INCOMING000001", "fromMe": True}
        tell(
            envelope(
                "messages.edited", {"key": key, "type": 14, "editedMessage": {"conversation": "Cancelar o pedido"}}
            )
        )
        assert "Respostas a decidir" not in home(client)


class TestNobodys:
    def test_wishes_stand_on_home_and_the_rest_is_counted(self) -> None:
        client = client_of(make_staff())
        tell(
            reply("Cadê meu pedido?", "one", remoteJid=LID),
            reply("SAIR", "two", remoteJid=LID),
            reply("parem de mandar mensagem", "three", remoteJid="5521999991234@s.whatsapp.net"),
        )
        said = home(client)
        assert said.count("Uma resposta que não sabemos de quem é: não quer mais mensagens?") == 2
        assert "sem número" in said
        assert "(21) 99999-1234" in said
        assert "Cadê meu pedido?" not in said
        assert "Mais 1 resposta para ver" in said
        shown = client.get(LIST, {"state": "open"}).content.decode()
        assert shown.index("parem de mandar") < shown.index("Cadê meu pedido?")
        assert CustomerReply.objects.filter(customer=None).count() == 3

    def test_names_the_order_whose_message_it_quotes(self) -> None:
        order = make_order(notify=True)
        NotificationLog.objects.update(status="sent", sent_at=Now(), provider_message_id="3EB0OURS")
        Customer.objects.update(phone="+5521999991234")
        tell(reply("Isso é comigo?", remoteJid=LID, quoted="3EB0OURS"))
        client = client_of(make_staff())
        assert order.get_admin_url() in client.get(LIST).content.decode()
        assert CustomerReply.objects.get().order is None

    def test_many_are_handled_at_once_and_a_customers_question_stays(self) -> None:
        make_order()
        tell(reply("Cancelar", "one"), *(reply("Oi", f"lid{number}", remoteJid=LID) for number in range(3)))
        chosen = list(CustomerReply.objects.values_list("pk", flat=True))
        client = client_of(make_staff())
        client.post(LIST, {"action": "mark_handled", "_selected_action": chosen})
        assert CustomerReply.objects.filter(decided_at=None).values_list("text", flat=True).get() == "Cancelar"
        assert LogEntry.objects.count() == 4
        assert "Respostas a decidir" in home(client)

    def test_is_dealt_with_by_a_person(self) -> None:
        client = client_of(make_staff())
        tell(reply("SAIR", remoteJid=LID))
        assert decide(client, "") == 302
        assert "Respostas a decidir" not in home(client)
        kept = CustomerReply.objects.values_list("wish", "text", "decided_by__username").get()
        assert kept == ("out", "SAIR", "ana")
        assert LogEntry.objects.get().get_change_message() == "Anotado: tratada."

    def test_what_was_too_large_is_shown(self) -> None:
        body = reply("")
        body["data"]["message"] = {"nextYearsMessage": {"blob": "A" * 2_000_000}}
        tell(body)
        client = client_of(make_staff())
        assert "Chegou algo grande demais para ser lido aqui." in home(client)
        assert "chegou algo grande demais" in client.get(LIST).content.decode()
        page = client.get(f"{LIST}{CustomerReply.objects.get().pk}/change/").content.decode()
        assert "Veja a conversa no celular da loja." in page
        assert "Marcar como tratada" in page
        assert "marque isso na página do cliente" in page


class TestPermission:
    def test_who_may_not_see_the_log_sees_no_answers(self) -> None:
        make_order()
        tell(reply("Cancelar"))
        nobody = make_staff("bia", group="")
        nobody.user_permissions.add(Permission.objects.get(codename="change_customer"))
        client = client_of(nobody)
        assert "Cancelar" not in home(client)
        assert client.get(LIST).status_code == 403
        assert decide(client, "yes") == 403
        assert out() == set()

    def test_who_may_not_change_customers_decides_nothing(self) -> None:
        make_order()
        tell(reply("Cancelar"))
        reader = make_staff("bia", group="")
        reader.user_permissions.add(Permission.objects.get(codename="view_notificationlog"))
        client = client_of(reader)
        assert "Não quer mais mensagens?" in home(client)
        assert "wants_none" not in client.get("/admin/").content.decode()
        assert decide(client, "yes") == 403
        assert out() == set()

    def test_it_takes_a_post_with_a_token(self) -> None:
        make_order()
        tell(reply("Cancelar"))
        user, address = make_staff(), f"{LIST}{CustomerReply.objects.get().pk}/decide/"
        assert client_of(user).get(f"{address}?wants_none=yes").status_code == 405
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(user)
        assert strict.post(address, {"wants_none": "yes"}).status_code == 403
        assert Client().post(address, {"wants_none": "yes"}).status_code == 302
        assert out() == set()
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', strict.get("/admin/").content.decode())
        assert token
        assert strict.post(address, {"wants_none": "yes", "csrfmiddlewaretoken": token[1]}).status_code == 302
        assert len(out()) == 1

    def test_of_what_is_not_there_it_is_404(self) -> None:
        client = client_of(make_staff())
        assert client.post(f"{LIST}999999/decide/").status_code == 404


def test_the_list_offers_no_selection_of_all_pages() -> None:
    tell(reply("Oi", remoteJid=LID))
    body = client_of(make_staff()).get(LIST).content.decode()
    assert "Marcar como tratada" in body
    assert "Selecionar todos" not in body


def test_the_list_and_the_page_show_all_that_was_written() -> None:
    order, client = make_order(), client_of(make_staff())
    tell(reply("<i>Oi</i>", "one"), reply("SAIR", "two"))
    CustomerReply.objects.filter(text="SAIR").update(earlier_texts=["Sai?"], edited_at=Now(), deleted_at=Now())
    assert "apagada pelo cliente" not in client.get(LIST, {"state": "all"}).content.decode()
    said = CustomerReply.objects.filter(text="<i>Oi</i>")
    said.update(deleted_at=Now(), received_at=datetime(2026, 11, 24, 12, 1, tzinfo=UTC))
    assert str(said.get()) == "24/11/2026 09:01"
    body = client.get(LIST, {"state": "all"}).content.decode()
    assert "apagada pelo cliente" in body
    assert "&lt;i&gt;Oi&lt;/i&gt;" in body
    assert order.get_admin_url() in body
    assert "não quer mensagens" in body
    page = client.get(f"{LIST}{CustomerReply.objects.get(text='SAIR').pk}/change/").content.decode()
    for words in ("Sai?", "Antes da edição", "Apagada pelo cliente"):
        assert words in page
    assert client.get(LIST, {"state": "nobodys"}).context["cl"].result_list.count() == 0
