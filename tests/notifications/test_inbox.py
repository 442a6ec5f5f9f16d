"""The shop's inbox: what waits is seen until somebody has handled it, and is answered while the customer waits."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.inbound import inbox
from integrations.inbound.conversation import conversation_of
from integrations.inbound.intake import process
from integrations.models import CustomerReply, EvolutionInstance, NotificationLog
from notifications import claims, texts
from notifications.actions.answer import AnswerRefusedError, answer
from notifications.actions.resend import ResendRefusedError, resend
from orders import consent
from orders.erasure import erase
from orders.models import Customer, Order, Store
from orders.services import apply_transition
from tests.factories import PHONE, make_instance, make_order
from tests.integrations.webhooks import post, reply
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/integrations/customerreply/"
STRANGER = "5521999990000@s.whatsapp.net"


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()


def tell(*bodies: dict[str, Any]) -> None:
    for number, body in enumerate(bodies):
        body["data"]["messageTimestamp"] = int(timezone.now().timestamp())
        if len(bodies) > 1:
            body["data"]["key"]["id"] += str(number)
        assert post(body) == 200
    process()


def open_texts() -> list[str]:
    return list(inbox.open_replies().values_list("text", flat=True))


def words(client: Client, address: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", client.get(address).content.decode()).split())


def form(client: Client, address: str) -> dict[str, str]:
    """The fields of the form of the answer, as the page has them."""
    body = client.get(address).content.decode()
    part = re.search(r'<form[^>]*/answer/".*?</form>', body, re.DOTALL)
    assert part
    tags = re.findall(r"<input[^>]*>", part[0])
    named = {re.search('name="([^"]*)"', tag)[1]: re.search('value="([^"]*)"', tag) for tag in tags if "name=" in tag}  # type: ignore[index]
    return {name: value[1] if value else "" for name, value in named.items() if name != "csrfmiddlewaretoken"}


def send(client: Client, text: str, reply: CustomerReply | None = None, **changes: str) -> Any:
    reply = reply or CustomerReply.objects.latest("pk")
    fields = form(client, f"{LIST}{reply.pk}/change/") | {"text": text} | changes
    return client.post(f"{LIST}{reply.pk}/answer/", fields)


def answers() -> list[tuple[str, str, str]]:
    rows = NotificationLog.objects.filter(event="free_answer").order_by("pk")
    return [(texts.render(row.event, row.parsed_snapshot), row.recipient, row.status) for row in rows]


def long_ago(hours: int) -> None:
    CustomerReply.objects.update(received_at=Now() - timedelta(hours=hours), written_at=None)


class TestWaiting:
    def test_all_but_what_is_obeyed_deleted_or_erased_wait(self) -> None:
        make_order()
        tell(reply("Bom dia"), reply("SAIR"), reply("VOLTAR"), reply("Apagada"), reply("Vocês abrem sábado?"))
        CustomerReply.objects.filter(text="Apagada").update(deleted_at=Now())
        assert open_texts() == ["Bom dia", "Vocês abrem sábado?"]
        CustomerReply.objects.filter(text="Bom dia").update(text="")
        assert open_texts() == ["Vocês abrem sábado?"]

    def test_of_orders_that_are_over_and_of_strangers_too(self) -> None:
        order = make_order(until="delivered")
        tell(reply("Chegou quebrado"), reply("PARE", remoteJid=STRANGER))
        assert open_texts() == ["Chegou quebrado", "PARE"]
        assert CustomerReply.objects.get(text="Chegou quebrado").order == order
        client = client_of(make_staff())
        list_ = words(client, LIST)
        assert list_.index("Chegou quebrado") < list_.index("PARE")
        assert "(21) 99999-0000" in list_
        assert 'href="https://wa.me/5521999990000"' in client.get(LIST).content.decode()

    def test_a_document_a_contact_and_a_picture_are_named(self) -> None:
        make_order()
        sent: list[dict[str, Any]] = [
            {"documentMessage": {"fileName": "comprovante\u202efdp.exe" + "x" * 300, "caption": "Pago"}},
            {"contactMessage": {"displayName": "Tia <b>Zélia</b>"}},
            {"imageMessage": {"caption": "Veio assim"}},
        ]
        bodies = [reply("", f"media{number}") for number in range(3)]
        for each, message in zip(bodies, sent, strict=True):
            each["data"]["message"] = message
        tell(*bodies)
        kept = list(CustomerReply.objects.order_by("pk").values_list("kind", "file_name", "text"))
        name = "comprovantefdp.exe" + "x" * 182
        assert kept == [("document", name, "Pago"), ("contact", "Tia <b>Zélia</b>", ""), ("image", "", "Veio assim")]
        body = client_of(make_staff()).get(LIST).content.decode()
        assert f"(documento: {name}) Pago" in body
        assert "(contato: Tia &lt;b&gt;Zélia&lt;/b&gt;)" in body
        assert "(imagem) Veio assim" in body or "(foto) Veio assim" in body

    def test_home_and_the_list_count_them_and_the_longest_waits_first(self) -> None:
        make_order()
        client = client_of(make_staff())
        assert "resposta de cliente" not in words(client, "/admin/")
        tell(reply("Primeira"), reply("Segunda"))
        assert "2 respostas de clientes esperam por você" in words(client, "/admin/")
        shown = words(client, LIST)
        assert "Não respondidas 2" in shown
        assert shown.index("Primeira") < shown.index("Segunda")
        assert "Nada por responder" not in shown
        everything = words(client, f"{LIST}?state=all")
        assert everything.index("Segunda") < everything.index("Primeira")

    def test_lists_and_pages_cost_the_same_however_many_wait(self) -> None:
        order = make_order()
        client = client_of(make_staff())
        addresses = [LIST, f"{LIST}?state=all", order.get_admin_url(), "/admin/"]
        tell(reply("Oi"))
        addresses.append(f"{LIST}{CustomerReply.objects.get().pk}/change/")
        counts: list[list[int]] = []
        for address in addresses:
            client.get(address)
        for number in (1, 12):
            tell(*(reply("Oi", f"more{number}-{each}") for each in range(number)))
            counts.append([])
            for address in addresses:
                with CaptureQueriesContext(connection) as queries:
                    assert client.get(address).status_code == 200
                counts[-1].append(len(queries))
        assert counts[0] == counts[1]
        assert counts[1] == [9, 9, 13, 12, 13]


class TestAnswering:
    def test_goes_out_as_written_in_its_turn_and_handles_what_was_seen(self) -> None:
        order, ana = make_order(notify=True), make_staff()
        apply_transition(order, "confirm")
        tell(reply("Vocês abrem sábado?"), reply("Alguém aí?"))
        client = client_of(ana)
        answered = send(client, "Abrimos, *das 9 às 13*.\r\n\r\niPhone também 👍 {{ x }} ")
        assert (answered.status_code, answered.url) == (302, LIST)
        assert answers() == [("Abrimos, *das 9 às 13*.\n\niPhone também 👍 {{ x }}", PHONE, "pending")]
        row = NotificationLog.objects.get(event="free_answer")
        assert (row.order, row.order_event, row.requested_by) == (order, order.events.latest("pk"), ana)
        assert row.blocked
        assert open_texts() == []
        assert set(CustomerReply.objects.values_list("handled_by", flat=True)) == {ana.pk}
        assert {str(entry.user) for entry in LogEntry.objects.all()} == {"ana"}
        assert LogEntry.objects.first().get_change_message() == f"Respondida pela mensagem {row.pk}."  # type: ignore[union-attr]
        page = words(client, order.get_admin_url())
        assert "Escrita por ana" in page
        assert "iPhone também" in page
        assert "tratada por ana em" in page
        assert "Sua resposta está a caminho." in page

    def test_from_the_page_of_the_order_leads_back_there(self) -> None:
        order, client = make_order(), client_of(make_staff())
        tell(reply("Oi"))
        fields = form(client, order.get_admin_url())
        pk = CustomerReply.objects.get().pk
        assert {name: fields[name] for name in ("back", "page_of", "seen")} == {
            "back": "order", "page_of": str(order.pk), "seen": str(pk),
        }  # fmt: skip
        again = {**fields, "text": "Olá"}
        for _once in range(2):
            assert client.post(f"{LIST}{pk}/answer/", again).headers["Location"] == order.get_admin_url()
        assert [text for text, *_ in answers()] == ["Olá"]
        other = make_order(customer_phone="+5521999991234")
        tell(reply("E agora?", "next"))
        fields = form(client, order.get_admin_url()) | {"text": "Já", "page_of": str(other.pk)}
        latest = CustomerReply.objects.latest("pk")
        assert client.post(f"{LIST}{latest.pk}/answer/", fields).headers["Location"] == LIST

    def test_what_came_after_the_form_was_shown_goes_on_waiting(self) -> None:
        make_order()
        tell(reply("Primeira"))
        first, client = CustomerReply.objects.get(), client_of(make_staff())
        fields = form(client, f"{LIST}{first.pk}/change/")
        tell(reply("Segunda", "second"))
        assert client.post(f"{LIST}{first.pk}/answer/", fields | {"text": "Resposta"}).status_code == 302
        assert open_texts() == ["Segunda"]

    def test_who_comes_second_is_told_and_may_send_all_the_same(self) -> None:
        make_order()
        tell(reply("Oi"))
        pk, ana, bia = CustomerReply.objects.get().pk, client_of(make_staff()), client_of(make_staff("bia"))
        fields = form(bia, f"{LIST}{pk}/change/") | {"text": "Sou a <Bia>"}
        send(ana, "Sou a Ana")
        refused = bia.post(f"{LIST}{pk}/answer/", fields)
        body = refused.content.decode()
        assert "ana já respondeu ou tratou isto" in body
        assert "Sou a &lt;Bia&gt;</textarea>" in body
        assert len(answers()) == 1
        assert send(bia, "Sou a Bia").status_code == 302
        assert [text for text, *_ in answers()] == ["Sou a Ana", "Sou a Bia"]

    @pytest.mark.parametrize(
        ("text", "said"),
        [("", "Escreva a resposta."), (" \u200b\n", "Escreva a resposta."), ("😀" * 2049, "4098 caracteres")],
    )
    def test_empty_or_too_long_is_refused_and_stays_as_typed(self, text: str, said: str) -> None:
        make_order()
        tell(reply("Oi"))
        refused = send(client_of(make_staff()), text)
        assert refused.status_code == 200
        assert said in refused.content.decode()
        assert text.strip()[:2000] in refused.content.decode()
        assert answers() == []
        assert open_texts() == ["Oi"]

    def test_a_stranger_with_a_number_is_answered_in_the_shops_name(self) -> None:
        order = make_order(notify=True)
        NotificationLog.objects.update(provider_message_id="3EB0OURS", recipient="")
        tell(reply("Quem é?", quoted="3EB0OURS", remoteJid=STRANGER))
        stranger = CustomerReply.objects.get()
        assert (stranger.customer, stranger.order) == (None, None)
        assert send(client_of(make_staff()), "É a loja").status_code == 302
        assert answers() == [("É a loja", "+5521999990000", "pending")]
        row = NotificationLog.objects.get(event="free_answer")
        assert (row.order, row.parsed_snapshot.store.name) == (None, order.store.name)
        assert open_texts() == []

    def test_a_strangers_answer_is_erased_with_whom_they_turn_out_to_be(self) -> None:
        make_order(notify=True)
        NotificationLog.objects.update(provider_message_id="3EB0OURS", recipient="")
        tell(reply("Quem é?", quoted="3EB0OURS", remoteJid=STRANGER))
        send(client_of(make_staff()), "É a loja")
        NotificationLog.objects.filter(event="free_answer").update(status="sent", sent_at=Now())
        turned_out = Customer.objects.create(store=Store.get_default(), name="Zoé", phone="+5521999990000")
        erase(turned_out)
        row = NotificationLog.objects.get(event="free_answer")
        assert (row.recipient, row.parsed_snapshot.text, row.anonymised_at is None) == ("", "", False)

    def test_is_never_sent_again(self) -> None:
        make_order()
        tell(reply("Oi"))
        send(client_of(make_staff()), "Olá")
        NotificationLog.objects.filter(event="free_answer").update(status="failed", error_code="bad_request")
        with pytest.raises(ResendRefusedError):
            resend(NotificationLog.objects.get(event="free_answer"))

    def test_needs_the_permission(self) -> None:
        make_order()
        tell(reply("Oi"))
        pk = CustomerReply.objects.get().pk
        client, nobody = client_of(make_staff("eva", group="")), User.objects.get(username="eva")
        for way in ("answer", "handle"):
            assert client.post(f"{LIST}{pk}/{way}/", {"text": "x", "seen": pk}).status_code == 403
        with pytest.raises(PermissionDenied):
            answer(CustomerReply.objects.get(), "x", actor=nobody)
        assert (answers(), open_texts()) == ([], ["Oi"])


class TestConversation:
    def talk(self) -> str:
        return conversation_of(CustomerReply.objects.earliest("pk")).closed

    def test_is_open_for_a_settable_time(self, settings: Any) -> None:
        make_order()
        tell(reply("Oi"))
        long_ago(71)
        assert self.talk() == ""
        long_ago(73)
        assert "mais de 72 horas" in self.talk()
        with pytest.raises(AnswerRefusedError, match="72 horas"):
            answer(CustomerReply.objects.get(), "x", actor=make_staff())
        settings.ANSWER_WITHIN_HOURS = 100
        assert self.talk() == ""
        page = words(client_of(make_staff("bia")), f"{LIST}{CustomerReply.objects.get().pk}/change/")
        assert "Enviar resposta" in page

    def test_is_metas_24_hours_there(self, instance: EvolutionInstance) -> None:
        make_order()
        tell(reply("Oi"))
        EvolutionInstance.objects.update(gateway="meta")
        long_ago(23)
        assert self.talk() == ""
        long_ago(25)
        assert "mais de 24 horas" in self.talk()

    def test_who_opted_out_is_answered_what_they_ask_since(self) -> None:
        order = make_order()
        tell(reply("Bom dia", "one"))
        tell(reply("SAIR", "two"))
        assert "pediu para não receber mensagens" in self.talk()
        tell(reply("Vocês abrem sábado?", "three"))
        assert self.talk() == ""
        client = client_of(make_staff())
        assert "não quer avisos dos pedidos" in words(client, order.get_admin_url())
        assert send(client, "Sim").status_code == 302
        row = NotificationLog.objects.get(event="free_answer")
        NotificationLog.objects.exclude(pk=row.pk).update(status="sent", sent_at=Now())
        assert claims.claim(row.pk) is not None
        row.refresh_from_db()
        assert (row.status, texts.render(row.event, row.parsed_snapshot)) == ("sending", "Sim")

    def test_who_opts_out_before_it_left_does_not_get_it(self) -> None:
        make_order()
        tell(reply("Oi"))
        send(client_of(make_staff()), "Olá")
        row = NotificationLog.objects.get(event="free_answer")
        NotificationLog.objects.update(created_at=Now() - timedelta(minutes=1))
        consent.opt_out(Customer.objects.all(), "at the counter")
        claims.claim(row.pk)
        row.refresh_from_db()
        assert (row.status, row.error_code) == ("skipped", "opted_out")

    def test_a_silent_store_still_answers(self) -> None:
        order = make_order()
        tell(reply("Oi"))
        Order.objects.get().store.__class__.objects.update(tells_customers=False)
        send(client_of(make_staff()), "Olá")
        row = NotificationLog.objects.get(event="free_answer")
        claims.claim(row.pk)
        row.refresh_from_db()
        assert (row.status, row.order) == ("sending", order)

    def test_an_answer_goes_by_with_the_conversation(self) -> None:
        make_order()
        tell(reply("Oi"))
        long_ago(71)
        send(client_of(make_staff()), "Olá")
        row, said = NotificationLog.objects.get(event="free_answer"), CustomerReply.objects.get()
        assert row.expires_at == said.received_at + timedelta(hours=72)

    def test_of_whom_no_number_is_known_is_closed(self) -> None:
        tell(reply("Oi", remoteJid="987654321098765@lid"))
        assert self.talk() == "Não sabemos o número: responda no celular da loja."


class TestHandling:
    def test_by_whom_and_when_and_back(self) -> None:
        order, client = make_order(), client_of(make_staff())
        tell(reply("Obrigada!"), reply("😊"))
        latest = CustomerReply.objects.latest("pk")
        done = client.post(f"{LIST}{latest.pk}/handle/", {"back": "order", "page_of": str(order.pk)})
        assert done.headers["Location"] == order.get_admin_url()
        assert open_texts() == []
        assert list(CustomerReply.objects.values_list("handled_by__username", flat=True)) == ["ana", "ana"]
        assert "2 respostas tratadas." in words(client, "/admin/")
        client.post(f"{LIST}{latest.pk}/handle/", {"reopen": "1"})
        assert open_texts() == ["😊"]
        said = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
        assert said == ["Marcada como tratada.", "Marcada como tratada.", "Espera resposta de novo."]
        assert client.get(f"{LIST}{latest.pk}/handle/").status_code == 405

    def test_many_at_once_from_the_list(self) -> None:
        make_order()
        tell(*(reply(f"Oi {number}", f"id{number}") for number in range(3)))
        chosen = list(CustomerReply.objects.values_list("pk", flat=True))
        client_of(make_staff()).post(LIST, {"action": "mark_handled", "_selected_action": chosen[:2]})
        assert open_texts() == ["Oi 2"]

    def test_an_edit_afterwards_waits_again(self) -> None:
        make_order()
        tell(reply("Troca"))
        CustomerReply.objects.update(handled_at=Now())
        edit = reply("", "edit")
        edit["data"]["message"] = {
            "protocolMessage": {
                "type": "MESSAGE_EDIT",
                "key": {"id": "3EB0INCOMING000001"},
                "editedMessage": {"conversation": "Troca, por favor?"},
            }
        }
        tell(edit)
        assert open_texts() == ["Troca, por favor?"]

    def test_the_orders_list_says_answered_until_it_is_handled(self) -> None:
        order, client = make_order(until="delivered", notify=True), client_of(make_staff())
        tell(reply("Chegou quebrado"))
        view = "/admin/orders/order/?view=answered"
        assert "lida respondeu" in words(client, view) or "pendente respondeu" in words(client, view)
        CustomerReply.objects.update(handled_at=Now())
        assert order.code not in words(client, view)
        assert "Espera resposta" not in words(client, order.get_admin_url())


class TestAStoreThatSendsByAnothersNumber:
    """Its customers write to that number, and neither shop sees what is the other's."""

    @pytest.fixture
    def theirs(self, instance: EvolutionInstance) -> Order:
        return make_order(store=Store.objects.create(name="Filial"), customer_name="Bia da Filial", notify=True)

    def test_the_confirmation_of_a_wish_is_the_customers_store_s(self, theirs: Order) -> None:
        tell(reply("SAIR"))
        row = NotificationLog.objects.get(event="opt_out")
        assert row.instance
        assert (row.instance.store, row.store) == (Store.get_default(), theirs.store)
        address = "/admin/integrations/notificationlog/"
        ours, branch = client_of(make_staff()), client_of(make_staff("bia", stores=[theirs.store]))
        for client, seen in ((ours, False), (branch, True)):
            listed = client.get(address)
            assert (row in listed.context["cl"].result_list) is seen
            assert ("Bia da Filial" in listed.content.decode()) is seen
            assert client.get(f"{address}{row.pk}/change/").status_code == (200 if seen else 302)

    def test_an_answer_about_no_order_is_too(self, theirs: Order) -> None:
        tell(reply("Vocês abrem sábado?"))
        CustomerReply.objects.update(order=None)
        answer(CustomerReply.objects.get(), "Sim", actor=make_staff("bia", stores=[theirs.store]))
        assert NotificationLog.objects.get(event="free_answer").store == theirs.store

    def test_nobodys_reply_names_no_order_of_theirs(self, theirs: Order) -> None:
        told = NotificationLog.objects.get(order=theirs)
        assert told.instance
        NotificationLog.objects.update(provider_message_id="told", status="sent", sent_at=Now(), recipient="")
        CustomerReply.objects.create(
            instance=told.instance, provider_message_id="r1", quoted_id="told", kind="text", text="Oi",
            sender="5521999990000", received_at=timezone.now(), wish="unsure",
        )  # fmt: skip
        boss = client_of(make_staff("gil", stores=Store.objects.all()))
        for client in (client_of(make_staff()), boss):
            for address in ("/admin/", f"{LIST}?state=all", f"{LIST}{CustomerReply.objects.get().pk}/change/"):
                body = client.get(address).content.decode()
                assert theirs.code not in body.replace(theirs.get_admin_url(), "") or address == "/admin/"
                assert f"{theirs.get_admin_url()}" not in body
