"""What Meta tells, from the signed request to the row: receipts, answers, who is believed, and what is left alone."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from integrations.gateways.sentences import not_delivered
from integrations.inbound.incoming import Deleted, Incoming, Sender
from integrations.inbound.intake import process
from integrations.meta import webhooks
from integrations.meta.window import is_open
from integrations.models import (
    CustomerReply,
    EvolutionInstance,
    LidNumber,
    MetaNumber,
    NotificationLog,
    WebhookEvent,
    WebhookTally,
)
from orders.models import Customer
from tests.factories import PHONE, make_instance, make_order
from tests.integrations.meta import NUMBER_ID, WA_ID, make_number, message, post, status, told

pytestmark = pytest.mark.django_db

Kind = CustomerReply.Kind
AT = datetime.fromtimestamp(1795453146, UTC)
NUMBERS = ("+5511987654321", "+551187654321")
USER_ID = "BR.13491208655302741918"


@pytest.fixture
def instance() -> EvolutionInstance:
    number = make_number(make_instance(name="meta"))
    return number.instance


def make_row(instance: EvolutionInstance, message_id: str = "wamid.A") -> NotificationLog:
    return NotificationLog.objects.create(
        instance=instance, event="confirm", dedupe_key=f"test:{random.random()}", recipient=PHONE, snapshot={},
        status="sent", sent_at=Now(), expires_at=Now() + timedelta(days=1), provider_message_id=message_id,
    )  # fmt: skip


def tell(*statuses: dict[str, Any], **more: Any) -> None:
    assert post(told(statuses=list(statuses), **more)) == 200
    process()


def say(*messages: dict[str, Any], contacts: list[Any] | None = None) -> None:
    contacts = [{"profile": {"name": "Maria"}, "wa_id": WA_ID}] if contacts is None else contacts
    assert post(told(messages=list(messages), contacts=contacts)) == 200
    process()


def events() -> list[tuple[str, bool, str]]:
    rows = WebhookEvent.objects.order_by("pk")
    return [(row.event, row.processed_at is not None, row.error) for row in rows]


class TestReading:
    @pytest.mark.parametrize(
        ("content", "kind", "text"),
        [
            ({"type": "text", "text": {"body": " SAIR "}}, Kind.TEXT, "SAIR"),
            ({"type": "button", "button": {"text": "Parar", "payload": "x"}}, Kind.TEXT, "Parar"),
            (
                {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": {"id": "1", "title": "Sim"}}},  # noqa: E501
                Kind.TEXT,
                "Sim",
            ),
            (
                {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": {"id": "1", "title": "Não"}}},  # noqa: E501
                Kind.TEXT,
                "Não",
            ),
            ({"type": "image", "image": {"id": "1", "caption": "o recibo"}}, Kind.IMAGE, "o recibo"),
            ({"type": "document", "document": {"id": "1", "filename": "a.pdf"}}, Kind.DOCUMENT, ""),
            ({"type": "audio", "audio": {"id": "1", "voice": True}}, Kind.AUDIO, ""),
            ({"type": "contacts", "contacts": [{"name": {}}]}, Kind.CONTACT, ""),
            ({"type": "unsupported", "errors": [{"code": 131051}]}, Kind.OTHER, ""),
        ],
    )  # fmt: skip
    def test_a_message_is_read_like_the_gateways(
        self, content: dict[str, Any], kind: CustomerReply.Kind, text: str
    ) -> None:
        data = {"from": WA_ID, "id": "wamid.IN", "timestamp": "1795453146", "context": {"id": "wamid.Q"}, **content}
        named = "a.pdf" if kind == Kind.DOCUMENT else ""
        assert webhooks.written(data) == Incoming(
            "wamid.IN", Sender(NUMBERS), "wamid.Q", AT, kind, text, edits=False, file_name=named
        )

    @pytest.mark.parametrize("kind", ["reaction", "system", "request_welcome", ""])
    def test_what_nobody_wrote_is_no_message(self, kind: str) -> None:
        assert webhooks.written({"from": WA_ID, "id": "wamid.IN", "type": kind, kind: {"emoji": "👍"}}) is None

    def test_edits_and_deletions_name_the_message_that_they_change(self) -> None:
        edit = {"original_message_id": "wamid.O", "message": {"type": "text", "text": {"body": "SAIR"}}}
        data = {"from": WA_ID, "id": "wamid.E", "timestamp": "1795453146", "type": "edit", "edit": edit}
        assert webhooks.written(data) == Incoming("wamid.O", Sender(NUMBERS), "", AT, Kind.TEXT, "SAIR", edits=True)
        gone = {"from": WA_ID, "id": "wamid.D", "type": "revoke", "revoke": {"original_message_id": "wamid.O"}}
        assert webhooks.written(gone) == Deleted("wamid.O")

    def test_who_has_a_user_name_is_known_by_their_id_for_the_shop(self) -> None:
        data = {"id": "wamid.IN", "timestamp": "1795453146", "type": "text", "text": {"body": "Oi"}}
        said = webhooks.written(data, [{"profile": {"username": "maria"}, "user_id": USER_ID}])
        assert said == Incoming("wamid.IN", Sender((), USER_ID), "", AT, Kind.TEXT, "Oi", edits=False)

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["object", "entry", "changes", "value", "messages", "statuses", "metadata", "contacts", "id", "from", "type", "text", "body", "timestamp", "status", "errors", "context"]), inner)))  # fmt: skip  # noqa: E501
    def test_no_payload_makes_it_raise(self, payload: Any) -> None:
        webhooks.split(payload)
        data = payload if isinstance(payload, dict) else {}
        webhooks.written({**data, "id": "a", "type": "text"}, payload)
        for read in (webhooks.receipt, webhooks.recipients, webhooks.why_not_delivered, webhooks.written):
            read(data)


class TestReceipts:
    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (["sent"], ("server_ack", False, False)),
            (["sent", "delivered"], ("delivery_ack", True, False)),
            (["read"], ("read", True, True)),
            (["played"], ("read", True, True)),
            (["read", "delivered", "sent", "failed"], ("read", True, True)),
            (["warning"], ("", False, False)),
        ],
    )
    def test_they_rise_whatever_their_order(self, instance: EvolutionInstance, words: list[str], expected: Any) -> None:
        row = make_row(instance)
        tell(*[status("wamid.A", word) for word in words])
        row.refresh_from_db()
        assert (row.receipt, row.delivered_at is not None, row.read_at is not None) == expected
        assert (row.status, row.error_code) == ("sent", "")
        assert [error for _event, _done, error in events()] == [""] * len(words)

    def test_a_failure_after_all_says_why_and_sends_nothing_again(self, instance: EvolutionInstance) -> None:
        row = make_row(instance)
        tell(status("wamid.A", "failed", errors=[{"code": 131047, "title": "Re-engagement message"}]))
        row.refresh_from_db()
        assert (row.status, row.receipt, row.error_code) == ("sent", "error", "meta_outside_24_hours")
        assert "24" in not_delivered(row.error_code)
        tell(status("wamid.A", "delivered"))
        row.refresh_from_db()
        assert (row.receipt, row.error_code) == ("delivery_ack", "")
        assert not EvolutionInstance.objects.exclude(held_at=None).exists()

    def test_a_failure_for_the_accounts_sake_holds_the_instance(self, instance: EvolutionInstance) -> None:
        make_row(instance)
        tell(status("wamid.A", "failed", errors=[{"code": 131042, "title": "Payment"}]))
        instance.refresh_from_db()
        assert (instance.held_code, instance.held_at is not None) == ("meta_payment", True)

    def test_one_whose_message_nobody_has_yet_waits_for_it(self, instance: EvolutionInstance) -> None:
        tell(status("wamid.LATER", "delivered"))
        assert events() == [("meta.status", False, "")]
        row = make_row(instance, "wamid.LATER")
        WebhookEvent.objects.update(due_at=Now())
        process()
        row.refresh_from_db()
        assert (row.receipt, events()) == ("delivery_ack", [("meta.status", True, "")])


class TestAnswers:
    def test_sair_opts_out_once_however_often_it_is_told(self, instance: EvolutionInstance) -> None:
        order = make_order()
        say(message("SAIR"))
        say(message("SAIR"))
        customer = Customer.objects.exclude(opted_out_at=None).get()
        reply = CustomerReply.objects.get()
        assert (reply.customer, reply.order, reply.instance, reply.wish) == (customer, order, instance, "out")
        say(message("VOLTAR", "wamid.IN2"))
        # What was obeyed long ago comes again.
        say(message("SAIR"))
        assert Customer.objects.get().opted_out_at is None
        assert CustomerReply.objects.count() == 2

    def test_several_things_in_one_request_are_all_taken_in(self, instance: EvolutionInstance) -> None:
        make_order()
        row = make_row(instance)
        body = told(messages=[message("Que horas chega?"), message("Obrigada", "wamid.IN2")], statuses=[status("wamid.A", "read")])  # fmt: skip  # noqa: E501
        body["entry"] *= 2
        assert post(body) == 200
        process()
        row.refresh_from_db()
        assert row.receipt == "read"
        assert list(CustomerReply.objects.values_list("text", flat=True)) == ["Que horas chega?", "Obrigada"]
        assert events() == [("meta.status", True, "")] + [("meta.message", True, "")] * 2 + events()[3:]
        assert len(events()) == 6

    def test_who_hides_their_number_is_known_by_a_receipt_of_ours(self, instance: EvolutionInstance) -> None:
        make_order()
        make_row(instance)
        hidden = [{"profile": {"username": "maria"}, "user_id": USER_ID}]
        nameless = message("SAIR")
        del nameless["from"]
        tell(status("wamid.A", "delivered"), contacts=[{"wa_id": WA_ID, "user_id": USER_ID}])
        assert LidNumber.objects.values_list("lid", "number").get() == (USER_ID, PHONE)
        say(nameless, contacts=hidden)
        assert Customer.objects.get().opted_out_at is not None

    def test_the_window_is_open_for_24_hours_after_an_answer(self, instance: EvolutionInstance) -> None:
        make_order()
        number = instance.meta_number
        other = make_number(make_instance(name="other", is_default=False), phone_number_id="200000000")
        assert not is_open(number, PHONE)
        say(message("Bom dia", timestamp=str(int(datetime.now(UTC).timestamp()))))
        MetaNumber.objects.update(created_at=Now() - timedelta(days=2))
        number.refresh_from_db()
        assert is_open(number, PHONE)
        # The account, however its number is written; but not at another number of the shop's.
        assert is_open(number, "+551187654321")
        assert not is_open(other, PHONE)
        assert not is_open(number, "+5511900000000")
        CustomerReply.objects.update(written_at=Now() - timedelta(hours=23, minutes=56))
        assert not is_open(number, PHONE)
        CustomerReply.objects.update(written_at=Now(), received_at=Now() - timedelta(hours=25))
        assert not is_open(number, PHONE)
        CustomerReply.objects.update(received_at=Now() - timedelta(hours=1))
        assert is_open(number, PHONE)
        # What came through the gateway, before the instance was at Meta.
        MetaNumber.objects.update(created_at=Now())
        number.refresh_from_db()
        assert not is_open(number, PHONE)


class TestTheDoor:
    def test_only_what_the_apps_secret_has_signed_is_stored(self, instance: EvolutionInstance) -> None:
        body = told(messages=[message("SAIR")])
        assert post(body, secret="another") == 401
        assert post(body, signature="") == 401
        assert post(body, signature="sha256=") == 401
        instance.meta_number.app_secret = ""
        instance.meta_number.save()
        assert post(body, secret="") == 401
        assert WebhookEvent.objects.count() == 0
        tally = WebhookTally.objects.get()
        assert (tally.source, tally.name, tally.status) == ("meta", "meta", 401)

    def test_an_instance_that_is_not_at_meta_has_no_such_address(self, instance: EvolutionInstance) -> None:
        make_instance(name="flowlog", is_default=False)
        body = told(messages=[message("SAIR")])
        assert [post(body, instance=name) for name in ("flowlog", "nobody")] == [404, 404]
        assert [post(body, instance=f"{instance.name}{end}") for end in ("", "/")] == [200, 200]
        assert set(WebhookEvent.objects.values_list("instance_name", "source")) == {("meta", "meta")}
        # Strangers add no rows of their own.
        assert "nobody" not in WebhookTally.objects.values_list("name", flat=True)

    @pytest.mark.parametrize("body", [b"", b"no JSON", b'{"a": NaN}', b"[" * 500])
    def test_signed_rubbish_is_refused(self, instance: EvolutionInstance, body: bytes) -> None:
        assert post(body) == 400

    def test_more_than_meta_ever_sends_is_not_read(self, instance: EvolutionInstance) -> None:
        assert post(b" " * (4 * 1024 * 1024 + 1)) == 413
        assert WebhookEvent.objects.count() == 0

    def test_what_else_meta_tells_is_kept_and_nothing_is_made_of_it(self, instance: EvolutionInstance) -> None:
        value = {"event": "PAUSED", "message_template_name": "aviso_de_pedido"}
        body = {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "message_template_status_update", "value": value}]}]}  # fmt: skip  # noqa: E501
        assert post(body) == 200
        assert events() == [("meta.other", True, "")]
        assert WebhookEvent.objects.get().payload == {"data": body}

    def test_a_number_of_the_same_app_is_told_of_at_any_of_its_addresses(self, instance: EvolutionInstance) -> None:
        second = make_instance(name="second", is_default=False)
        make_number(second, phone_number_id="200000000")
        stranger = make_instance(name="stranger", is_default=False)
        make_number(stranger, phone_number_id="300000000", app_secret="another")
        for number_id in (NUMBER_ID, "200000000", "300000000", "400000000"):
            assert post(told(number_id, statuses=[status("wamid.X", "sent")])) == 200
        rows = WebhookEvent.objects.order_by("pk").values_list("instance_name", "error")
        assert list(rows) == [("meta", ""), ("second", ""), ("meta", "other_instance"), ("meta", "other_instance")]

    def test_metas_question_is_answered_to_whoever_knows_the_token(self, instance: EvolutionInstance) -> None:
        asked = {"hub.mode": "subscribe", "hub.verify_token": "palavra", "hub.challenge": "1158201444"}
        for path in ("/webhooks/meta/meta", "/webhooks/meta/meta/"):
            answer = Client().get(path, asked)
            assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"1158201444", "text/plain")
        wrong = Client().get("/webhooks/meta/meta/", asked | {"hub.verify_token": "outra"})
        unknown = Client().get("/webhooks/meta/nobody/", asked)
        assert [(answer.status_code, answer.content) for answer in (wrong, unknown)] == [(403, b"")] * 2
        assert Client().put("/webhooks/meta/meta/").status_code == 405
