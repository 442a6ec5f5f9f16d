"""Answers that a customer edits or deletes, in any order and number."""

from __future__ import annotations

import time
from typing import Any

import pytest

from integrations.inbound.intake import process
from integrations.models import CustomerReply, EvolutionInstance, NotificationLog, WebhookEvent
from orders.models import ConsentChange, Customer, Order
from tests.factories import make_instance, make_order
from tests.integrations.webhooks import JID, envelope, post, reply
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

SHOP = "5511999990000@s.whatsapp.net"
NOW = int(time.time())


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()


def tell(*bodies: dict[str, Any]) -> None:
    for body in bodies:
        assert post(body) == 200
    WebhookEvent.objects.filter(processed_at=None).update(due_at="2026-01-01T00:00:00Z")
    process()


def answer(text: str, key_id: str = "one", *, at: int = NOW - 60, **key: Any) -> dict[str, Any]:
    body = reply(text, key_id, **key)
    body["data"]["messageTimestamp"] = at
    return body


def edited(text: str, key_id: str = "one", *, at: Any = NOW, **values: Any) -> dict[str, Any]:
    """As the gateway tells it: with the customer's own key, in which the chat is the shop's."""
    key = {"remoteJid": SHOP, "fromMe": True, "id": key_id}
    data = {"key": key, "type": 14, "editedMessage": {"conversation": text}, "timestampMs": f"{at * 1000}"}
    return envelope("messages.edited", data | values)


def deleted(key_id: str = "one", **values: Any) -> dict[str, Any]:
    return envelope("messages.delete", {"remoteJid": JID, "id": key_id, "fromMe": False, "status": "DELETED"} | values)


def said() -> list[tuple[str, list[str], str]]:
    return list(CustomerReply.objects.order_by("pk").values_list("text", "earlier_texts", "wish"))


def is_out() -> bool:
    return Customer.objects.exclude(opted_out_at=None).exists()


def page(order: Order) -> str:
    body = client_of(make_staff()).get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    return " ".join(body.split())


class TestEdited:
    @pytest.mark.parametrize(
        "change",
        [
            {},
            {"type": "MESSAGE_EDIT", "timestampMs": NOW * 1000},
            {"timestampMs": {"low": (NOW * 1000) & 0xFFFFFFFF, "high": (NOW * 1000) >> 32, "unsigned": False}},
            {"editedMessage": {"extendedTextMessage": {"text": "Sair"}}},
            {"editedMessage": {"imageMessage": {"caption": "SAIR"}}},
            {"key": {"remoteJid": JID, "fromMe": False, "id": "one"}},
            {"key": {"id": "one"}},
        ],
        ids=range(7),
    )
    def test_to_sair_counts_as_of_the_edit(self, change: dict[str, Any]) -> None:
        make_order()
        tell(answer("Sai?"), answer("VOLTAR", "two", at=NOW - 30))
        assert not is_out()
        tell(edited("SAIR", **change))
        assert is_out()
        assert CustomerReply.objects.first().earlier_texts == ["Sai?"]  # type: ignore[union-attr]
        [change_made] = ConsentChange.objects.filter(opted_out=True)
        assert change_made.written_at
        assert change_made.written_at.timestamp() == NOW
        assert NotificationLog.objects.get(order=None).event == "opt_out"

    def test_shows_the_latest_words_and_keeps_those_before(self) -> None:
        order = make_order()
        tell(answer("Pode ser hj?"), edited("Pode ser <b>hoje</b>?", at=NOW - 20), edited("Pode ser amanhã?", at=NOW))
        assert said() == [("Pode ser amanhã?", ["Pode ser hj?", "Pode ser <b>hoje</b>?"], "")]
        body = page(order)
        assert "<p>Pode ser amanhã?</p>" in body
        assert "Antes: Pode ser &lt;b&gt;hoje&lt;/b&gt;?" in body
        assert "editada em" in body

    def test_in_any_order_and_repeatedly(self) -> None:
        make_order()
        tell(edited("três", at=NOW), edited("dois", at=NOW - 20), edited("dois", at=NOW - 20))
        assert said() == []
        tell(answer("um"), answer("um"))
        tell(edited("três", at=NOW), answer("um"))
        [(text, earlier, _wish)] = said()
        assert (text, sorted(earlier)) == ("três", ["dois", "um"])
        assert WebhookEvent.objects.filter(processed_at=None).count() == 0

    def test_a_wish_that_comes_before_what_it_edits_waits_for_its_sender(self) -> None:
        make_order()
        tell(edited("SAIR"))
        assert CustomerReply.objects.filter(customer=None).values_list("sender", "wish").get() == ("", "out")
        assert not is_out()
        tell(answer("Sai?"))
        assert is_out()
        assert said() == [("SAIR", ["Sai?"], "out")]

    def test_there_and_back_is_confirmed_each_time(self) -> None:
        make_order()
        tell(answer("SAIR", at=NOW - 60))
        for number, word in enumerate(("VOLTAR", "SAIR", "VOLTAR")):
            tell(edited(word, at=NOW - 50 + number))
        assert not is_out()
        told = NotificationLog.objects.filter(order=None).order_by("pk").values_list("event", flat=True)
        assert list(told) == ["opt_out", "opt_in", "opt_out", "opt_in"]

    def test_to_other_words_what_was_obeyed_stays_so(self) -> None:
        make_order()
        tell(answer("SAIR"), edited("Quando chega?"))
        assert is_out()
        assert said() == [("Quando chega?", ["SAIR"], "")]

    def test_of_an_answer_whose_first_words_come_late_they_are_obeyed_too(self) -> None:
        make_order()
        body = answer("", "two")
        body["data"]["message"] = {"protocolMessage": {**edited("Quando chega?")["data"], "key": {"id": "one"}}}
        tell(body)
        assert said() == [("Quando chega?", [], "")]
        tell(answer("SAIR"))
        assert is_out()
        assert said() == [("Quando chega?", ["SAIR"], "")]

    @pytest.mark.parametrize(
        "change",
        [
            {"type": 3},
            {"type": None},
            {"type": True},
            {"editedMessage": None},
            {"key": None},
            {"key": {"id": "one", "remoteJid": "120363012345678901@g.us", "participant": JID}},
        ],
    )
    def test_what_is_no_edit_of_a_customers_is_let_be(self, change: dict[str, Any]) -> None:
        make_order()
        tell(answer("Sai?"), edited("SAIR", **change))
        assert said() == [("Sai?", [], "")]
        assert not WebhookEvent.objects.exclude(error="").exists()

    def test_the_shops_own_edits_are_nobodys_answers(self) -> None:
        make_order()
        tell(edited("Seu pedido saiu", "3EB0BYHAND"))
        assert said() == []


class TestDeleted:
    @pytest.mark.parametrize(
        "body",
        [
            deleted(),
            envelope("messages.delete", {"key": {"remoteJid": JID, "id": "one", "fromMe": False}}),
            envelope("messages.edited", {"key": {"remoteJid": SHOP, "fromMe": True, "id": "one"}, "type": 0}),
            envelope(
                "messages.upsert",
                {
                    "key": {"remoteJid": JID, "id": "two", "fromMe": False},
                    "message": {"protocolMessage": {"type": "REVOKE", "key": {"id": "one", "fromMe": True}}},
                },
            ),
        ],
        ids=range(4),
    )
    def test_is_said_and_what_was_obeyed_stays_so(self, body: dict[str, Any]) -> None:
        order = make_order()
        tell(body)
        assert said() == []
        tell(answer("SAIR"), body)
        assert is_out()
        assert CustomerReply.objects.get().deleted_at
        assert "apagada pelo cliente" in page(order)

    def test_never_by_the_shop_or_in_a_group(self) -> None:
        make_order()
        tell(answer("Oi"), deleted(fromMe=True), deleted(remoteJid="120363012345678901@g.us"), deleted(id=None))
        assert CustomerReply.objects.get().deleted_at is None
