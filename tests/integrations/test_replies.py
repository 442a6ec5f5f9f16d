"""What customers answer: SAIR and VOLTAR are obeyed and confirmed once, anything else is shown to the staff."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models.functions import Now
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.evolution import jids
from integrations.inbound import correspondence
from integrations.inbound.intake import process
from integrations.inbound.wishes import as_quoted
from integrations.models import CustomerReply, EvolutionInstance, NotificationLog, WebhookEvent
from notifications import claims
from orders.models import ConsentChange, Customer, Order, OrderEvent, Store
from orders.services import apply_transition
from tests.factories import PHONE, make_instance, make_order
from tests.integrations.webhooks import JID, envelope, post, reply
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()


def tell(*bodies: dict[str, Any]) -> None:
    for body in bodies:
        assert post(body) == 200
    process()


def confirmations() -> list[tuple[str, str, str]]:
    rows = NotificationLog.objects.filter(order=None).order_by("pk")
    return [(row.event, row.recipient, row.status) for row in rows]


def sent(order: Order | None, key_id: str = "3EB0OURS") -> NotificationLog:
    row = NotificationLog.objects.filter(order=order).latest("pk")
    NotificationLog.objects.filter(pk=row.pk).update(status="sent", sent_at=Now(), provider_message_id=key_id)
    return row


class TestNumbers:
    @pytest.mark.parametrize(
        ("jid", "numbers"),
        [
            (JID, ("+5511987654321", "+551187654321")),
            ("551187654321@s.whatsapp.net", ("+551187654321", "+5511987654321")),
            ("5511987654321:12@s.whatsapp.net", ("+5511987654321", "+551187654321")),
            ("551133334444@s.whatsapp.net", ("+551133334444",)),
            ("5511933334444@s.whatsapp.net", ("+5511933334444",)),
            ("14155550123@s.whatsapp.net", ("+14155550123",)),
            ("987654321098765@lid", ()),
            ("120363012345678901@g.us", ()),
            ("status@broadcast", ()),
            ("", ()),
        ],
    )
    def test_of_an_address(self, jid: str, numbers: tuple[str, ...]) -> None:
        assert jids.numbers(jid) == numbers


class TestOptingOut:
    @pytest.mark.parametrize(
        "text", ["SAIR", "sair", " Sair! ", "“SAÍR”.", "s a i r", "PARE", "Páre…", "stop", "SAIR 🙏"]
    )
    def test_by_the_word_alone_however_it_is_written(self, text: str) -> None:
        customer = make_order().customer
        tell(reply(text))
        customer.refresh_from_db()
        assert customer.opted_out_at
        assert customer.opted_out_how == f"respondeu “{as_quoted(text)}” no WhatsApp"
        assert confirmations() == [("opt_out", PHONE, "pending")]

    @pytest.mark.parametrize("text", ["quero sair amanhã", "não pare", "sair?sim", "SAIR1", "", "voltar", "obrigada"])
    def test_by_nothing_else(self, text: str) -> None:
        customer = make_order().customer
        tell(reply(text))
        customer.refresh_from_db()
        assert (customer.opted_out_at, customer.opted_out_how) == (None, "")
        assert confirmations() == []

    def test_and_in_again_each_confirmed_once(self) -> None:
        customer = make_order().customer
        tell(reply("SAIR", "one"), reply("Sair", "two"), reply("SAIR", "one"))
        tell(reply("VOLTAR", "three"), reply("SAIR", "one"), reply("voltar", "four"))
        customer.refresh_from_db()
        assert (customer.opted_out_at, customer.opted_out_how) == (None, "")
        assert [event for event, *_ in confirmations()] == ["opt_out", "opt_in"]
        assert [each.text for each in CustomerReply.objects.all()] == ["SAIR", "Sair", "VOLTAR", "voltar"]

    def test_the_confirmation_goes_out_and_news_of_orders_do_not(self) -> None:
        order = make_order()
        tell(reply("PARE"))
        apply_transition(order, "confirm")
        confirmation, news = NotificationLog.objects.order_by("pk")
        first = claims.claim(confirmation.pk)
        assert first
        assert (first.over, first.notification.pk) == (False, confirmation.pk)
        assert first.notification.message == (
            "Maria, você não vai mais receber nossos avisos sobre pedidos por aqui. 👍\n\n"
            "Se mudar de ideia, responda *VOLTAR*.\n\n_Minha loja_"
        )
        EvolutionInstance.objects.update(slot_token=None, slot_until=None)
        second = claims.claim(news.pk)
        assert second
        assert second.over
        news.refresh_from_db()
        assert (news.status, news.error_code) == ("skipped", "opted_out")

    @pytest.mark.parametrize(
        ("registered", "jid"),
        [
            ("+5511987654321", "551187654321@s.whatsapp.net"),
            ("+551187654321", JID),
            ("+14155550123", "14155550123@s.whatsapp.net"),
        ],
    )
    def test_with_and_without_the_ninth_digit(self, registered: str, jid: str) -> None:
        customer = make_order(customer_phone=registered).customer
        tell(reply("SAIR", remoteJid=jid))
        customer.refresh_from_db()
        assert customer.opted_out_at
        assert confirmations() == [("opt_out", registered, "pending")]

    def test_of_everybody_with_this_number_with_one_confirmation(self) -> None:
        for phone in ("+5511987654321", "+551187654321"):
            make_order(customer_phone=phone)
        tell(reply("SAIR"))
        assert Customer.objects.filter(opted_out_at=None).count() == 0
        assert len(confirmations()) == 1

    def test_at_no_other_store_that_the_instance_does_not_write_for(self) -> None:
        elsewhere, written_for = (Store.objects.create(name=name) for name in "ab")
        make_instance(store=elsewhere, name="theirs")
        for store in (Store.get_default(), elsewhere, written_for):
            make_order(store=store, notify=True)
        tell(reply("SAIR"))
        out = Customer.objects.exclude(opted_out_at=None)
        assert {customer.store_id for customer in out} == {Store.get_default().pk, written_for.pk}

    def test_of_a_nameless_address_by_its_number_or_by_what_it_quotes(self) -> None:
        maria, joao = make_order(notify=True), make_order(customer_phone="+5521999991234", notify=True)
        sent(maria)
        tell(reply("SAIR", "one", remoteJid="987654321098765@lid", remoteJidAlt="5521999991234@s.whatsapp.net"))
        assert Customer.objects.exclude(opted_out_at=None).get() == joao.customer
        tell(reply("SAIR", "two", remoteJid="987654321098765@lid", quoted="unknown"))
        assert Customer.objects.exclude(opted_out_at=None).count() == 1
        tell(reply("SAIR", "three", remoteJid="987654321098765@lid", quoted="3EB0OURS"))
        assert Customer.objects.exclude(opted_out_at=None).count() == 2

    def test_and_in_again_by_a_nameless_address_that_quotes_the_confirmation(self) -> None:
        for phone in ("+5511987654321", "+551187654321"):
            make_order(customer_phone=phone)
        tell(reply("SAIR", "one"))
        sent(None)
        tell(reply("VOLTAR", "two", remoteJid="987654321098765@lid", quoted="3EB0OURS"))
        assert Customer.objects.exclude(opted_out_at=None).count() == 0
        assert confirmations() == [("opt_out", PHONE, "sent"), ("opt_in", PHONE, "pending")]

    def test_never_of_another_than_the_quoted_message_went_to(self, settings: Any) -> None:
        settings.NOTIFICATIONS_OVERRIDE_RECIPIENT = "+5521999991234"
        maria = make_order(notify=True)
        sent(maria)
        testers = {"named": "5521999991234@s.whatsapp.net", "short": "552199991234@s.whatsapp.net", "not": "9@lid"}
        for name, jid in testers.items():
            tell(reply("SAIR", name, remoteJid=jid, quoted="3EB0OURS"))
        assert Customer.objects.exclude(opted_out_at=None).count() == 0
        assert {event.error for event in WebhookEvent.objects.all()} == {"unknown_sender"}
        joao = make_order(customer_phone="+5521999991234").customer
        for name, jid in testers.items():
            tell(reply("SAIR", f"{name} again", remoteJid=jid, quoted="3EB0OURS"))
        assert Customer.objects.exclude(opted_out_at=None).get() == joao
        known = CustomerReply.objects.exclude(customer=None)
        assert set(known.values_list("customer", "order__customer")) == {(joao.pk, joao.pk)}
        nobodys = CustomerReply.objects.filter(customer=None).order_by("pk").values_list("sender", "wish")
        assert list(nobodys) == [("+5521999991234", "out"), ("+552199991234", "out"), ("9@lid", "out")]

    def test_of_nobody_by_a_message_to_a_number_that_was_another_ones(self) -> None:
        order = make_order(notify=True)
        sent(order)
        Customer.objects.update(phone="+5521999991234")
        tell(reply("SAIR", "one", quoted="3EB0OURS"), reply("SAIR", "two", remoteJid="9@lid", quoted="3EB0OURS"))
        assert Customer.objects.exclude(opted_out_at=None).count() == 0
        assert CustomerReply.objects.exclude(customer=None).count() == 0
        assert list(CustomerReply.objects.values_list("sender", flat=True)) == [PHONE, "9@lid"]

    @pytest.mark.parametrize("form", [int, str, lambda seconds: {"low": seconds, "high": 0, "unsigned": True}])
    def test_not_undone_by_an_older_wish_that_is_delivered_late(self, form: Any) -> None:
        customer, now = make_order().customer, int(time.time())
        sair, voltar = (reply(word, word) for word in ("SAIR", "VOLTAR"))
        sair["data"]["messageTimestamp"], voltar["data"]["messageTimestamp"] = form(now - 10), form(now - 20)
        tell(sair)
        tell(voltar)
        customer.refresh_from_db()
        assert customer.opted_out_how == "respondeu “SAIR” no WhatsApp"
        assert [event for event, *_ in confirmations()] == ["opt_out"]
        assert [each.text for each in CustomerReply.objects.all()] == ["SAIR", "VOLTAR"]
        [change] = customer.consent_changes.all()
        assert (change.opted_out, change.written_at) == (True, datetime.fromtimestamp(now - 10, UTC))
        voltar["data"]["messageTimestamp"] = form(now - 5)
        voltar["data"]["key"]["id"] = "later"
        tell(voltar)
        customer.refresh_from_db()
        assert customer.opted_out_at is None
        assert [event for event, *_ in confirmations()] == ["opt_out", "opt_in"]

    @pytest.mark.parametrize(
        "absurd", [None, 0, -5, True, 1e18, 2**70, "", "soon", "9" * 40, {}, {"low": None}, [1], 1795453146000, 86400]
    )
    def test_at_its_arrival_if_its_own_time_is_absurd(self, absurd: Any) -> None:
        customer = make_order().customer
        for word in ("SAIR", "VOLTAR", "PARE"):
            body = reply(word, word)
            body["data"]["messageTimestamp"] = absurd
            tell(body)
        customer.refresh_from_db()
        assert customer.opted_out_how == "respondeu “PARE” no WhatsApp"
        arrived = WebhookEvent.objects.order_by("-pk").values_list("received_at", flat=True)
        assert list(customer.consent_changes.values_list("opted_out", "at", "written_at")) == [
            (out, at, None) for out, at in zip([True, False, True], arrived, strict=True)
        ]

    def test_with_a_button(self) -> None:
        customer, body = make_order().customer, reply("")
        body["data"]["message"] = {"buttonsResponseMessage": {"selectedButtonId": "7", "selectedDisplayText": "Sair"}}
        tell(body)
        customer.refresh_from_db()
        assert customer.opted_out_at
        assert confirmations() == [("opt_out", PHONE, "pending")]

    @pytest.mark.parametrize(
        "wrapper", ["ephemeralMessage", "deviceSentMessage", "botInvokeMessage", "ofALaterVersion"]
    )
    def test_however_the_message_is_wrapped(self, wrapper: str) -> None:
        make_order()
        body = reply("SAIR")
        body["data"]["message"] = {wrapper: {"message": {"extendedTextMessage": {"text": "SAIR"}}}}
        tell(body)
        assert Customer.objects.exclude(opted_out_at=None).count() == 1

    def test_never_by_the_shop_itself_a_group_or_a_stranger(self) -> None:
        make_order()
        tell(
            reply("SAIR", "one", fromMe=True),
            reply("SAIR", "two", remoteJid="120363012345678901@g.us", participant=JID),
            reply("SAIR", "three", remoteJid="status@broadcast"),
            reply("SAIR", "four", remoteJid="5521999991234@s.whatsapp.net"),
            reply("SAIR", "five", fromMe=None),
            reply("SAIR", ""),
        )
        assert Customer.objects.exclude(opted_out_at=None).count() == 0
        # A stranger's wish is shown to the staff: it may be a customer's other number.
        assert CustomerReply.objects.filter(customer=None).values_list("sender", flat=True).get() == "+5521999991234"
        assert [event.error for event in WebhookEvent.objects.order_by("pk")] == ["", "", "", "unknown_sender", "", ""]

    def test_with_a_caption(self) -> None:
        make_order()
        body = reply("")
        body["data"]["message"] = {"imageMessage": {"caption": "sair", "url": "https://…"}}
        tell(body)
        assert Customer.objects.exclude(opted_out_at=None).count() == 1
        assert CustomerReply.objects.values_list("kind", "text").get() == ("image", "sair")


class TestTimeline:
    def page(self, order: Order, group: str = "Atendimento") -> str:
        body = client_of(make_staff(group=group)).get(f"/admin/orders/order/{order.pk}/change/").content.decode()
        return " ".join(body.split())

    def test_shows_what_the_customer_wrote_escaped_and_not_for_ever(self) -> None:
        order = make_order()
        tell(reply("<b>Posso</b> buscar hoje?", "one"), reply("a" * 5000, "two"), reply("<b>Posso</b> buscar", "one"))
        assert [len(each.text) for each in CustomerReply.objects.all()] == [25, 1000]
        body = self.page(order)
        assert "O cliente respondeu" in body
        assert "<p>&lt;b&gt;Posso&lt;/b&gt; buscar hoje?</p>" in body

    def test_under_the_latest_event_before_it(self) -> None:
        order = make_order()
        apply_transition(order, "confirm", notify=False)
        OrderEvent.objects.filter(transition="create").update(created_at=Now() - timedelta(hours=2))
        tell(reply("antes", "one"), reply("depois", "two"))
        CustomerReply.objects.filter(text="antes").update(received_at=Now() - timedelta(hours=1))
        OrderEvent.objects.filter(transition="confirm").update(created_at=Now() - timedelta(minutes=30))
        body = self.page(order)
        body = body.partition("Linha do tempo")[2]
        assert (
            body.index("Pedido confirmado") < body.index("depois") < body.index("Pedido recebido") < body.index("antes")
        )

    def test_of_the_order_that_is_quoted_else_of_the_latest(self) -> None:
        older, latest = make_order(notify=True), make_order()
        sent(older)
        tell(reply("este", "one", quoted="3EB0OURS"), reply("qualquer", "two"))
        assert list(CustomerReply.objects.values_list("text", "order")) == [("este", older.pk), ("qualquer", latest.pk)]

    @pytest.mark.parametrize(
        ("message", "kind", "words"),
        [
            ({"audioMessage": {"seconds": 7}}, "audio", "mensagem de voz"),
            ({"stickerMessage": {"url": "x"}}, "sticker", "figurinha"),
            ({"ptvMessage": {"url": "x", "seconds": 7}}, "video", "vídeo"),
            ({"viewOnceMessageV2Extension": {"message": {"audioMessage": {"seconds": 7}}}}, "audio", "mensagem de voz"),
            ({"ephemeralMessage": {"message": {"viewOnceMessageV2": {"message": {"imageMessage": {"url": "x"}}}}}},
             "image", "imagem"),
            ({"liveLocationMessage": {"degreesLatitude": -23.5}}, "location", "localização"),
            ({"contactsArrayMessage": {"contacts": [{}]}}, "contact", "contato"),
            ({"pollCreationMessageV3": {"name": "Qual?", "options": []}}, "other", "outro tipo de mensagem"),
            ({"productMessage": {"product": {"title": "Camiseta"}}}, "other", "outro tipo de mensagem"),
            ({"listResponseMessage": {"singleSelectReply": {"selectedRowId": "1"}}}, "other", "outro tipo de mensagem"),
            ({"senderKeyDistributionMessage": {"groupId": "x"}, "nextYearsMessage": {"url": "x"}},
             "other", "outro tipo de mensagem"),
        ],
    )  # fmt: skip
    def test_names_what_is_no_text(self, message: dict[str, Any], kind: str, words: str) -> None:
        order, body = make_order(), reply("")
        body["data"]["message"] = message
        tell(body)
        assert CustomerReply.objects.values_list("kind", "text").get() == (kind, "")
        assert words in self.page(order)

    @pytest.mark.parametrize(
        "message",
        [
            {"listResponseMessage": {"title": "Posso trocar?", "singleSelectReply": {"selectedRowId": "7"}}},
            {"buttonsResponseMessage": {"selectedButtonId": "7", "selectedDisplayText": "Posso trocar?"}},
            {"templateButtonReplyMessage": {"selectedId": "7", "selectedDisplayText": "Posso trocar?"}},
            {"interactiveResponseMessage": {"body": {"text": "Posso trocar?"}, "nativeFlowResponseMessage": {}}},
            {"editedMessage": {"message": {"protocolMessage": {
                "type": 14, "key": {"id": "3EB0FIRST"}, "editedMessage": {"conversation": "Posso trocar?"},
            }}}},
            {"protocolMessage": {"type": "MESSAGE_EDIT", "editedMessage": {"extendedTextMessage": {
                "text": "Posso trocar?",
            }}}},
        ],
    )  # fmt: skip
    def test_says_what_was_chosen_or_edited(self, message: dict[str, Any]) -> None:
        order, body = make_order(), reply("")
        body["data"]["message"] = message | {"messageContextInfo": {"deviceListMetadataVersion": 2}}
        tell(body)
        assert CustomerReply.objects.values_list("kind", "text").get() == ("text", "Posso trocar?")
        assert "<p>Posso trocar?</p>" in self.page(order)

    @pytest.mark.parametrize(
        "message",
        [
            {"reactionMessage": {"text": "👍"}},
            {"encReactionMessage": {"encPayload": "x"}},
            {"protocolMessage": {"type": 0, "key": {"id": "3EB0FIRST"}}},
            {"senderKeyDistributionMessage": {"groupId": "x"}, "messageContextInfo": {"deviceListMetadataVersion": 2}},
            {"pollUpdateMessage": {"pollCreationMessageKey": {"id": "3EB0POLL"}}},
            {"ephemeralMessage": {"message": {"reactionMessage": {"text": "👍"}}}},
            {"conversation": ""},
            {"nextYearsMessage": {}, "base64": "aGk="},
            {},
            None,
        ],
    )
    def test_leaves_out_what_nobody_said(self, message: Any) -> None:
        make_order()
        body = reply("")
        body["data"]["message"] = message
        tell(body, envelope("messages.upsert", [reply("SAIR")["data"]]))
        assert CustomerReply.objects.count() == 0

    def test_a_customer_without_orders_is_obeyed_all_the_same(self) -> None:
        customer = Customer.objects.create(store=Store.get_default(), name="Ana", phone=PHONE)
        tell(reply("SAIR"))
        customer.refresh_from_db()
        assert customer.opted_out_at
        said = CustomerReply.objects.get()
        assert (said.customer, said.order) == (customer, None)
        assert confirmations() == [("opt_out", PHONE, "pending")]

    def test_all_that_a_customer_wrote_is_on_their_page_the_newest_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        customer = Customer.objects.create(store=Store.get_default(), name="Ana", phone=PHONE)
        address = f"/admin/orders/customer/{customer.pk}/change/"
        client = client_of(make_staff())
        assert "O cliente respondeu" not in client.get(address).content.decode()
        tell(reply("<b>Bom dia</b>", "one"))
        order = make_order()
        tell(reply("E o pedido?", "two"))
        make_order(customer_phone="+5521999991234")
        tell(reply("De outra pessoa", "three", remoteJid="5521999991234@s.whatsapp.net"))
        waiting = " ".join(client.get(address).content.decode().split())
        assert waiting.index("<p>&lt;b&gt;Bom dia&lt;/b&gt;</p>") < waiting.index("<p>E o pedido?</p>")
        CustomerReply.objects.update(handled_at=Now())
        body = " ".join(client.get(address).content.decode().split())
        assert body.index("<p>E o pedido?</p>") < body.index("<p>&lt;b&gt;Bom dia&lt;/b&gt;</p>")
        assert "De outra pessoa" not in body
        assert (
            body.count(f'pedido <a class="text-link" href="{order.get_admin_url()}">{order.code}</a> · tratada em') == 1
        )
        monkeypatch.setattr(correspondence, "SHOWN", 1)
        assert "Bom dia" not in client.get(address).content.decode()
        nobody = make_staff("bia", group="")
        nobody.user_permissions.add(Permission.objects.get(codename="view_customer"))
        assert "E o pedido?" not in client_of(nobody).get(address).content.decode()

    def test_shows_receipts_to_those_who_may_see_the_log(self) -> None:
        order = make_order(notify=True)
        row = sent(order)
        NotificationLog.objects.filter(pk=row.pk).update(
            receipt="read", delivered_at="2026-11-23T21:00:00Z", read_at="2026-11-23T21:30:00Z"
        )
        tell(reply("oi"))
        assert "lida 23/11/2026 18:30" in " ".join(re.sub(r"<[^>]*>", "", self.page(order)).split())


SAID = st.lists(st.sampled_from(["SAIR", "VOLTAR", "pare", "obrigada"]), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=SAID, data=st.data())
def test_what_was_written_last_remains_in_any_order_and_number(said: list[str], data: st.DataObject) -> None:
    """One message a second, delivered in any order, some of them repeatedly, with the work done now and then."""
    customer = Customer.objects.first() or make_order().customer
    for model in (NotificationLog, CustomerReply, ConsentChange, WebhookEvent):
        model.objects.all().delete()
    Customer.objects.update(opted_out_at=None, opted_out_how="")
    now = int(time.time())
    numbers = range(len(said))
    for number in data.draw(st.permutations([*numbers, *data.draw(st.lists(st.sampled_from(numbers), max_size=8))])):
        body = reply(said[number], f"message {number}")
        body["data"]["messageTimestamp"] = now - len(said) + number
        assert post(body) == 200
        if data.draw(st.booleans()):
            process()
    process()
    commands = [text.upper() for text in said if text != "obrigada"]
    customer.refresh_from_db()
    assert (customer.opted_out_at is not None) is (commands[-1:] in (["SAIR"], ["PARE"]))
    kept = CustomerReply.objects.values_list("provider_message_id", "text")
    assert sorted(kept) == [(f"message {number}", said[number]) for number in numbers]
    assert {(event.processed_at is None, event.error) for event in WebhookEvent.objects.all()} == {(False, "")}
