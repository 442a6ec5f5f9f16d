"""Notification Logs and instances in the admin."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.forms import ModelForm
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.gateways.sentences import cause
from integrations.instances.connections import hold
from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog
from notifications.actions.cancel import cancel
from notifications.actions.resend import resend
from orders.services import apply_transition
from tests.factories import make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/integrations/notificationlog/"
CUT = "O WhatsApp desta loja está desconectado"


@pytest.fixture
def client() -> Client:
    return client_of(make_staff())


def make_log(customer_name: str = "Maria da Silva", phone: str = "(11) 98765-4321", **values: Any) -> NotificationLog:
    order = make_order(customer_name=customer_name, customer_phone=phone, notify=True)
    row = NotificationLog.objects.get(order=order)
    NotificationLog.objects.filter(pk=row.pk).update(**values)
    row.refresh_from_db()
    return row


def page(client: Client, row: NotificationLog) -> str:
    response = client.get(f"{LIST}{row.pk}/change/")
    assert response.status_code == 200
    return response.content.decode()


def found(client: Client, **query: str) -> list[int]:
    return [row.pk for row in client.get(LIST, query).context["cl"].result_list]


class TestList:
    def test_tells_what_became_of_a_message(self, client: Client) -> None:
        row = make_log(status="failed", error_code="not_on_whatsapp", error_message="Sem WhatsApp.", attempts=1)
        body = unescape(client.get(LIST).content.decode())
        for words in ("falhou", "Pedido recebido", "Maria da Silva", "(11) 98765-4321", "Sem WhatsApp."):
            assert words in body
        assert f'href="/admin/orders/order/{row.order_id}/change/">{row.snapshot_order_code}</a>' in body

    def test_names_are_the_same_in_every_language(self, client: Client) -> None:
        for language in ("pt-BR", "en"):
            body = client.get("/admin/", headers={"accept-language": language}).content.decode()
            assert "Integrations" in body
            assert "Notification Logs" in body

    def test_costs_the_same_whatever_its_length(self, client: Client) -> None:
        counts = []
        for more in (1, 10):
            for number in range(more):
                make_log(phone=f"(11) 98765-{more:02}{number:02}")
            client.get(LIST)
            with CaptureQueriesContext(connection) as queries:
                client.get(LIST)
            counts.append(len(queries))
        assert counts[0] == counts[1]
        assert not [query["sql"] for query in queries if "COUNT(" in query["sql"] and "LIMIT" not in query["sql"]]

    def test_search(self, client: Client) -> None:
        row = make_log(customer_name="João Souza", phone="(21) 99999-1234")
        make_log()
        for term in (row.snapshot_order_code.lower(), "souza", "1234", "99999-1234"):
            assert found(client, q=term) == [row.pk]

    def test_filters(self, client: Client) -> None:
        sent = make_log(status="sent", sent_at=timezone.now())
        pending = make_log(event="cancel")
        assert found(client, status__exact="sent") == [sent.pk]
        assert found(client, event="cancel") == [pending.pk]
        assert found(client, instance__id__exact=str(sent.instance_id)) == [pending.pk, sent.pk]

    @pytest.mark.parametrize(
        ("status", "words"), [("cancelled", "cancelada"), ("skipped", "descartada"), ("unknown", "incerta")]
    )
    def test_a_status_has_one_name_in_list_filter_page_and_timeline(
        self, client: Client, status: str, words: str
    ) -> None:
        row = make_log(status=status, error_code="x")
        label = re.compile(rf">\s*{words}\s*</")
        for place in (LIST, f"{LIST}{row.pk}/change/", f"/admin/orders/order/{row.order_id}/change/"):
            assert label.search(client.get(place).content.decode())
        assert re.search(rf'<option value="{status}"[^>]*>\s*{words}', client.get(LIST).content.decode())

    def test_shows_the_receipt_and_since_when(self, client: Client) -> None:
        make_log(status="sent", sent_at=timezone.now(), receipt="delivery_ack", delivered_at="2026-11-23T21:30:00Z")
        cell = client.get(LIST).content.decode().partition("field-receipt_label")[2].partition("</td>")[0]
        assert re.sub(r"<[^>]*>", "", cell.partition(">")[2]).split() == ["entregue", "23/11/2026", "18:30"]

    def test_filters_the_confirmations_of_an_opt_out(self, client: Client) -> None:
        make_log()
        row = make_log(event="opt_out", order=None, order_event=None)
        assert found(client, event="opt_out") == [row.pk]
        assert "Confirmação: sem mais avisos" in unescape(client.get(LIST).content.decode())

    def test_offers_no_selection_of_all_pages(self, client: Client) -> None:
        """Nothing is counted, so it would offer to select all 9999999999."""
        make_log()
        body = client.get(LIST).content.decode()
        assert "Cancelar mensagens" in body
        assert "Selecionar todos" not in body

    def test_later_pages_and_those_beyond_the_end(self, client: Client) -> None:
        make_log()
        assert client.get(LIST, {"p": "2"}).status_code == 200


class TestPage:
    def test_shows_the_text_as_sent(self, client: Client) -> None:
        body = page(client, make_log(message="Olá, <script>alert(1)</script>!\nSeu pedido chegou."))
        assert (
            '<div class="flowlog-bubble">Olá, &lt;script&gt;alert(1)&lt;/script&gt;!\nSeu pedido chegou.</div>' in body
        )

    def test_shows_the_attempts_with_the_answer_escaped(self, client: Client) -> None:
        row = make_log(status="failed", error_code="bad_request", error_message="Recusada.")
        DeliveryAttempt.objects.create(
            notification=row,
            claim_token=uuid4(),
            duration=timedelta(milliseconds=1340),
            outcome="permanent",
            http_status=400,
            response_body='{"message": "<b>no</b>"}',
        )
        body = page(client, row)
        assert "1,3 s" in body
        assert "recusada em definitivo" in body
        assert "400" in body
        assert "{&quot;message&quot;: &quot;&lt;b&gt;no&lt;/b&gt;&quot;}" in body

    def test_says_what_a_message_waits_for(self, client: Client) -> None:
        first = make_log(status="unknown", error_code="read_timeout")
        assert first.order
        apply_transition(first.order, "confirm")
        second = NotificationLog.objects.get(event="confirm")
        assert "Espera a mensagem anterior deste pedido." in page(client, second)
        assert "Espera a mensagem anterior deste pedido." in client.get(LIST).content.decode()
        NotificationLog.objects.filter(pk=first.pk).update(status="failed")
        assert "Espera a mensagem anterior" not in page(client, second)

    def test_says_that_its_instance_is_held(self, client: Client) -> None:
        row = make_log()
        assert row.instance_id
        hold(row.instance_id, "unauthorized")
        assert f"Os envios estão parados. {cause('unauthorized')}" in page(client, row)
        assert f"Os envios estão parados. {cause('unauthorized')}" in client.get(LIST).content.decode()
        NotificationLog.objects.update(status="failed", error_code="x", error_message="Sem WhatsApp.")
        assert "Os envios estão parados" not in page(client, row)

    def test_says_who_asked_for_what(self, client: Client) -> None:
        old, boss = make_log(status="failed", error_code="x"), make_staff("chefe")
        assert "Pela equipe" not in page(client, old)
        new = resend(old, actor=boss)
        assert f'href="{LIST}{old.pk}/change/"' in page(client, new)
        assert "Reenvio solicitado por" in page(client, new)
        assert "chefe" in page(client, new)
        cancel([new], actor=boss)
        for body in (page(client, new), client.get(LIST).content.decode()):
            assert "Cancelada por chefe." in body
        NotificationLog.objects.filter(pk=new.pk).update(cancelled_by=None)
        assert "Cancelada por" not in client.get(LIST).content.decode()

    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ({}, "O texto é escrito na hora do envio."),
            ({"status": "skipped", "error_code": "no_phone"}, "A mensagem não saiu: nenhum texto foi escrito."),
            ({"status": "cancelled"}, "A mensagem não saiu: nenhum texto foi escrito."),
        ],
    )
    def test_says_why_there_is_no_text(self, client: Client, values: dict[str, Any], words: str) -> None:
        body = page(client, make_log(**values))
        assert [text for text in ("O texto é escrito", "nenhum texto foi escrito") if text in body] == [
            text for text in ("O texto é escrito", "nenhum texto foi escrito") if text in words
        ]
        assert words in body

    def test_has_no_line_for_what_happened_where_nothing_did(self, client: Client) -> None:
        row = make_log(status="sent", sent_at=timezone.now(), message="Olá!")
        assert "O que aconteceu" not in page(client, row)
        NotificationLog.objects.filter(pk=row.pk).update(receipt="error")
        assert "O que aconteceu" in page(client, row)

    def test_shows_that_it_was_not_delivered_after_all(self, client: Client) -> None:
        row = make_log(status="sent", sent_at=timezone.now(), receipt="error")
        for body in (page(client, row), client.get(LIST).content.decode()):
            assert "não entregue" in body
            assert "O WhatsApp aceitou a mensagem, mas depois não a entregou." in body

    def test_shows_the_snapshot_in_words(self, client: Client) -> None:
        row = make_log()
        body = page(client, row)
        for label, value in (
            ("Código", row.snapshot_order_code),
            ("Situação", "pendente"),
            ("Forma de entrega", "Motoboy"),
            ("Item", "2× Camiseta azul, R$\xa059,90"),
            ("Total", "R$\xa0119,80"),
            ("Telefone (WhatsApp)", "(11) 98765-4321"),
        ):
            assert f"<dt>{label}</dt><dd>{value}</dd>" in body
        assert "delivery_method" not in body

    def test_shows_freight_discount_and_weight_of_the_snapshot(self, client: Client) -> None:
        item = {"description": "Queijo", "quantity": "1.5", "unit_price": "40.00"}
        body = page(client, make_log(snapshot={"order": {"items": [item], "freight": "5.00", "discount": "0.00"}}))
        assert "<dt>Item</dt><dd>1,5× Queijo, R$\xa040,00</dd>" in body
        assert "<dt>Frete</dt><dd>R$\xa05,00</dd>" in body
        assert "<dt>Desconto</dt>" not in body

    def test_shows_what_an_older_snapshot_has(self, client: Client) -> None:
        row = make_log(snapshot={"order": {"code": "ABC234", "status": "gone", "items": [{"description": "Caneca"}]}})
        body = page(client, row)
        assert "<dt>Situação</dt><dd>gone</dd>" in body
        assert "<dt>Total</dt>" not in body

    def test_tells_only_what_there_is_to_tell(self, client: Client) -> None:
        body = page(client, make_log())
        for words in ("Criação", "Tentativas", "Destinatário"):
            assert words in body
        for words in ("Recibo", "O que aconteceu", "Lida", "Pela equipe", "Identificador da mensagem no gateway"):
            assert words not in body

    def test_copes_with_a_row_that_knows_nothing(self, client: Client) -> None:
        row = make_log(order=None, order_event=None, instance=None, recipient="", snapshot={}, event="alarm")
        assert "alarm" in page(client, row)
        assert client.get(LIST).status_code == 200


class TestReadOnly:
    @pytest.mark.parametrize("address", ["add/", "{pk}/change/", "{pk}/delete/"])
    def test_nobody_writes(self, address: str) -> None:
        boss = make_staff("chefe")
        boss.is_superuser = True
        boss.save()
        row = make_log()
        response = client_of(boss).post(LIST + address.format(pk=row.pk), {"status": "sent", "post": "yes"})
        assert response.status_code == 403
        row.refresh_from_db()
        assert row.status == "pending"

    def test_needs_the_permission_to_see_it(self) -> None:
        row = make_log()
        client = client_of(make_staff("bia", group=""))
        assert client.get(LIST).status_code == 403
        assert client.get(f"{LIST}{row.pk}/change/").status_code == 403


class TestInstances:
    def test_management_sets_the_pace_and_nobody_the_connection(self) -> None:
        client = client_of(make_staff("gil", MANAGEMENT_GROUP))
        instance = EvolutionInstance.objects.get()
        values = {
            "store": str(instance.store_id), "name": "flowlog", "is_default": "on", "messages_per_minute": "12",
            "daily_cap": "500", "state": "open", "gateway": "evolution",
        }  # fmt: skip
        assert client.post(f"/admin/integrations/evolutioninstance/{instance.pk}/change/", values).status_code == 302
        instance.refresh_from_db()
        assert (instance.messages_per_minute, instance.daily_cap, instance.state) == (12, 500, "unknown")
        assert "desconhecido" in client.get("/admin/integrations/evolutioninstance/").content.decode()

    def test_says_since_when_and_why_one_is_held(self, client: Client) -> None:
        instance = EvolutionInstance.objects.get()
        address = f"/admin/integrations/evolutioninstance/{instance.pk}/change/"
        assert "As mensagens saem." in client.get(address).content.decode()
        hold(instance.pk, "unauthorized")
        assert f"{cause('unauthorized')} Próxima tentativa: " in client.get(address).content.decode()
        for place in ("/admin/integrations/evolutioninstance/", "/admin/"):
            assert "parado" in client.get(place).content.decode()

    @pytest.mark.parametrize(
        ("state", "held", "headline"),
        [
            ("open", "", "O WhatsApp desta loja está conectado"),
            ("unknown", "", "Ainda não se sabe se o WhatsApp está conectado"),
            ("connecting", "", CUT),
            ("close", "", CUT),
            ("open", "connection_closed", CUT),
            ("close", "unauthorized", "As mensagens desta loja não estão saindo"),
            ("close", "license_required", "As mensagens desta loja não estão saindo"),
            ("close", "meta_payment", "As mensagens desta loja não estão saindo"),
        ],
    )
    def test_says_how_it_stands_and_whether_the_phone_mends_it(
        self, client: Client, state: str, held: str, headline: str
    ) -> None:
        instance = EvolutionInstance.objects.get()
        if held:
            hold(instance.pk, held)
        EvolutionInstance.objects.update(state=state)
        body = client.get(f"/admin/integrations/evolutioninstance/{instance.pk}/change/").content.decode()
        assert f"<h2>{headline}</h2>" in body
        assert ("com o QR code" in body.partition("<h2>")[2].partition("</div>")[0]) == (headline == CUT)
        assert not re.search(r"manage\.py|gateway da|instância|sond", unescape(body))

    def test_service_only_looks(self, client: Client) -> None:
        instance = EvolutionInstance.objects.get()
        address = f"/admin/integrations/evolutioninstance/{instance.pk}/change/"
        assert client.get(address).status_code == 200
        assert client.post(address, {"name": "x"}).status_code == 403


def test_editing_an_instance_leaves_a_send_in_hand_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The form was opened before a worker took the slot; saving it must not give the slot to another."""
    client = client_of(make_staff("gil", MANAGEMENT_GROUP))
    instance = EvolutionInstance.objects.get()
    values = {"store": instance.store_id, "name": instance.name, "is_default": "on"}
    values |= {"messages_per_minute": 5, "daily_cap": 0, "gateway": "evolution"}
    token, is_valid = uuid4(), ModelForm.is_valid

    def claimed_meanwhile(form: ModelForm) -> bool:
        EvolutionInstance.objects.update(slot_token=token, slot_until=Now() + timedelta(minutes=1), state="open")
        return is_valid(form)

    monkeypatch.setattr(ModelForm, "is_valid", claimed_meanwhile)
    answer = client.post(f"/admin/integrations/evolutioninstance/{instance.pk}/change/", values)
    assert answer.status_code == 302
    instance.refresh_from_db()
    assert (instance.messages_per_minute, instance.slot_token, instance.state) == (5, token, "open")
