"""Pairing, losing and ending a connection of the sandbox, compared with what the real gateway was seen to do."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
import requests

from tests.flowlog.devtools.sandbox.api import (
    MOBILE,
    OWN_JID,
    TIME,
    Gateway,
    data,
    instance_id,
)
from tests.integrations.receiver import Receiver

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
