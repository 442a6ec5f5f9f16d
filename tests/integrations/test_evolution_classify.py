"""What each of the gateway's answers to a send means, from the bodies that the real one gave."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.evolution.classify import classify
from integrations.gateways import Outcome, Refused
from integrations.gateways.outcomes import Accepted

PERMANENT, RETRYABLE, INSTANCE_DOWN, UNKNOWN = Outcome
# Without a minified release the right query is named; with one, the first on its line, whichever it was.
QUERIES = ("message.create()", "contact.findMany()", "isOnWhatsapp.findMany()", "instance.findUnique()")
LAYOUT = (
    "\nInvalid `this.prismaRepository.{}` invocation in\n/evolution/dist/main.js:198:5427\n\n"
    "  195 `){{}}\n→ 198 await this.prismaRepository.{}\n{}"
)
OUT_OF_REACH = "Can't reach database server at `postgres:5432`\n\nPlease make sure your database server is running."
DATABASE_ERRORS = {
    "out of reach": ("PrismaClientKnownRequestError", OUT_OF_REACH),
    "never reached": ("PrismaClientInitializationError", OUT_OF_REACH),
    "no connection free": ("PrismaClientKnownRequestError", "Timed out fetching a new connection from the pool."),
    "disk full": ("PrismaClientUnknownRequestError", "Error occurred during query execution: No space left on device"),
    "engine gone": ("PrismaClientRustPanicError", "PANIC: timer has gone away"),
}


def before_the_send(query: str, reason: str = OUT_OF_REACH) -> str:
    return LAYOUT.format(query, query, reason)


def after_the_relay(query: str, name: str = "PrismaClientKnownRequestError", reason: str = OUT_OF_REACH) -> str:
    return f"{name}: {before_the_send(query, reason)}"


PRISMA_CREATE, PRISMA_FIND = after_the_relay("contact.findMany()"), before_the_send("message.create()")
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
    assert classify(201, json.dumps(SENT)) == Accepted("3EB0067BA1CCEACB85451F")


def test_a_201_of_the_evolution_channel_is_accepted() -> None:
    expected = Accepted("0d3cb6f0-2b1c-4d5e-8f90-123456789abc")
    assert classify(201, json.dumps(SENT_EVOLUTION)) == expected


class TestTheGatewaysDatabaseFails:
    @pytest.mark.parametrize(("name", "reason"), DATABASE_ERRORS.values(), ids=DATABASE_ERRORS)
    @pytest.mark.parametrize("query", QUERIES)
    def test_after_the_relay_it_is_sent_whatever_query_is_named(self, query: str, name: str, reason: str) -> None:
        assert classify(*error(400, [after_the_relay(query, name, reason)])) == Accepted("")

    def test_older_builds_say_so_under_500(self) -> None:
        assert classify(*error(500, [PRISMA_CREATE])) == Accepted("")

    @pytest.mark.parametrize(("_name", "reason"), DATABASE_ERRORS.values(), ids=DATABASE_ERRORS)
    @pytest.mark.parametrize("query", QUERIES)
    def test_before_the_send_it_is_not_sent_whatever_query_is_named(self, query: str, _name: str, reason: str) -> None:
        expected = Refused(RETRYABLE, "gateway_database_down")
        assert classify(*error(500, before_the_send(query, reason))) == expected

    @pytest.mark.parametrize("query", QUERIES)
    def test_in_any_other_form_nobody_knows(self, query: str) -> None:
        in_between = [
            error(400, [before_the_send(query)]), error(500, [before_the_send(query)]),
            error(400, before_the_send(query)), error(400, after_the_relay(query)), error(500, after_the_relay(query)),
            error(400, [f"Error: {before_the_send(query)}"]), error(500, f"{query} failed: {OUT_OF_REACH}"),
        ]  # fmt: skip
        assert {classify(*each) for each in in_between} == {Refused(UNKNOWN, "gateway_error")}


# What proves that nothing was sent where the send cannot have begun, and nothing where it may be over.
BEFORE = {"number_query_timeout": "find", "gateway_database_down": None}


@pytest.mark.parametrize(("code", "name"), BEFORE.items())
def test_what_is_retryable_is_so_in_the_form_of_before_the_send_alone(code: str, name: str | None) -> None:
    text = undefined(name) if name else PRISMA_FIND
    assert classify(*error(500, text)) == Refused(RETRYABLE, code)
    for after in (error(400, ["TypeError: " + text]), error(400, [text]), error(500, [text]), error(400, text)):
        assert classify(*after) == Refused(UNKNOWN, "gateway_error")


@pytest.mark.parametrize("missing", ["undefined", "null"])
@pytest.mark.parametrize("name", ["sendMessage", "presenceSubscribe", "relayMessage", "onWhatsApp"])
def test_without_a_connection_nothing_left(name: str, missing: str) -> None:
    text = f"Cannot read properties of {missing} (reading '{name}')"
    for each in (error(400, ["TypeError: " + text]), error(500, text)):
        assert classify(*each) == Refused(INSTANCE_DOWN, "never_connected")


NOT_EXISTING = [{"jid": "5511900000000@s.whatsapp.net", "exists": False, "number": "5511900000000"}]
NOT_EXISTING_NAMED = [{**NOT_EXISTING[0], "name": "Cliente", "lid": "987654321098765@lid"}]
INSTANCE_MISSING = 'The "nao-existe" instance does not exist'
LICENSE = {
    "error": "service not activated",
    "code": "LICENSE_REQUIRED",
    "register_url": "https://license.example/register?token=abc",
}

ROWS = {
    # 400, the request
    "no text": (*error(400, [['instance requires property "text"']]), PERMANENT, "bad_request"),
    "two faults": (
        *error(400, [['instance requires property "number"', 'instance requires property "text"']]),
        PERMANENT,
        "bad_request",
    ),
    "blank text": (*error(400, ["Text is required"]), PERMANENT, "bad_request"),
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
    # Nobody knows
    "timed out": (*error(500, "Timed Out"), UNKNOWN, "whatsapp_timeout"),
    "timed out 400": (*error(400, ["Error: Timed Out"]), UNKNOWN, "whatsapp_timeout"),
    # It may be the gateway telling a third party of what it has just sent.
    "a fetch": (*error(400, ["TypeError: fetch failed"]), UNKNOWN, "gateway_error"),
    "Meta away": (*error(400, ["TypeError: " + undefined("message")]), UNKNOWN, "meta_unreachable"),
    "another error": (*error(400, ["Error: something in the relay"]), UNKNOWN, "gateway_error"),
    "another 500": (*error(500, "Internal Server Error"), UNKNOWN, "gateway_error"),
    "another 500 of the database": (*error(500, "contact.findMany() failed otherwise"), UNKNOWN, "gateway_error"),
    "closed, and more": (*error(400, ["Error: Connection Closed after the relay"]), UNKNOWN, "gateway_error"),
    "exists": (*error(400, [{"exists": True}]), UNKNOWN, "gateway_error"),
    "500 not JSON": (500, "<h1>Internal Server Error</h1>", UNKNOWN, "unexpected_answer"),
    "502": (502, "<html><h1>502 Bad Gateway</h1></html>", UNKNOWN, "bad_gateway"),
    "503": (503, "", UNKNOWN, "bad_gateway"),
    "503 with another code": (503, '{"code": "OVERLOADED"}', UNKNOWN, "bad_gateway"),
    "503 with the code in a list": (503, '[{"code": "LICENSE_REQUIRED"}]', UNKNOWN, "bad_gateway"),
    "504": (504, "upstream timed out", UNKNOWN, "bad_gateway"),
    "200 with a key": (200, json.dumps(SENT), UNKNOWN, "unexpected_answer"),
    "302": (302, "", UNKNOWN, "unexpected_answer"),
    "413": (413, "", UNKNOWN, "unexpected_answer"),
    "429": (429, "{}", UNKNOWN, "unexpected_answer"),
    # Credentials and configuration
    "no licence": (503, json.dumps(LICENSE), INSTANCE_DOWN, "license_required"),
    "401": (*error(401, "Unauthorized", "Unauthorized"), INSTANCE_DOWN, "unauthorized"),
    "401 of a proxy": (401, "<h1>401 Authorization Required</h1>", INSTANCE_DOWN, "unauthorized"),
    "403": (*error(403, "Forbidden", "Forbidden"), INSTANCE_DOWN, "forbidden"),
    "404 instance": (*error(404, [INSTANCE_MISSING], "Not Found"), INSTANCE_DOWN, "instance_not_found"),
    "404 route": (*error(404, ["Cannot POST /message/sendFoo/evo1"]), INSTANCE_DOWN, "route_not_found"),
    "404 otherwise": (404, "404 page not found", UNKNOWN, "unexpected_answer"),
    # 201 is not enough
    "Meta without a code": (201, '{"type": "OAuthException"}', RETRYABLE, "meta_error"),
    "Meta's code in digits": (*meta("190"), INSTANCE_DOWN, "meta_auth"),
    "Meta's code is none": (*meta([]), RETRYABLE, "meta_error"),
    "a code and nothing of Meta's": (201, '{"code": "OK"}', UNKNOWN, "unexpected_answer"),
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


META = {
    (PERMANENT, "meta_outside_24_hours"): [131047],
    (PERMANENT, "meta_withheld"): [131049, 130472, 131050],
    (PERMANENT, "meta_undeliverable"): [131026],
    (PERMANENT, "meta_recipient_not_allowed"): [131030, 130497, 131021],
    (PERMANENT, "meta_bad_request"): [100, 131008, 131009, 131051, 132000, 132001, 132012, 132999],
    (INSTANCE_DOWN, "meta_auth"): [0, 190],
    (INSTANCE_DOWN, "meta_permission"): [3, 10, 200, 299, 131005],
    (INSTANCE_DOWN, "meta_blocked"): [368, 131031],
    (INSTANCE_DOWN, "meta_payment"): [131042],
    (INSTANCE_DOWN, "meta_number"): [33, 131037, 131045, 133010],
    (RETRYABLE, "meta_rate_limit"): [4, 80007, 130429, 131048, 131056, 133016],
    (RETRYABLE, "meta_unavailable"): [1, 2, 131000, 131016, 131057],
    # Not sent for certain, and a try more costs time alone.
    (RETRYABLE, "meta_error"): [5, 199, 300, 131999, 133000, 999_999_999],
}


@pytest.mark.parametrize(("expected", "codes"), META.items(), ids=[code for _, code in META])
def test_a_refusal_of_meta_is_definite(expected: tuple[Outcome, str], codes: list[int]) -> None:
    assert {classify(*meta(code)) for code in codes} == {Refused(*expected)}


@pytest.mark.parametrize(
    ("code", "outcome", "meaning"),
    [
        (100, RETRYABLE, "meta_unavailable"),
        (777, RETRYABLE, "meta_unavailable"),
        (4, RETRYABLE, "meta_rate_limit"),
        (368, INSTANCE_DOWN, "meta_blocked"),
    ],
)
def test_what_meta_calls_transient_is_tried_again(code: int, outcome: Outcome, meaning: str) -> None:
    body = {**json.loads(meta(code)[1]), "is_transient": True}
    assert classify(201, json.dumps(body)) == Refused(outcome, meaning)


def test_the_text_that_means_sent_wins_over_a_text_that_means_not_sent() -> None:
    assert classify(*error(400, ["Error: Connection Closed", PRISMA_CREATE])) == Accepted("")


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
        assert "PrismaClient" in body
        assert verdict == Accepted("")
