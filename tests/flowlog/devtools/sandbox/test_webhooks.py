"""The sandbox's webhooks, set and delivered, compared with what the real gateway was seen to do."""

from __future__ import annotations

import re
import socket
import time
from collections import Counter
from contextlib import closing
from typing import Any

import pytest

from flowlog.devtools.sandbox.courier import WAITS
from tests.flowlog.devtools.sandbox.api import (
    MOBILE,
    SECRET,
    TIME,
    Gateway,
    data,
    instance_id,
)
from tests.integrations.receiver import Receiver

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
