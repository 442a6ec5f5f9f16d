"""Who wrote: by every field that names a number, by what is quoted, and by what was learned of a nameless address."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from integrations.inbound.intake import process
from integrations.models import CustomerReply, EvolutionInstance, LidNumber, NotificationLog, WebhookEvent
from orders.models import Customer, Order
from tests.factories import PHONE, make_instance, make_order
from tests.integrations.webhooks import JID, envelope, post, receipt, reply, sent_message

pytestmark = pytest.mark.django_db

LID = "987654321098765@lid"
OURS = "3EB0OURS"


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()


def tell(*bodies: dict[str, Any]) -> None:
    for body in bodies:
        assert post(body) == 200
    process()


def sent(order: Order, key_id: str = OURS) -> NotificationLog:
    row = NotificationLog.objects.filter(order=order).latest("pk")
    NotificationLog.objects.filter(pk=row.pk).update(status="sent", sent_at=Now(), provider_message_id=key_id)
    return row


def out() -> list[Customer]:
    return list(Customer.objects.exclude(opted_out_at=None))


def nobodys() -> list[tuple[str, str, str]]:
    rows = CustomerReply.objects.filter(customer=None).order_by("pk")
    return list(rows.values_list("sender", "text", "wish"))


class TestNumber:
    @pytest.mark.parametrize(
        "key",
        [
            {"remoteJidAlt": JID},
            {"senderPn": JID},
            {"participantPn": JID},
            {"participantAlt": JID},
            {"previousRemoteJid": JID},
            {"participant": JID},
            {"remoteJid": JID, "previousRemoteJid": LID},
            {"remoteJid": JID, "remoteJidAlt": JID, "addressingMode": "lid"},
            {"remoteJid": "5511987654321"},
            {"remoteJid": "551187654321", "participant": None},
            {"remoteJid": "5511987654321@c.us"},
        ],
    )
    def test_wherever_it_stands(self, key: dict[str, Any]) -> None:
        customer = make_order().customer
        tell(reply("SAIR", **{"remoteJid": LID, **key}))
        assert out() == [customer]
        assert nobodys() == []

    @pytest.mark.parametrize(
        "key",
        [
            {"remoteJid": "120363012345678901@g.us", "participantPn": JID},
            {"remoteJid": "120363012345678901", "participant": JID},
            {"remoteJid": "status@broadcast", "senderPn": JID},
            {"remoteJid": "120363012345678901@newsletter", "senderPn": JID},
            {"remoteJid": None, "senderPn": JID},
            {"id": "5511987654321", "remoteJid": LID},
        ],
    )
    def test_never_of_a_group_or_by_what_names_nobody(self, key: dict[str, Any]) -> None:
        make_order()
        tell(reply("SAIR", **key))
        assert out() == []


class TestQuoted:
    @pytest.mark.parametrize(
        "change",
        [
            lambda data, quote: data.update(contextInfo=quote),
            lambda data, quote: data.update(message={"extendedTextMessage": {"text": "SAIR", "contextInfo": quote}}),
            lambda data, quote: data.update(message={"imageMessage": {"caption": "SAIR", "contextInfo": quote}}),
            lambda data, quote: data.update(message={"conversation": "SAIR", "contextInfo": quote}),
            lambda data, quote: data.update(
                message={"buttonsResponseMessage": {"selectedDisplayText": "Sair", "contextInfo": quote}}
            ),
            lambda data, quote: data.update(
                message={
                    "ephemeralMessage": {
                        "message": {
                            "documentWithCaptionMessage": {
                                "message": {"documentMessage": {"caption": "sair", "contextInfo": quote}}
                            }
                        }
                    }
                }
            ),
        ],
        ids=range(6),
    )
    def test_wherever_it_is_told(self, change: Any) -> None:
        order = make_order(notify=True)
        sent(order)
        body = reply("SAIR", remoteJid=LID)
        change(body["data"], {"stanzaId": OURS, "quotedMessage": {"conversation": "Olá"}})
        tell(body)
        assert out() == [order.customer]
        assert CustomerReply.objects.get().order == order

    def test_never_what_the_quoted_message_quotes(self) -> None:
        sent(make_order(notify=True))
        inner = {"extendedTextMessage": {"text": "x", "contextInfo": {"stanzaId": OURS}}}
        body = reply("SAIR", remoteJid=LID)
        body["data"]["contextInfo"] = {"stanzaId": "another", "quotedMessage": inner}
        tell(body)
        assert out() == []

    def test_by_a_number_that_is_nobodys_it_is_whom_the_message_went_to(self) -> None:
        order = make_order(notify=True)
        sent(order)
        tell(reply("Obrigada!", remoteJid="5521999991234@s.whatsapp.net", quoted=OURS))
        assert CustomerReply.objects.values_list("customer", "order", "text").get() == (
            order.customer.pk, order.pk, "Obrigada!",
        )  # fmt: skip

    def test_teaches_whose_the_nameless_address_is(self) -> None:
        order = make_order(notify=True)
        sent(order)
        tell(reply("Obrigada!", "one", remoteJid=LID, quoted=OURS))
        tell(reply("SAIR", "two", remoteJid=LID))
        assert out() == [order.customer]


class TestLearned:
    @pytest.mark.parametrize(
        "teaching",
        [
            receipt(OURS, "SERVER_ACK", remoteJid=LID),
            receipt(OURS, "DELIVERY_ACK", remoteJid="987654321098765:7@lid"),
            sent_message(OURS, "Olá", 1795453146, jid=LID),
            reply("Oi", "other", remoteJid=LID, remoteJidAlt=JID),
            reply("Oi", "other", previousRemoteJid=LID),
            reply("Oi", "other", remoteJid=LID, senderPn="551187654321@s.whatsapp.net"),
            envelope(
                "contacts.upsert", [{"remoteJid": JID, "lid": LID}, {"remoteJid": "5521999991234@s.whatsapp.net"}]
            ),
            envelope("contacts.update", {"id": LID, "jid": JID}),
        ],
        ids=range(8),
    )
    def test_from_whatever_names_both_for_later_and_for_what_came_before(self, teaching: dict[str, Any]) -> None:
        order = make_order(notify=True)
        sent(order)
        tell(reply("Cheguei atrasada", "before", remoteJid=LID))
        tell(reply("SAIR", "wish", remoteJid=LID))
        assert nobodys() == [(LID, "Cheguei atrasada", ""), (LID, "SAIR", "out")]
        assert out() == []
        tell(teaching)
        assert nobodys() == []
        assert out() == [order.customer]
        told = NotificationLog.objects.filter(order=None).values_list("event", "recipient")
        assert list(told) == [("opt_out", PHONE)]
        tell(reply("VOLTAR", "later", remoteJid=LID))
        assert out() == []
        assert set(CustomerReply.objects.values_list("customer", "order")) == {(order.customer.pk, order.pk)}

    @pytest.mark.parametrize(
        ("told_within", "first", "then", "wants_none"),
        [
            (True, "SAIR", "Oi", True), (True, "VOLTAR", "SAIR", True), (True, "SAIR", "VOLTAR", False),
            (False, "SAIR", "Oi", True), (False, "Oi", "SAIR", True),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("edit_comes_first", [False, True])
    def test_what_was_written_and_edited_before_is_obeyed_then(
        self, told_within: bool, first: str, then: str, wants_none: bool, edit_comes_first: bool
    ) -> None:
        order = make_order(notify=True)
        sent(order)
        written = reply(first, "one", remoteJid=LID)
        change = {"key": {"id": "one", "fromMe": True}, "type": "MESSAGE_EDIT", "editedMessage": {"conversation": then}}
        edited = reply("", "two", remoteJid=LID) if told_within else envelope("messages.edited", change)
        if told_within:
            edited["data"]["message"] = {"protocolMessage": change}
        for body in (edited, written) if edit_comes_first else (written, edited):
            tell(body)
        assert out() == []
        tell(receipt(OURS, "READ", remoteJid=LID))
        assert out() == ([order.customer] if wants_none else [])

    def test_holds_where_the_number_that_is_told_is_nobodys(self) -> None:
        order = make_order(notify=True)
        sent(order)
        tell(receipt(OURS, "READ", remoteJid=LID))
        tell(reply("SAIR", remoteJid=LID, remoteJidAlt="5521999991234@s.whatsapp.net"))
        assert out() == [order.customer]

    def test_not_from_a_message_of_the_shops_own_or_to_a_stranger(self) -> None:
        make_order(notify=True)
        tell(
            receipt("3EB0BYHAND", "READ", remoteJid=LID),
            reply("Oi", remoteJid=LID, remoteJidAlt="5521999991234@s.whatsapp.net"),
            envelope("contacts.upsert", [{"remoteJid": "5521999991234@s.whatsapp.net", "lid": LID}]),
        )
        assert LidNumber.objects.count() == 0

    def test_of_an_instance_holds_at_no_other(self) -> None:
        order = make_order(notify=True)
        sent(order)
        tell(receipt(OURS, "READ", remoteJid=LID))
        make_instance(name="other", is_default=False)
        assert post({**reply("SAIR", remoteJid=LID), "instance": "other"}, instance="other") == 200
        process()
        assert out() == []

    def test_the_latest_counts_and_one_row_is_kept(self) -> None:
        maria, joao = make_order(notify=True), make_order(notify=True, customer_phone="+5521999991234")
        sent(maria, "maria")
        sent(joao, "joao")
        for key_id in ("maria", "joao", "joao"):
            tell(receipt(key_id, "READ", remoteJid=LID))
        assert LidNumber.objects.values_list("lid", "number").get() == (LID, "+5521999991234")
        tell(reply("SAIR", remoteJid=LID))
        assert out() == [joao.customer]

    def test_costs_nothing_where_no_nameless_address_is_told(self) -> None:
        order = make_order(notify=True)
        sent(order)
        post(receipt(OURS, "READ"))
        with CaptureQueriesContext(connection) as queries:
            process()
        assert not [query for query in queries if "lidnumber" in query["sql"]]

    def test_what_was_dealt_with_is_not_obeyed_again(self) -> None:
        order = make_order(notify=True)
        sent(order)
        tell(reply("SAIR", remoteJid=LID))
        CustomerReply.objects.update(decided_at=Now())
        tell(receipt(OURS, "READ", remoteJid=LID))
        assert out() == []


class TestUnknown:
    def test_what_a_nameless_sender_writes_is_kept_for_the_staff(self) -> None:
        make_order()
        tell(reply("SAIR", "one", remoteJid=LID), reply("Cadê?", "two", remoteJid=LID))
        assert nobodys() == [(LID, "SAIR", "out"), (LID, "Cadê?", "")]
        assert {event.error for event in WebhookEvent.objects.all()} == {"unknown_sender"}

    def test_of_strangers_only_a_wish(self) -> None:
        stranger = "5521999991234@s.whatsapp.net"
        tell(reply("Vocês vendem bolo?", "one", remoteJid=stranger), reply("cancelar", "two", remoteJid=stranger))
        assert CustomerReply.objects.count() == 0
        tell(reply("não quero mais receber mensagens", "three", remoteJid=stranger))
        assert nobodys() == [("+5521999991234", "não quero mais receber mensagens", "out")]


@pytest.mark.parametrize(
    ("status", "read"),
    [
        (3, "delivery_ack"), ("3", "delivery_ack"), (3.0, "delivery_ack"), (4, "read"), (5, "read"), ("read", "read"),
        ({"low": 3, "high": 0, "unsigned": False}, "delivery_ack"), (2, "server_ack"), (1, "pending"), (0, "error"),
        ("Delivery_Ack", "delivery_ack"), (6, ""), (-1, ""), (True, ""), (2**70, ""), ("x", ""), ([3], ""),
    ],
)  # fmt: skip
def test_a_receipt_is_a_word_or_the_librarys_number_for_it(status: Any, read: str) -> None:
    row = sent(make_order(notify=True))
    tell(receipt(OURS, status))
    row.refresh_from_db()
    assert row.receipt == read
