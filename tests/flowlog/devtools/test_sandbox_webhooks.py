"""The sandbox's webhooks, receipts, replies and connections, compared with what the real gateway was seen to send."""

from __future__ import annotations

import json
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from flowlog.devtools.sandbox.courier import WAITS
from flowlog.devtools.sandbox.ids import lid_of
from tests.integrations.receiver import Hook, Receiver, receiver
from tests.integrations.sandbox import SandboxProcess, sandbox

MOBILE = "5511987654321"
JID = f"{MOBILE}@s.whatsapp.net"
OWN_JID = "5511999990000@s.whatsapp.net"
AT_ONCE = {"server_ack_seconds": 0, "delivery_ack_seconds": 0, "read_seconds": None, "connect_seconds": 0}
SECRET = {"Authorization": "Bearer fixed"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxProcess]:
    with sandbox("outra") as process:
        yield process


@pytest.fixture(scope="module")
def listening() -> Iterator[Receiver]:
    with receiver() as taker:
        yield taker


@pytest.fixture
def taker(listening: Receiver) -> Receiver:
    listening.clear()
    return listening


class Gateway:
    """The gateway's interface for the instance `loja`, and the sandbox behind it."""

    def __init__(self, process: SandboxProcess) -> None:
        self.process = process
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["apikey"] = process.api_key

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self.session.request(method, self.process.base_url + path, json=body, timeout=10)

    def get(self, path: str) -> Any:
        return self.call("GET", path).json()

    def send(self, text: str = "Olá", number: str = MOBILE, instance: str = "loja") -> Any:
        return self.call("POST", f"/message/sendText/{instance}", {"number": number, "text": text}).json()

    def set_webhook(self, **webhook: Any) -> requests.Response:
        return self.call("POST", "/webhook/set/loja", {"webhook": webhook})


@pytest.fixture
def gateway(running: SandboxProcess, taker: Receiver) -> Iterator[Gateway]:
    """The gateway with a new instance `loja`, connected; its webhook is the receiver, everything comes at once."""
    before = running.options(**AT_ONCE)
    before.pop("instances")
    gateway = Gateway(running)
    body = {"instanceName": "loja", "integration": "WHATSAPP-BAILEYS", "token": "TOKEN-LOJA"}
    assert gateway.call("POST", "/instance/create", body).status_code == 201
    running.options(disconnected={"loja": False})
    running.set_webhook("loja", taker.url, SECRET)
    yield gateway
    running.options(**{**before, "forgetful": {}, "webhook_retry_scale": 0})
    gateway.call("DELETE", "/instance/delete/loja")
    running.webhooks()
    running.options(webhook_retry_scale=1)
    running.clear()
    gateway.session.close()


def instance_id(gateway: Gateway) -> str:
    (found,) = gateway.get("/instance/fetchInstances?instanceName=loja")
    return str(found["id"])


def data(hooks: list[Hook]) -> list[Any]:
    return [hook.body["data"] for hook in hooks]


def statuses(hooks: list[Hook]) -> Counter[str]:
    return Counter(each["status"] for each in data(hooks))


# -- Setting a webhook ---------------------------------------------------------------------------


def test_setting_and_finding_a_webhook(gateway: Gateway) -> None:
    answer = gateway.set_webhook(
        enabled=True, url="http://127.0.0.1:9/hook", byEvents=True, headers={"a": "b"}, events=["SEND_MESSAGE"]
    )
    assert answer.status_code == 201
    found = gateway.get("/webhook/find/loja")
    assert found == answer.json()
    assert re.fullmatch("cm[0-9a-f]{22}x", found.pop("id"))
    assert TIME.fullmatch(found.pop("createdAt"))
    assert TIME.fullmatch(found.pop("updatedAt"))
    assert found == {
        "url": "http://127.0.0.1:9/hook",
        "headers": {"a": "b"},
        "enabled": True,
        "events": ["SEND_MESSAGE"],
        "webhookByEvents": True,
        "webhookBase64": False,
        "instanceId": instance_id(gateway),
    }
    # Headers that are omitted stay.
    changed = gateway.set_webhook(enabled=True, url="ftp://not-checked", events=[]).json()
    assert (changed["headers"], changed["url"], len(changed["events"])) == ({"a": "b"}, "ftp://not-checked", 31)
    disabled = gateway.set_webhook(enabled=False, url="", events=[]).json()
    assert (disabled["enabled"], disabled["url"], disabled["events"]) == (False, "", [])


def test_an_instance_without_a_webhook_has_none(gateway: Gateway) -> None:
    answer = gateway.call("GET", "/webhook/find/outra")
    assert (answer.status_code, answer.text) == (200, "null")


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"enabled": True, "url": "http://a"}, 400, [['instance requires property "webhook"']]),
        ({"webhook": {"url": "", "events": []}}, 400, [['webhook requires property "enabled"']]),
        ({"webhook": {"enabled": True, "events": []}}, 400, [['webhook requires property "url"']]),
        ({"webhook": {"enabled": 1, "url": "", "events": []}}, 400, [["webhook.enabled is not of a type(s) boolean"]]),
        ({"webhook": {"enabled": True, "url": ""}}, 500, "Cannot read properties of undefined (reading 'length')"),
    ],
)
def test_a_webhook_that_is_refused(gateway: Gateway, body: dict[str, Any], status: int, message: object) -> None:
    before = gateway.get("/webhook/find/loja")
    answer = gateway.call("POST", "/webhook/set/loja", body)
    assert (answer.status_code, answer.json()["response"]["message"]) == (status, message)
    assert gateway.get("/webhook/find/loja") == before


def test_an_unknown_event_is_refused_with_the_known_ones(gateway: Gateway) -> None:
    answer = gateway.set_webhook(enabled=True, url="", events=["SEND_MESSAGE", "send.message"])
    ((message,),) = answer.json()["response"]["message"]
    assert answer.status_code == 400
    assert message.startswith("webhook.events[1] is not one of enum values: APPLICATION_STARTUP,QRCODE_UPDATED,")


def test_an_instance_may_have_its_webhook_from_the_start(gateway: Gateway, taker: Receiver) -> None:
    webhook = {"url": taker.url, "byEvents": False, "base64": False, "headers": SECRET, "events": ["INSTANCE_CREATE"]}
    body = {"instanceName": "nova", "integration": "WHATSAPP-BAILEYS", "webhook": webhook}
    created = gateway.call("POST", "/instance/create", body).json()
    assert created["webhook"] == {
        "webhookUrl": taker.url,
        "webhookHeaders": SECRET,
        "webhookByEvents": False,
        "webhookBase64": False,
    }
    (hook,) = taker.wait()
    assert hook.body["data"] == {"instanceName": "nova", "instanceId": created["instance"]["instanceId"]}
    # It has no address of its own before it is paired.
    assert "sender" not in hook.body
    assert gateway.call("DELETE", "/instance/delete/nova").status_code == 200


# -- Events --------------------------------------------------------------------------------------


def test_a_send_is_announced_by_the_body_of_its_answer(gateway: Gateway, taker: Receiver) -> None:
    sent = gateway.send("Seu pedido #123 foi confirmado")
    (hook,) = taker.wait(event="send.message")
    assert hook.path == "/hook"
    assert hook.headers["User-Agent"] == "axios/1.12.2"
    assert hook.headers["Content-Type"] == "application/json"
    assert hook.headers["Authorization"] == "Bearer fixed"
    assert TIME.fullmatch(hook.body.pop("date_time"))
    assert list(hook.body) == ["event", "instance", "data", "destination", "sender", "server_url", "apikey"]
    assert hook.body == {
        "event": "send.message",
        "instance": "loja",
        "data": sent,
        "destination": taker.url,
        "sender": OWN_JID,
        "server_url": gateway.process.base_url,
        "apikey": "TOKEN-LOJA",
    }


def test_receipts_come_one_by_one(gateway: Gateway, taker: Receiver) -> None:
    key_id = gateway.send()["key"]["id"]
    assert statuses(taker.wait(2, "messages.update")) == {"SERVER_ACK": 1, "DELIVERY_ACK": 1}
    gateway.process.read(f"+{MOBILE}")
    hooks = taker.wait(3, "messages.update")
    assert statuses(hooks) == {"SERVER_ACK": 1, "DELIVERY_ACK": 1, "READ": 1}
    found = gateway.call("POST", "/chat/findMessages/loja", {"where": {"key": {"id": key_id}}}).json()
    (record,) = found["messages"]["records"]
    assert [update["status"] for update in record["MessageUpdate"]] == ["SERVER_ACK", "DELIVERY_ACK", "READ"]
    (last,) = (each for each in data(hooks) if each["status"] == "READ")
    assert last == {
        "keyId": key_id,
        "remoteJid": JID,
        "fromMe": True,
        "status": "READ",
        "instanceId": instance_id(gateway),
        "messageId": record["id"],
    }


def test_finding_the_receipts_of_a_message(gateway: Gateway) -> None:
    key_id = gateway.send()["key"]["id"]
    gateway.send("outra")
    gateway.process.webhooks()
    answer = gateway.call("POST", "/chat/findStatusMessage/loja", {"where": {"id": key_id}})
    assert answer.status_code == 200
    first, second = answer.json()
    assert (first.pop("status"), second.pop("status")) == ("SERVER_ACK", "DELIVERY_ACK")
    assert first.pop("id") != second.pop("id")
    assert first.pop("messageId") == second.pop("messageId")
    assert first == second
    assert first == {
        "keyId": key_id,
        "remoteJid": JID,
        "fromMe": True,
        "participant": None,
        "pollUpdates": None,
        "instanceId": instance_id(gateway),
    }
    unknown = gateway.call("POST", "/chat/findStatusMessage/loja", {"where": {"id": "3EB0"}})
    assert unknown.json() == []


def test_what_whatsapp_says_again_is_told_again(gateway: Gateway, taker: Receiver) -> None:
    key_id = gateway.send()["key"]["id"]
    gateway.process.webhooks()
    for _ in range(2):
        gateway.process.read(MOBILE)
        gateway.process.receipt(key_id, "ERROR")
    gateway.process.webhooks()
    expected = {"SERVER_ACK": 1, "DELIVERY_ACK": 1, "READ": 1, "ERROR": 2}
    assert statuses(taker.hooks("messages.update")) == expected
    gateway.process.clear()
    taker.clear()
    assert gateway.call("POST", "/sandbox/receipt", {"key_id": key_id, "status": "READ"}).status_code == 400
    gateway.process.webhooks()
    assert taker.hooks() == []


def test_customers_read_by_themselves_after_a_moment(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.options(read_seconds=0)
    gateway.send()
    assert statuses(taker.wait(3, "messages.update"))["READ"] == 1


def test_receipts_may_name_a_hidden_address(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.options(lid_receipts=True)
    sent = gateway.send()
    updates = data(taker.wait(2, "messages.update"))
    assert re.fullmatch(r"\d{15}@lid", lid_of(JID))
    assert {update["remoteJid"] for update in updates} == {lid_of(JID)}
    assert {update["keyId"] for update in updates} == {sent["key"]["id"]}


@pytest.mark.parametrize(
    ("number", "announced", "expected"),
    [
        ("5511912349023", 1, {"ERROR": 1}),
        ("5511912349024", 1, {}),
        ("5511912349022", 0, {"SERVER_ACK": 1, "DELIVERY_ACK": 1}),
        ("5511912349011", 0, {}),
        ("5511912349008", 1, {"SERVER_ACK": 1, "DELIVERY_ACK": 1}),
        ("5511912349010", 0, {}),
    ],
)
def test_what_follows_a_fault(
    gateway: Gateway, taker: Receiver, number: str, announced: int, expected: dict[str, int]
) -> None:
    try:
        gateway.send(number=number)
    except requests.ConnectionError:
        assert number.endswith("9008")
    gateway.process.webhooks()
    assert len(taker.hooks("send.message")) == announced
    assert statuses(taker.hooks("messages.update")) == expected


def test_without_receipts_only_the_send_is_told(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.options(receipts=False)
    gateway.send()
    gateway.process.read(MOBILE)
    gateway.process.webhooks()
    assert [hook.body["event"] for hook in taker.hooks()] == ["send.message"]


@pytest.mark.parametrize("how", [{"keep_messages": False}, {"forgetful": {"loja": True}}])
def test_what_the_gateway_forgets_has_no_receipts(gateway: Gateway, taker: Receiver, how: dict[str, Any]) -> None:
    gateway.process.options(**how)
    gateway.send()
    gateway.process.webhooks()
    assert [hook.body["event"] for hook in taker.hooks()] == ["send.message"]


def test_the_first_receipt_may_come_before_the_announcement(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.options(send_message_seconds=1)
    gateway.send()
    assert Counter(hook.body["event"] for hook in taker.wait(3)[:2]) == {"messages.update": 2}
    assert taker.hooks()[2].body["event"] == "send.message"


def test_the_official_api_has_statuses_of_its_own(gateway: Gateway, taker: Receiver) -> None:
    webhook = {"url": taker.url, "headers": {}, "events": []}
    body = {"instanceName": "oficial", "integration": "WHATSAPP-BUSINESS", "number": "123", "webhook": webhook}
    gateway.call("POST", "/instance/create", body)
    gateway.send(instance="oficial")
    hooks = taker.wait(2, "messages.update")
    assert statuses(hooks) == {"SENT": 1, "DELIVERED": 1}
    assert [each["fromMe"] for each in data(hooks)] == [False, False]
    gateway.call("DELETE", "/instance/delete/oficial")


# -- Replies -------------------------------------------------------------------------------------


def test_a_reply(gateway: Gateway, taker: Receiver) -> None:
    before = int(time.time())
    gateway.send()
    key_id = gateway.process.reply(MOBILE, "SAIR")
    (hook,) = taker.wait(event="messages.upsert")
    reply = hook.body["data"]
    assert before <= reply.pop("messageTimestamp") <= time.time()
    assert reply == {
        "key": {"remoteJid": JID, "id": key_id, "fromMe": False, "participant": "", "addressingMode": "pn"},
        "pushName": "Cliente",
        "status": "DELIVERY_ACK",
        "message": {"conversation": "SAIR", "messageContextInfo": {"deviceListMetadataVersion": 2}},
        "messageType": "conversation",
        "instanceId": instance_id(gateway),
        "source": "android",
    }
    # It is no message that reached a phone, and not one of the shop's.
    assert gateway.process.texts(MOBILE) == ["Olá"]
    where = {"where": {"key": {"remoteJid": JID, "fromMe": True}}}
    assert gateway.call("POST", "/chat/findMessages/loja", where).json()["messages"]["total"] == 1


def test_replies_that_hide_the_number(gateway: Gateway, taker: Receiver) -> None:
    gateway.send("primeira")
    sent = gateway.send("segunda")["key"]["id"]
    gateway.process.reply(MOBILE, "SAIR", form="lid_first")
    with_number, key = data(taker.wait(event="messages.upsert"))[0], {"fromMe": False, "participant": ""}
    key_id = with_number["key"].pop("id")
    hidden = {**key, "remoteJid": lid_of(JID), "addressingMode": "lid"}
    assert with_number["key"] == {**hidden, "remoteJidAlt": JID}
    assert "contextInfo" not in with_number
    gateway.process.options(reply_form="anonymous")
    gateway.process.reply(MOBILE, "SAIR")
    without = data(taker.wait(2, "messages.upsert"))[1]
    assert without["key"].pop("id") != key_id
    assert without["key"] == hidden
    assert MOBILE not in json.dumps(without)
    assert without["contextInfo"] == {
        "stanzaId": sent,
        "participant": OWN_JID,
        "quotedMessage": {"conversation": "segunda"},
    }


LID = lid_of(JID)
# release, form: what the key says of its sender
FORMS = {
    ("2.3.7", "number"): {"remoteJid": JID, "addressingMode": "pn"},
    ("2.3.7", "lid"): {"remoteJid": JID, "remoteJidAlt": JID, "addressingMode": "lid"},
    ("2.4.0-rc2", "lid"): {"remoteJid": JID, "remoteJidAlt": LID, "addressingMode": "lid"},
    ("2.3.7", "lid_first"): {"remoteJid": LID, "remoteJidAlt": JID, "addressingMode": "lid"},
    ("2.3.7", "sender_pn"): {"remoteJid": LID, "senderPn": JID, "addressingMode": "lid"},
    ("2.3.7", "nameless"): {"remoteJid": LID, "addressingMode": "lid"},
}


@pytest.mark.parametrize(("how", "expected"), FORMS.items(), ids=map("-".join, FORMS))
def test_what_a_reply_tells_of_its_sender(
    gateway: Gateway, taker: Receiver, how: tuple[str, str], expected: dict[str, str]
) -> None:
    version, form = how
    gateway.process.options(version=version)
    gateway.send()
    key_id = gateway.process.reply(MOBILE, "SAIR", form=form)
    (reply,) = data(taker.wait(event="messages.upsert"))
    assert reply["key"] == {"id": key_id, "fromMe": False, "participant": "", **expected}
    assert "contextInfo" not in reply
    # The gateway's row keeps the hidden address wherever it has heard one.
    found = gateway.call("POST", "/chat/findMessages/loja", {"where": {"key": {"id": key_id}}}).json()["messages"]
    kept_as = JID if form == "number" else LID
    assert [each["key"]["remoteJid"] for each in found["records"]] == [kept_as]
    for jid, number in ((kept_as, 1), ({JID, LID} - {kept_as}, 0)):
        where = {"key": {"remoteJid": jid if isinstance(jid, str) else jid.pop(), "id": key_id}}
        total = gateway.call("POST", "/chat/findMessages/loja", {"where": where}).json()["messages"]["total"]
        assert total == number


@pytest.mark.parametrize("form", ["number", "nameless"])
def test_an_edited_reply_is_no_reply(gateway: Gateway, taker: Receiver, form: str) -> None:
    gateway.send()
    key_id = gateway.process.reply(MOBILE, "Bom dia", form=form)
    taker.wait(event="messages.upsert")
    gateway.process.edit(key_id, "SAIR")
    (edited,) = data(taker.wait(event="messages.edited"))
    assert abs(int(edited.pop("timestampMs")) / 1000 - time.time()) < 20
    address = {"remoteJid": JID, "addressingMode": "pn"} if form == "number" else FORMS["2.3.7", form]
    assert edited == {
        "key": {"id": key_id, "fromMe": False, "participant": "", **address},
        "type": 14,
        "editedMessage": {"conversation": "SAIR"},
    }
    gateway.process.webhooks()
    assert len(taker.hooks("messages.upsert")) == 1
    page = gateway.call("GET", f"/phone/{MOBILE}").text
    assert "<p>SAIR</p>" in page
    assert "Bom dia" not in page


def test_a_reply_that_is_taken_back_is_told_once(gateway: Gateway, taker: Receiver) -> None:
    gateway.send()
    key_id = gateway.process.reply(MOBILE, "Quero devolver")
    taker.wait(event="messages.upsert")
    gateway.process.delete(key_id)
    gone = {"remoteJid": JID, "id": key_id, "fromMe": False, "status": "DELETED"}
    assert data(taker.wait(event="messages.delete")) == [gone]
    for action in ("delete", "edit"):
        again = gateway.call("POST", f"/sandbox/{action}", {"key_id": key_id, "text": "a"})
        assert again.status_code == 400
    gateway.process.webhooks()
    assert len(taker.hooks("messages.delete")) == 1
    page = gateway.call("GET", f"/phone/{MOBILE}").text
    assert "Mensagem apagada" in page
    assert "Quero devolver" not in page


def test_what_is_changed_meanwhile_waits_for_the_connection(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.disconnect("loja")
    key_id = gateway.process.reply(MOBILE, "Bom dia", instance="loja")
    gateway.process.edit(key_id, "SAIR")
    gateway.process.delete(key_id)
    gateway.process.webhooks()
    assert [hook for hook in taker.hooks() if hook.body["event"].startswith("messages")] == []
    gateway.process.disconnect("loja", disconnected=False)
    gateway.process.webhooks()
    events = Counter(hook.body["event"] for hook in taker.hooks())
    assert (events["messages.upsert"], events["messages.edited"], events["messages.delete"]) == (1, 1, 1)


def test_a_channel_of_bare_numbers(gateway: Gateway, taker: Receiver) -> None:
    webhook = {"url": taker.url, "headers": {}, "events": []}
    gateway.call("POST", "/instance/create", {"instanceName": "direta", "integration": "EVOLUTION", "webhook": webhook})
    gateway.process.options(disconnected={"direta": False})
    sent = gateway.send(instance="direta")
    assert (sent["key"]["remoteJid"], "status" in sent) == (MOBILE, False)
    for jid, found in ((MOBILE, 1), (JID, 0)):
        where = {"key": {"remoteJid": jid, "fromMe": True}}
        messages = gateway.call("POST", "/chat/findMessages/direta", {"where": where}).json()["messages"]
        assert [each["key"]["remoteJid"] for each in messages["records"]] == [MOBILE] * found
    key_id = gateway.process.reply(MOBILE, "Oi", instance="direta")
    (reply,) = data(taker.wait(event="messages.upsert"))
    assert reply["key"] == {"id": key_id, "fromMe": False, "participant": "", "remoteJid": MOBILE}
    gateway.process.webhooks()
    assert taker.hooks("messages.update") == []
    gateway.call("DELETE", "/instance/delete/direta")


def test_a_reply_may_quote_an_earlier_message(gateway: Gateway, taker: Receiver) -> None:
    first = gateway.send("primeira")["key"]["id"]
    gateway.send("segunda")
    gateway.process.reply(MOBILE, "Sobre esta", quoted=first)
    (reply,) = data(taker.wait(event="messages.upsert"))
    assert reply["contextInfo"]["stanzaId"] == first
    assert reply["contextInfo"]["quotedMessage"] == {"conversation": "primeira"}


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("reply", {"number": MOBILE, "text": " "}),
        ("reply", {"number": MOBILE, "text": "a" * 4097}),
        ("reply", {"number": "abc", "text": "a"}),
        ("reply", {"text": "a"}),
        ("reply", {"number": MOBILE, "text": "a", "form": "email"}),
        ("reply", {"number": MOBILE, "text": "a", "quoted": "3EB0"}),
        ("reply", {"number": MOBILE, "text": "a", "instance": "nao-existe"}),
        ("edit", {"key_id": "3EB0", "text": "a"}),
        ("delete", {"key_id": "3EB0"}),
        ("read", {}),
        ("receipt", {"key_id": "3EB0", "status": "READ"}),
        ("pair", {"instance": "loja"}),
        ("storm", {"instance": "loja", "count": 0}),
        ("storm", {"instance": "nao-existe", "count": 1}),
    ],
)
def test_an_action_that_makes_no_sense_does_nothing(
    gateway: Gateway, taker: Receiver, action: str, body: dict[str, Any]
) -> None:
    gateway.process.webhooks()
    taker.clear()
    assert gateway.call("POST", f"/sandbox/{action}", body).status_code == 400
    gateway.process.webhooks()
    assert taker.hooks() == []


# -- Delivery ------------------------------------------------------------------------------------


def test_only_subscribed_events_are_sent(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.set_webhook("loja", taker.url, events=["MESSAGES_UPDATE"])
    gateway.send()
    gateway.process.reply(MOBILE, "Oi")
    gateway.process.webhooks()
    assert {hook.body["event"] for hook in taker.hooks()} == {"messages.update"}
    gateway.process.set_webhook("loja", "")
    taker.clear()
    gateway.send()
    gateway.process.webhooks()
    assert taker.hooks() == []


def test_each_event_may_have_an_address_of_its_own(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.set_webhook("loja", taker.url, by_events=True)
    gateway.send()
    gateway.process.reply(MOBILE, "Oi")
    paths = {"/hook/send-message", "/hook/messages-update", "/hook/messages-upsert"}
    assert {hook.path for hook in taker.wait(4)} == paths
    assert {hook.body["destination"] for hook in taker.hooks()} == {taker.url}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_an_answer_that_is_final_drops_the_event(gateway: Gateway, taker: Receiver, status: int) -> None:
    gateway.process.options(receipts=False)
    before = gateway.process.webhooks()
    taker.statuses = [status]
    gateway.send()
    after = gateway.process.webhooks()
    assert len(taker.hooks()) == 1
    assert after == {**before, "dropped": before["dropped"] + 1}


@pytest.mark.parametrize("status", [500, 503, 302, 429, 410])
def test_any_other_answer_is_tried_again(gateway: Gateway, taker: Receiver, status: int) -> None:
    gateway.process.options(receipts=False, webhook_retry_scale=0)
    before = gateway.process.webhooks()
    taker.statuses = [status, status]
    gateway.send()
    after = gateway.process.webhooks()
    first, *again = taker.hooks()
    assert again == [first, first]
    assert after == {**before, "delivered": before["delivered"] + 1}


def test_after_ten_attempts_an_event_is_given_up(gateway: Gateway, taker: Receiver) -> None:
    assert WAITS == (5, 10, 20, 40, 80, 160, 300, 300, 300)
    gateway.process.options(receipts=False, webhook_retry_scale=0)
    before = gateway.process.webhooks()
    taker.statuses = [500] * 20
    gateway.send()
    after = gateway.process.webhooks()
    assert len(taker.hooks()) == 10
    assert after == {**before, "given_up": before["given_up"] + 1}


def test_a_receiver_that_is_down_is_tried_again(gateway: Gateway, taker: Receiver) -> None:
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        gateway.process.set_webhook("loja", f"http://127.0.0.1:{nobody.getsockname()[1]}/", events=["SEND_MESSAGE"])
        gateway.process.options(webhook_retry_scale=0)
        before = gateway.process.webhooks()
        gateway.send()
        assert gateway.process.webhooks() == {**before, "given_up": before["given_up"] + 1}


def test_the_waits_between_attempts_grow(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.options(receipts=False, webhook_retry_scale=0.01)
    taker.statuses = [500, 500]
    started = time.monotonic()
    gateway.send()
    taker.wait(3)
    # 5 and 10 seconds, each at least four fifths of that.
    assert time.monotonic() - started >= 0.8 * 0.15


def test_webhooks_may_come_more_than_once_and_in_any_order(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.options(receipts=False, webhook_copies=2, webhook_jitter_seconds=0.3)
    sent = [gateway.send(str(number))["key"]["id"] for number in range(12)]
    came = [each["key"]["id"] for each in data(taker.wait(24))]
    assert Counter(came) == dict.fromkeys(sent, 2)
    assert came != [key_id for key_id in sent for _ in range(2)]


def test_a_storm(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.storm("loja", 75)
    hooks = taker.wait(75)
    gateway.process.webhooks()
    assert data(hooks) == [{"instance": "loja", "state": "connecting", "statusReason": 200}] * 75
    assert len(taker.hooks()) == 75


# -- Connections ---------------------------------------------------------------------------------


def state(gateway: Gateway) -> str:
    return str(gateway.get("/instance/connectionState/loja")["instance"]["state"])


def test_pairing(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.disconnect("loja", 401)
    gateway.process.webhooks()
    taker.clear()
    shown = gateway.get("/instance/connect/loja")
    assert (set(shown), shown["count"], shown["pairingCode"]) == ({"pairingCode", "code", "base64", "count"}, 1, None)
    assert shown["code"].startswith("2@")
    assert shown["base64"].startswith("data:image/png;base64,iVBORw0KGgo")
    assert state(gateway) == "connecting"
    # The same until it is scanned.
    assert gateway.get("/instance/connect/loja") == shown
    assert gateway.call("POST", "/instance/restart/loja").json() == shown
    (code,) = taker.wait(event="qrcode.updated")
    own = {name: value for name, value in shown.items() if name != "count"}
    assert code.body["data"] == {"qrcode": {"instance": "loja", **own}}
    gateway.process.pair("loja")
    assert state(gateway) == "open"
    assert gateway.get("/instance/connect/loja") == {"instance": {"instanceName": "loja", "state": "open"}}
    connecting, opened = sorted(data(taker.wait(2, "connection.update")), key=lambda each: str(each["state"]))
    assert connecting == {"instance": "loja", "state": "connecting", "statusReason": 200}
    assert opened == {
        "instance": "loja",
        "wuid": OWN_JID,
        "profileName": "loja",
        "state": "open",
        "statusReason": 200,
    }


def test_pairing_with_a_number_and_without_a_click(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.disconnect("loja", 401)
    gateway.process.options(pair_seconds=0, connect_seconds=0)
    shown = gateway.get(f"/instance/connect/loja?number={MOBILE}")
    # Scanned at once, or just not yet.
    assert shown == {"count": 0} or re.fullmatch("[A-Z0-9]{8}", shown["pairingCode"])
    gateway.process.webhooks()
    (code,) = data(taker.hooks("qrcode.updated"))
    assert re.fullmatch("[A-Z0-9]{8}", code["qrcode"]["pairingCode"])
    assert state(gateway) == "open"


def test_an_instance_may_be_made_with_its_code(gateway: Gateway) -> None:
    body = {"instanceName": "nova", "integration": "WHATSAPP-BAILEYS", "qrcode": True}
    created = gateway.call("POST", "/instance/create", body).json()
    assert set(created["qrcode"]) == {"pairingCode", "code", "base64", "count"}
    assert gateway.get("/instance/connectionState/nova")["instance"]["state"] == "connecting"
    gateway.call("DELETE", "/instance/delete/nova")


@pytest.mark.parametrize("reason", [401, 402, 403, 406])
def test_a_final_disconnection_is_told(gateway: Gateway, taker: Receiver, reason: int) -> None:
    gateway.process.webhooks()
    taker.clear()
    gateway.process.disconnect("loja", reason)
    hooks = {hook.body["event"]: hook.body["data"] for hook in taker.wait(3)}
    status = hooks.pop("status.instance")
    assert hooks == {
        "connection.update": {"instance": "loja", "state": "close", "statusReason": reason},
        "logout.instance": None,
    }
    assert TIME.fullmatch(status.pop("disconnectionAt"))
    error = json.loads(status.pop("disconnectionObject"))["error"]
    assert error["output"]["statusCode"] == reason
    assert status == {"instance": "loja", "status": "closed", "disconnectionReasonCode": reason}
    (found,) = gateway.get("/instance/fetchInstances?instanceName=loja")
    assert (found["connectionStatus"], found["disconnectionReasonCode"]) == ("close", reason)
    gateway.process.webhooks()
    assert len(taker.hooks()) == 3


@pytest.mark.parametrize("reason", [True, 408, 428, 440, 500, 503, 515])
def test_of_a_passing_disconnection_only_the_attempts_are_told(gateway: Gateway, taker: Receiver, reason: int) -> None:
    gateway.process.webhooks()
    taker.clear()
    gateway.process.disconnect("loja", reason)
    assert state(gateway) == "close"
    (hook,) = taker.wait()
    assert hook.body["data"] == {"instance": "loja", "state": "connecting", "statusReason": 200}
    # It needs no new code, and nobody to ask for one.
    assert gateway.get("/instance/connect/loja") == {"count": 0}
    gateway.process.disconnect("loja", disconnected=False)
    taker.wait(3)
    assert Counter(each["state"] for each in data(taker.hooks())) == {"connecting": 2, "open": 1}


def test_what_happens_meanwhile_waits_for_the_connection(gateway: Gateway, taker: Receiver) -> None:
    key_id = gateway.send()["key"]["id"]
    gateway.process.webhooks()
    gateway.process.disconnect("loja")
    gateway.process.webhooks()
    taker.clear()
    gateway.process.reply(MOBILE, "SAIR")
    gateway.process.read(MOBILE)
    gateway.process.webhooks()
    assert taker.hooks() == []
    gateway.process.disconnect("loja", disconnected=False)
    gateway.process.webhooks()
    (reply,) = data(taker.hooks("messages.upsert"))
    assert reply["message"]["conversation"] == "SAIR"
    (update,) = data(taker.hooks("messages.update"))
    assert (update["keyId"], update["status"]) == (key_id, "READ")


def test_logging_out(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.webhooks()
    taker.clear()
    done = {"status": "SUCCESS", "error": False, "response": {"message": "Instance logged out"}}
    answer = gateway.call("DELETE", "/instance/logout/loja")
    assert (answer.status_code, answer.json()) == (200, done)
    taker.wait(3)
    gateway.process.webhooks()
    names = Counter(hook.body["event"] for hook in taker.hooks())
    assert names == {"status.instance": 1, "connection.update": 1, "logout.instance": 1}
    again = gateway.call("DELETE", "/instance/logout/loja")
    assert again.status_code == 400
    assert again.json()["response"]["message"] == ['The "loja" instance is not connected']
    restarted = gateway.call("POST", "/instance/restart/loja")
    assert (restarted.status_code, restarted.json()) == (200, {"error": True, "message": "[object Object]"})


def test_the_candidate_logs_out_without_a_word_and_twice(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.options(version="2.4.0-rc2")
    gateway.process.webhooks()
    taker.clear()
    for message in ("Instance logged out", "Instance was already disconnected"):
        answer = gateway.call("DELETE", "/instance/logout/loja")
        assert (answer.status_code, answer.json()["response"]) == (200, {"message": message})
    assert state(gateway) == "close"
    gateway.process.webhooks()
    assert taker.hooks() == []


def test_for_the_candidate_a_lost_connection_ends_the_session(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.options(version="2.4.0-rc2")
    gateway.process.disconnect("loja", 408)
    assert data(taker.wait(event="connection.update"))[-1]["state"] == "close"
    # A code to read again, where the release would connect by itself.
    assert gateway.get("/instance/connect/loja")["code"].startswith("2@")


def test_after_a_log_out_replies_are_heard_again(gateway: Gateway, taker: Receiver) -> None:
    for how, heard in (("phone", 1), ("api", 2)):
        if how == "api":
            gateway.call("DELETE", "/instance/logout/loja")
        else:
            gateway.process.disconnect("loja", 401)
        gateway.get("/instance/connect/loja")
        gateway.process.pair("loja")
        gateway.process.reply(MOBILE, "SAIR", instance="loja")
        gateway.process.webhooks()
        assert len(taker.hooks("messages.upsert")) == heard
    assert "key" in gateway.send()


def test_restarting(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.webhooks()
    taker.clear()
    answer = gateway.call("POST", "/instance/restart/loja")
    assert (answer.status_code, answer.json()) == (200, {"instance": {"instanceName": "loja", "state": "open"}})
    assert Counter(each["state"] for each in data(taker.wait(2, "connection.update"))) == {"connecting": 1, "open": 1}
    assert state(gateway) == "open"


def test_deleting(gateway: Gateway, taker: Receiver) -> None:
    gateway.process.webhooks()
    taker.clear()
    own_id = instance_id(gateway)
    answer = gateway.call("DELETE", "/instance/delete/loja")
    done = {"status": "SUCCESS", "error": False, "response": {"message": "Instance deleted"}}
    assert (answer.status_code, answer.json()) == (200, done)
    gateway.process.webhooks()
    (deleted,) = data(taker.hooks("instance.delete"))
    assert deleted == {"instanceName": "loja", "instanceId": own_id}
    assert data(taker.hooks("remove.instance")) == [None]
    for method, path in (("GET", "/webhook/find/loja"), ("GET", "/instance/connect/loja")):
        assert gateway.call(method, path).status_code == 404


def test_a_deleted_instance_has_a_state_for_another_moment(gateway: Gateway) -> None:
    gateway.process.options(ghost_seconds=30)
    gateway.call("DELETE", "/instance/delete/loja")
    assert state(gateway) == "close"
    wrong = requests.get(f"{gateway.process.base_url}/instance/connectionState/loja", timeout=10)
    assert wrong.status_code == 401
    assert [each["name"] for each in gateway.get("/instance/fetchInstances")] == ["outra"]
    gateway.process.options(ghost_seconds=0)
    body = {"instanceName": "loja", "integration": "WHATSAPP-BAILEYS"}
    assert gateway.call("POST", "/instance/create", body).status_code == 201
    gateway.call("DELETE", "/instance/delete/loja")
    assert gateway.call("GET", "/instance/connectionState/loja").status_code == 404


def test_receipts_and_replies_survive_a_crash_in_their_file(tmp_path: Path) -> None:
    with sandbox("loja", data=tmp_path / "messages.jsonl") as process:
        process.options(**AT_ONCE)
        gateway = Gateway(process)
        gateway.send()
        process.webhooks()
        process.reply(MOBILE, "Obrigada!")
        process.edit(process.reply(MOBILE, "Bom"), "Bom dia!")
        process.delete(process.reply(MOBILE, "Esqueça"))
        process.stop()
        process.start()
        page = gateway.call("GET", f"/phone/{MOBILE}").text
        assert ("<p>Bom dia!</p>" in page, "Mensagem apagada" in page, "Esqueça" in page) == (True, True, False)
        assert [message["updates"] for message in process.messages()] == [["SERVER_ACK", "DELIVERY_ACK"]]
        assert "Obrigada!" in gateway.call("GET", f"/phone/{MOBILE}").text
        gateway.session.close()
