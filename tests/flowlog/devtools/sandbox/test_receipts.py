"""What the sandbox tells of its messages, compared with what the real gateway was seen to tell."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests

from flowlog.devtools.sandbox.ids import lid_of
from tests.flowlog.devtools.sandbox.api import (
    AT_ONCE,
    JID,
    MOBILE,
    OWN_JID,
    TIME,
    Gateway,
    data,
    instance_id,
    statuses,
)
from tests.integrations.receiver import Receiver
from tests.integrations.sandbox import sandbox

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
