"""What the sandbox tells of replies, compared with what the real gateway was seen to tell."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import pytest

from flowlog.devtools.sandbox.ids import lid_of
from tests.flowlog.devtools.sandbox.api import (
    JID,
    MOBILE,
    OWN_JID,
    Gateway,
    data,
    instance_id,
)
from tests.integrations.receiver import Receiver

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
