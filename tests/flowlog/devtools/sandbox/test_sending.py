"""What the sandbox gateway does with a text and a number, compared with what the real one was seen to do."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from flowlog.devtools import sandbox as sandbox_package
from flowlog.devtools.sandbox.jids import create_jid, variants
from tests.flowlog.devtools.sandbox.api import JID, MOBILE, Api, assert_error

# -- Sending -------------------------------------------------------------------------------------


def test_a_sent_text_answers_as_the_real_one(api: Api) -> None:
    before = int(time.time())
    answer = api.send("Seu pedido #123 foi confirmado")
    sent = answer.json()
    assert answer.status_code == 201
    assert re.fullmatch(r"3EB0[0-9A-F]{18}", sent["key"].pop("id"))
    assert before <= sent.pop("messageTimestamp") <= time.time()
    assert re.fullmatch(r"[0-9a-f-]{36}", sent.pop("instanceId"))
    low = sent["contextInfo"]["ephemeralSettingTimestamp"].pop("low")
    assert isinstance(low, int)
    assert sent == {
        "key": {"remoteJid": JID, "fromMe": True},
        "pushName": "Você",
        "status": "PENDING",
        "message": {"conversation": "Seu pedido #123 foi confirmado"},
        "contextInfo": {
            "mentionedJid": [],
            "groupMentions": [],
            "ephemeralSettingTimestamp": {"high": 0, "unsigned": False},
            "disappearingMode": {"initiator": 0},
        },
        "messageType": "conversation",
        "source": "web",
    }
    assert api.process.texts(f"+{MOBILE}") == ["Seu pedido #123 foi confirmado"]


def test_the_same_body_twice_is_two_messages(api: Api) -> None:
    first, second = (api.send("Olá", messageId="A", linkPreview=False).json()["key"]["id"] for _ in range(2))
    assert first != second
    assert api.process.texts() == ["Olá", "Olá"]


TEXT_MISSING = 'instance requires property "text"'


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"number": MOBILE}, [[TEXT_MISSING]]),
        ({"text": "a"}, [['instance requires property "number"']]),
        ({"number": 5511987654321, "text": "a"}, [["Invalid format"]]),
        ({"number": MOBILE, "text": None}, [["text is not of a type(s) string"]]),
        ({"number": MOBILE, "text": 7}, [["text is not of a type(s) string"]]),
        ({"number": MOBILE, "text": "a", "delay": "1000"}, [["Enter a value in milliseconds"]]),
        ({"number": MOBILE, "text": "a", "mentioned": []}, [["mentioned does not meet minimum length of 1"]]),
        ({"number": MOBILE, "text": " \n"}, ["Text is required"]),
        ({"number": MOBILE, "textMessage": {"text": "a"}, "options": {}}, [[TEXT_MISSING]]),
        ({"number": "", "text": "a"}, [{"jid": "@s.whatsapp.net", "exists": False, "number": ""}]),
        (
            {"number": "5511900009001", "text": "a"},
            [{"jid": "5511900009001@s.whatsapp.net", "exists": False, "number": "5511900009001"}],
        ),
    ],
)
def test_a_body_that_is_refused(api: Api, body: dict[str, Any], errors: object) -> None:
    assert_error(api.call("POST", "/message/sendText/loja", body), 400, "Bad Request", errors)
    assert api.process.messages() == []


def test_the_id_that_is_asked_for_is_the_candidates_alone(api: Api) -> None:
    wanted = "3EB00123456789ABCDEF01"
    assert api.send(messageId=wanted).json()["key"]["id"] != wanted
    api.process.clear()
    api.process.options(version="2.4.0-rc2")
    assert api.send("Olá", messageId=wanted).json()["key"]["id"] == wanted
    # A repeat is the same message, on the phone and in the gateway.
    assert api.send("Olá", messageId=wanted).json()["key"]["id"] == wanted
    assert [each["key_id"] for each in api.process.messages()] == [wanted]
    assert api.find({"key": {"id": wanted}}) == ["Olá"]
    for nothing in ("", None, 7):
        assert api.send(messageId=nothing).json()["key"]["id"] != wanted
    assert len(api.process.messages()) == 4


def test_without_a_licence_hardly_anything_answers(api: Api) -> None:
    api.process.options(licensed=False)
    for method, path in (
        ("POST", "/message/sendText/loja"),
        ("GET", "/instance/connectionState/loja"),
        ("GET", "/instance/fetchInstances"),
        ("POST", "/instance/create"),
        ("GET", "/nowhere"),
    ):
        for key in ("test-key", None):
            answer = api.call(method, path, {"number": MOBILE, "text": "Olá"}, key=key)
            assert answer.status_code == 503
            said = answer.json()
            assert said.pop("register_url").startswith(f"{api.process.base_url}/license/")
            assert said == {"error": "service not activated", "code": "LICENSE_REQUIRED"}
    assert api.call("GET", "/", key=None).status_code == 200
    assert api.process.messages() == []


def test_what_the_database_says_does_not_tell_which_query_failed(api: Api) -> None:
    """The same words before the send and after it; only their form and the class of the error differ."""
    before = api.send(number="5511912349020")
    after = api.send(number="5511912349011")
    assert (before.status_code, after.status_code) == (500, 400)
    text = before.json()["response"]["message"]
    assert text.startswith("\nInvalid `this.prismaRepository.contact.findMany()` invocation in\n")
    assert "→ 198 " in text
    assert after.json()["response"]["message"] == [f"PrismaClientKnownRequestError: {text}"]
    assert [each["number"] for each in api.process.messages()] == ["5511912349011"]


def test_a_delay_blocks_the_call(api: Api) -> None:
    started = time.monotonic()
    assert api.send(delay=250).status_code == 201
    assert time.monotonic() - started >= 0.25
    assert api.send(delay=-5).status_code == 201


def test_a_disconnected_instance_fails_in_two_ways(api: Api) -> None:
    api.send()
    api.process.disconnect("loja")
    assert_error(api.send(), 400, "Bad Request", ["Error: Connection Closed"])
    assert_error(api.send(number="5511955554444"), 500, "Internal Server Error", "Connection Closed")
    assert len(api.process.messages()) == 1
    api.process.disconnect("loja", disconnected=False)
    assert api.send().status_code == 201


def test_the_other_kinds_of_instance(api: Api) -> None:
    for name, integration in (("direta", "EVOLUTION"), ("oficial", "WHATSAPP-BUSINESS")):
        body = {"instanceName": name, "integration": integration, "number": "1234567890"}
        assert api.call("POST", "/instance/create", body).status_code == 201
    sent = api.call("POST", "/message/sendText/direta", {"number": MOBILE, "text": ""}).json()
    assert sent["key"]["remoteJid"] == MOBILE
    assert "status" not in sent
    sent = api.call("POST", "/message/sendText/oficial", {"number": MOBILE, "text": "Olá"}).json()
    assert sent["key"]["id"].startswith("wamid.")
    assert (sent["key"]["remoteJid"], sent["status"]) == (JID, "PENDING")


@pytest.mark.parametrize("transient", [False, True])
def test_meta_refuses_with_any_code_under_a_201(api: Api, transient: bool) -> None:
    body = {"instanceName": "meta", "integration": "WHATSAPP-BUSINESS", "number": "1234567890"}
    api.call("POST", "/instance/create", body)
    api.process.options(meta_code=131047, meta_transient=transient)
    answer = api.call("POST", "/message/sendText/meta", {"number": MOBILE, "text": "Olá"})
    said = answer.json()
    assert (answer.status_code, said["code"], "key" in said) == (201, 131047, False)
    assert said.get("is_transient", False) is transient
    assert api.process.messages() == []
    # It has nothing to say of the other kinds of instance.
    assert api.send().status_code == 201


# -- Numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "jid"),
    [
        ("5511987654321", "5511987654321@s.whatsapp.net"),
        ("5531987654321", "553187654321@s.whatsapp.net"),
        ("5585999998888", "558599998888@s.whatsapp.net"),
        ("5531977776666", "553177776666@s.whatsapp.net"),
        ("5531912345678", "5531912345678@s.whatsapp.net"),
        ("5530987654321", "5530987654321@s.whatsapp.net"),
        ("551187654321", "551187654321@s.whatsapp.net"),
        ("+55 (11) 98765-4321", "5511987654321@s.whatsapp.net"),
        ("11987654321", "11987654321@s.whatsapp.net"),
        ("005511987654321", "005511987654321@s.whatsapp.net"),
        ("5511987654321@s.whatsapp.net", "5511987654321@s.whatsapp.net"),
        ("987654321098765@lid", "987654321098765@lid"),
        ("120363000000000000", "120363000000000000@g.us"),
        ("abc", "@s.whatsapp.net"),
    ],
)
def test_the_address_of_a_number(number: str, jid: str) -> None:
    assert create_jid(number) == jid


def test_the_numbers_rules_are_the_sandboxs_own() -> None:
    """A witness that knows addresses from the product would share its mistakes."""
    package = Path(sandbox_package.__file__).parent
    borrowed = re.compile(r"import .*\bjids\b|evolution\.(jids|classify|client|messages|meta)\b")
    for source in package.glob("*.py"):
        own = source.read_text().replace("flowlog.devtools.sandbox.jids", "")
        assert borrowed.findall(own) == []


def test_an_address_with_and_without_the_ninth_digit_is_one() -> None:
    assert variants(JID) == (JID, "551187654321@s.whatsapp.net")
    assert variants("553187654321@s.whatsapp.net") == ("553187654321@s.whatsapp.net", "5531987654321@s.whatsapp.net")
    assert variants("12125550123@s.whatsapp.net") == ("12125550123@s.whatsapp.net",)


def test_a_landline_reaches_the_mobile_that_is_known(api: Api) -> None:
    assert api.send(number="551140001234").json()["key"]["remoteJid"] == "551140001234@s.whatsapp.net"
    api.process.clear()
    assert api.send(number="5511940001234").json()["key"]["remoteJid"] == "5511940001234@s.whatsapp.net"
    assert api.send(number="551140001234").json()["key"]["remoteJid"] == "5511940001234@s.whatsapp.net"


def test_messages_are_found_by_either_form_of_the_number(api: Api) -> None:
    assert api.send(number="5531987654321").json()["key"]["remoteJid"] == "553187654321@s.whatsapp.net"
    for number in ("+5531987654321", "553187654321"):
        assert api.process.texts(number) == ["Olá"]
    assert api.process.texts("+5531987654322") == []


def test_asking_which_numbers_are_on_whatsapp(api: Api) -> None:
    numbers = [MOBILE, "5511900009001"]
    answer = api.call("POST", "/chat/whatsappNumbers/loja", {"numbers": numbers})
    assert answer.status_code == 200
    assert answer.json() == [
        {"jid": JID, "exists": True, "number": MOBILE, "name": "Cliente"},
        {"jid": "5511900009001@s.whatsapp.net", "exists": False, "number": "5511900009001"},
    ]
    api.process.disconnect("loja")
    answer = api.call("POST", "/chat/whatsappNumbers/loja", {"numbers": numbers})
    assert answer.status_code == 400
    assert answer.json() == {
        "data": None,
        "isBoom": True,
        "isServer": False,
        "output": {
            "statusCode": 428,
            "payload": {"statusCode": 428, "error": "Precondition Required", "message": "Connection Closed"},
            "headers": {},
        },
    }
