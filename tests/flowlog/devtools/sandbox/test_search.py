"""What the sandbox gateway finds of its messages, compared with what the real one was seen to find."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from tests.flowlog.devtools.sandbox.api import JID, MOBILE, Api, assert_error

# -- Looking messages up -------------------------------------------------------------------------


def test_a_message_that_is_found_looks_as_in_the_real_one(api: Api) -> None:
    api.process.options(receipts=False)
    sent = api.send("TIMEOUT-PROBE-1").json()
    body = {"where": {"key": {"remoteJid": JID, "fromMe": True}}, "page": 1, "offset": 50}
    found = api.call("POST", "/chat/findMessages/loja", body).json()
    (record,) = found["messages"].pop("records")
    assert found == {"messages": {"total": 1, "pages": 1, "currentPage": 1}}
    assert record.pop("id").startswith("cm")
    assert record == {
        "key": {"id": sent["key"]["id"], "fromMe": True, "remoteJid": JID},
        "pushName": "Você",
        "messageType": "conversation",
        "message": {"conversation": "TIMEOUT-PROBE-1"},
        "messageTimestamp": sent["messageTimestamp"],
        "instanceId": sent["instanceId"],
        "source": "web",
        "contextInfo": sent["contextInfo"],
        "MessageUpdate": [],
    }


def test_filters_that_work(api: Api) -> None:
    key_id = api.send("1").json()["key"]["id"]
    api.send("2", number="5511955554444")
    api.call("POST", "/message/sendText/outra", {"number": MOBILE, "text": "3"})
    record = api.call("POST", "/chat/findMessages/loja", {"where": {"key": {"id": key_id}}}).json()
    assert api.find({"id": record["messages"]["records"][0]["id"]}) == ["1"]
    assert api.find({}) == ["2", "1"]
    assert api.find({"key": {"id": key_id}}) == ["1"]
    assert api.find({"key": {"remoteJid": JID}}) == ["1"]
    assert api.find({"key": {"remoteJid": MOBILE}}) == []
    assert api.find({"key": {"fromMe": True, "participants": "someone@lid"}}) == []
    assert api.find({"source": "web", "messageType": "conversation"}) == ["2", "1"]
    assert api.find({"source": "android"}) == []
    assert api.find({"messageType": "imageMessage"}) == []


def test_filters_that_are_ignored(api: Api) -> None:
    api.send("1")
    assert api.find({"message": {"conversation": "another"}}) == ["1"]
    assert api.find({"key": {"fromMe": False}}) == ["1"]
    past, future = (f"{datetime.now(UTC) + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (-1, 1))
    assert api.find({"messageTimestamp": {"gte": past, "lte": future}}) == ["1"]
    assert api.find({"messageTimestamp": {"gte": past, "lte": past}}) == []
    assert api.find({"messageTimestamp": {"gte": future, "lte": future}}) == []
    # One end alone filters nothing.
    assert api.find({"messageTimestamp": {"gte": future}}) == ["1"]
    assert api.find({"messageTimestamp": {"lte": past}}) == ["1"]


def test_pages(api: Api) -> None:
    for text in "12345":
        api.send(text)
    assert api.find({}, page=1, offset=2) == ["5", "4"]
    assert api.find({}, page=3, offset=2) == ["1"]
    answer = api.call("POST", "/chat/findMessages/loja", {"where": {}, "page": 2, "offset": 2}).json()["messages"]
    assert (answer["total"], answer["pages"], answer["currentPage"]) == (5, 3, 2)


def test_what_the_gateway_does_not_store_it_does_not_find(api: Api) -> None:
    api.send("not stored", number="5511912349011")
    api.process.options(keep_messages=False)
    api.send("not kept")
    assert api.find({}) == []
    assert api.process.texts() == ["not stored", "not kept"]


def test_a_forgetful_instance_does_not_find_what_it_sends_from_then_on(api: Api) -> None:
    api.send("before")
    api.process.forget("loja")
    key_id = api.send("forgotten").json()["key"]["id"]
    api.call("POST", "/message/sendText/outra", {"number": MOBILE, "text": "of another"})
    options = api.process.options()
    assert (options["forgetful"]["loja"], options["forgetful"]["outra"]) == (True, False)
    api.process.forget("loja", forgetful=False)
    api.send("after")
    assert api.find({}) == ["after", "before"]
    assert api.find({"key": {"id": key_id}}) == []
    of_another = api.call("POST", "/chat/findMessages/outra", {"where": {}}).json()["messages"]
    assert of_another["total"] == 1
    assert api.process.texts() == ["before", "forgotten", "of another", "after"]


def test_a_search_fails_with_the_status_that_was_asked_for(api: Api) -> None:
    api.send()
    for status, name in ((500, "Internal Server Error"), (401, "Unauthorized"), (503, "Service Unavailable")):
        api.process.options(search_status=status)
        assert_error(api.call("POST", "/chat/findMessages/loja", {"where": {}}), status, name, name)
    assert api.send().status_code == 201
    api.process.options(search_status=0)
    assert api.find({}) == ["Olá", "Olá"]


def test_a_search_hangs(api: Api) -> None:
    api.process.options(search_hang_seconds=0.25)
    started = time.monotonic()
    assert api.find({}) == []
    assert time.monotonic() - started >= 0.25


def test_the_options_can_be_put_back_as_they_were(api: Api) -> None:
    before = api.process.options()
    api.process.options(search_status=500, search_hang_seconds=9, fault="hang", forgetful={"loja": True})
    healthy = {name: value for name, value in before.items() if name != "instances"}
    assert api.process.options(**healthy) == before
