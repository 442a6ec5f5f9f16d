"""What each of the gateway's answers to a send means, from the bodies that the real one gave."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.evolution.classify import Accepted, Refused, classify
from integrations.evolution.errors import Outcome

PERMANENT, RETRYABLE, INSTANCE_DOWN, UNKNOWN = Outcome
PRISMA_CREATE = (
    "PrismaClientKnownRequestError: \nInvalid `this.prismaRepository.message.create()` invocation in\n"
    "/evolution/dist/main.js:231\n\nCan't reach database server at `postgres:5432`"
)
PRISMA_FIND = (
    "\nInvalid `this.prismaRepository.contact.findMany()` invocation in\n/evolution/dist/main.js:198\n\n"
    "Can't reach database server at `127.0.0.1:5432`\n\nPlease make sure your database server is running."
)
SENT = {
    "key": {"remoteJid": "5511987654321@s.whatsapp.net", "fromMe": True, "id": "3EB0067BA1CCEACB85451F"},
    "pushName": "Você",
    "status": "PENDING",
    "message": {"conversation": "Seu pedido #123 foi confirmado"},
    "messageType": "conversation",
    "messageTimestamp": 1795453142,
    "instanceId": "62cc787e-0000-4000-8000-000000000000",
    "source": "web",
}
SENT_EVOLUTION = {
    "key": {"fromMe": True, "id": "0d3cb6f0-2b1c-4d5e-8f90-123456789abc", "remoteJid": "5511987654321"},
    "message": {"conversation": "Olá"},
    "messageType": "conversation",
}


def error(status: int, message: object, name: str = "Bad Request") -> tuple[int, str]:
    return status, json.dumps({"status": status, "error": name, "response": {"message": message}})


def undefined(name: str) -> str:
    return f"Cannot read properties of undefined (reading '{name}')"


def meta(code: Any) -> tuple[int, str]:
    return 201, json.dumps({"message": "(#1) Something", "type": "OAuthException", "code": code, "fbtrace_id": "A"})


def test_a_201_with_key_id_is_accepted() -> None:
    assert classify(201, json.dumps(SENT)) == Accepted("3EB0067BA1CCEACB85451F", "5511987654321@s.whatsapp.net")


def test_a_201_of_the_evolution_channel_is_accepted() -> None:
    expected = Accepted("0d3cb6f0-2b1c-4d5e-8f90-123456789abc", "5511987654321")
    assert classify(201, json.dumps(SENT_EVOLUTION)) == expected


@pytest.mark.parametrize("status", [400, 500])
def test_a_message_that_left_but_was_not_stored_is_accepted_without_an_id(status: int) -> None:
    assert classify(*error(status, [PRISMA_CREATE])) == Accepted("", "")


NOT_EXISTING = [{"jid": "5511900000000@s.whatsapp.net", "exists": False, "number": "5511900000000"}]
NOT_EXISTING_NAMED = [{**NOT_EXISTING[0], "name": "Cliente", "lid": "987654321098765@lid"}]
INSTANCE_MISSING = 'The "nao-existe" instance does not exist'
FETCH_STREAM = "Error: Failed to fetch stream from https://shop.example/boleto.pdf"

ROWS = {
    # 400, the request
    "no text": (*error(400, [['instance requires property "text"']]), PERMANENT, "bad_request"),
    "two faults": (
        *error(400, [['instance requires property "number"', 'instance requires property "text"']]),
        PERMANENT,
        "bad_request",
    ),
    "blank text": (*error(400, ["Text is required"]), PERMANENT, "bad_request"),
    "owned media": (*error(400, ["Owned media must be a url or base64"]), PERMANENT, "bad_request"),
    "base64 file": (*error(400, ["For base64 the file name must be informed."]), PERMANENT, "bad_request"),
    "no WhatsApp": (*error(400, NOT_EXISTING), PERMANENT, "not_on_whatsapp"),
    "no WhatsApp, named": (*error(400, NOT_EXISTING_NAMED), PERMANENT, "not_on_whatsapp"),
    # The connection to WhatsApp: both shapes, under both codes
    "closed 400 list": (*error(400, ["Error: Connection Closed"]), INSTANCE_DOWN, "connection_closed"),
    "closed 500 text": (*error(500, "Connection Closed"), INSTANCE_DOWN, "connection_closed"),
    "closed 500 list": (*error(500, ["Error: Connection Closed"]), INSTANCE_DOWN, "connection_closed"),
    "closed 400 text": (*error(400, "Connection Closed"), INSTANCE_DOWN, "connection_closed"),
    "never paired": (*error(400, ["TypeError: " + undefined("id")]), INSTANCE_DOWN, "never_paired"),
    "never connected": (*error(500, undefined("onWhatsApp")), INSTANCE_DOWN, "never_connected"),
    # Before the send
    "number query": (*error(500, undefined("find")), RETRYABLE, "number_query_timeout"),
    "database": (*error(500, PRISMA_FIND), RETRYABLE, "gateway_database_down"),
    "media address": (*error(500, [FETCH_STREAM]), RETRYABLE, "media_unreachable"),
    "media fetch": (*error(500, ["TypeError: fetch failed"]), RETRYABLE, "media_unreachable"),
    # Nobody knows
    "timed out": (*error(500, "Timed Out"), UNKNOWN, "whatsapp_timeout"),
    "timed out 400": (*error(400, ["Error: Timed Out"]), UNKNOWN, "whatsapp_timeout"),
    "Meta away": (*error(400, ["TypeError: " + undefined("message")]), UNKNOWN, "meta_unreachable"),
    "another error": (*error(400, ["Error: something in the relay"]), UNKNOWN, "gateway_error"),
    "another 500": (*error(500, "Internal Server Error"), UNKNOWN, "gateway_error"),
    "another 500 of the database": (*error(500, "contact.findMany() failed otherwise"), UNKNOWN, "gateway_error"),
    "closed, and more": (*error(400, ["Error: Connection Closed after the relay"]), UNKNOWN, "gateway_error"),
    "exists": (*error(400, [{"exists": True}]), UNKNOWN, "gateway_error"),
    "500 not JSON": (500, "<h1>Internal Server Error</h1>", UNKNOWN, "unexpected_answer"),
    "502": (502, "<html><h1>502 Bad Gateway</h1></html>", UNKNOWN, "bad_gateway"),
    "503": (503, "", UNKNOWN, "bad_gateway"),
    "504": (504, "upstream timed out", UNKNOWN, "bad_gateway"),
    "200 with a key": (200, json.dumps(SENT), UNKNOWN, "unexpected_answer"),
    "302": (302, "", UNKNOWN, "unexpected_answer"),
    "413": (413, "", UNKNOWN, "unexpected_answer"),
    "429": (429, "{}", UNKNOWN, "unexpected_answer"),
    # Credentials and configuration
    "401": (*error(401, "Unauthorized", "Unauthorized"), INSTANCE_DOWN, "unauthorized"),
    "401 of a proxy": (401, "<h1>401 Authorization Required</h1>", INSTANCE_DOWN, "unauthorized"),
    "403": (*error(403, "Forbidden", "Forbidden"), INSTANCE_DOWN, "forbidden"),
    "404 instance": (*error(404, [INSTANCE_MISSING], "Not Found"), INSTANCE_DOWN, "instance_not_found"),
    "404 route": (*error(404, ["Cannot POST /message/sendFoo/evo1"]), INSTANCE_DOWN, "route_not_found"),
    "404 otherwise": (404, "404 page not found", UNKNOWN, "unexpected_answer"),
    # 201 is not enough
    "Meta 190": (*meta(190), INSTANCE_DOWN, "meta_auth"),
    "Meta 4": (*meta(4), RETRYABLE, "meta_rate_limit"),
    "Meta 80007": (*meta(80007), RETRYABLE, "meta_rate_limit"),
    "Meta 130429": (*meta(130429), RETRYABLE, "meta_rate_limit"),
    "Meta 131056": (*meta(131056), RETRYABLE, "meta_rate_limit"),
    "Meta 131030": (*meta(131030), PERMANENT, "meta_recipient_not_allowed"),
    "Meta 131026": (*meta(131026), PERMANENT, "meta_undeliverable"),
    "Meta 190 in digits": (*meta("190"), INSTANCE_DOWN, "meta_auth"),
    "Meta otherwise": (*meta(131000), UNKNOWN, "meta_error"),
    "Meta without a code": (201, '{"type": "OAuthException"}', UNKNOWN, "meta_error"),
    "201 without key": (201, "{}", UNKNOWN, "unexpected_answer"),
    "201 without id": (201, '{"key": {"remoteJid": "5511987654321@s.whatsapp.net"}}', UNKNOWN, "unexpected_answer"),
    "201 with an empty id": (201, '{"key": {"id": ""}}', UNKNOWN, "unexpected_answer"),
    "201 with a number as id": (201, '{"key": {"id": 7}}', UNKNOWN, "unexpected_answer"),
    "201 with an id no column holds": (201, '{"key": {"id": "a\\u0000"}}', UNKNOWN, "unexpected_answer"),
    "201 with an endless id": (201, json.dumps({"key": {"id": "A" * 101}}), UNKNOWN, "unexpected_answer"),
    "201 cut short": (201, json.dumps(SENT)[:-1], UNKNOWN, "unexpected_answer"),
    "201 a list": (201, "[]", UNKNOWN, "unexpected_answer"),
    "201 empty": (201, "", UNKNOWN, "unexpected_answer"),
}


@pytest.mark.parametrize(("status", "body", "outcome", "code"), ROWS.values(), ids=ROWS.keys())
def test_an_error_gives_one_outcome_and_code(status: int, body: str, outcome: Outcome, code: str) -> None:
    assert classify(status, body) == Refused(outcome, code)


def test_the_text_that_means_sent_wins_over_a_text_that_means_not_sent() -> None:
    assert classify(*error(400, ["Error: Connection Closed", PRISMA_CREATE])) == Accepted("", "")


def test_a_known_text_under_an_unknown_code_proves_nothing() -> None:
    assert classify(*error(502, ["Error: Connection Closed"])) == Refused(UNKNOWN, "bad_gateway")
    assert classify(*error(404, [PRISMA_CREATE])) == Refused(UNKNOWN, "unexpected_answer")


@pytest.mark.parametrize(
    "body", ["[" * 60_000, "1" * 5000, '{"code":' + "9" * 5000 + "}", "\x00", "null", "NaN", '{"key":{"id":{}}}']
)
@pytest.mark.parametrize("status", [201, 400, 404, 500])
def test_a_hostile_body_is_unknown(status: int, body: str) -> None:
    verdict = classify(status, body)
    assert isinstance(verdict, Refused)
    assert verdict.outcome is UNKNOWN


KNOWN_TEXTS = st.sampled_from(
    ["Error: Connection Closed", "Connection Closed", PRISMA_CREATE, PRISMA_FIND, "Text is required", undefined("id")]
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | KNOWN_TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["id", "exists"]), inner),
    max_leaves=8,
)
BODIES = st.one_of(
    st.text(),
    st.binary().map(lambda content: content.decode(errors="replace")),
    ANY_JSON.map(json.dumps),
    st.builds(lambda message: json.dumps({"response": {"message": message}}), ANY_JSON),
    st.builds(lambda key, code: json.dumps({"key": key, "code": code}), ANY_JSON, ANY_JSON),
)


@given(status=st.integers(100, 599) | st.sampled_from([201, 400, 404, 500]), body=BODIES)
def test_only_proof_is_taken_as_accepted(status: int, body: str) -> None:
    verdict = classify(status, body)
    if isinstance(verdict, Refused):
        return
    data = json.loads(body)
    if status == 201:
        assert data["key"]["id"] == verdict.provider_message_id != ""
    else:
        assert status in {400, 500}
        assert "message.create()" in body
        assert verdict == Accepted("", "")
