"""What each of Meta's answers to a send means for the message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.gateways.outcomes import Accepted, Outcome, Refused
from integrations.gateways.sentences import INSTANCE, MESSAGE, PASSING
from integrations.meta.answers import classify, refusal

PERMANENT, RETRYABLE, INSTANCE_DOWN, UNKNOWN = Outcome


def error(code: int, **more: Any) -> str:
    told = {"message": f"(#{code}) Something", "type": "OAuthException", "code": code, "fbtrace_id": "A", **more}
    return json.dumps({"error": told})


def test_accepted_is_a_200_with_the_messages_id() -> None:
    body = {
        "messaging_product": "whatsapp",
        "contacts": [{"input": "5521987654321", "wa_id": "5521987654321"}],
        "messages": [{"id": "wamid.HBgM", "message_status": "accepted"}],
    }
    assert classify(200, json.dumps(body)) == Accepted("wamid.HBgM")


@pytest.mark.parametrize(
    ("status", "code", "outcome", "name"),
    [
        (400, 131047, PERMANENT, "meta_outside_24_hours"),
        (400, 131026, PERMANENT, "meta_undeliverable"),
        (400, 131030, PERMANENT, "meta_recipient_not_allowed"),
        (400, 131049, PERMANENT, "meta_withheld"),
        (400, 131050, PERMANENT, "meta_withheld"),
        (400, 100, PERMANENT, "meta_bad_request"),
        (400, 131008, PERMANENT, "meta_bad_request"),
        (400, 132018, PERMANENT, "meta_bad_request"),
        (400, 132005, PERMANENT, "meta_bad_request"),
        (404, 132001, RETRYABLE, "meta_template"),
        (400, 132000, RETRYABLE, "meta_template"),
        (400, 132015, RETRYABLE, "meta_template"),
        (401, 190, INSTANCE_DOWN, "meta_auth"),
        (401, 0, INSTANCE_DOWN, "meta_auth"),
        (403, 10, INSTANCE_DOWN, "meta_permission"),
        (500, 3, INSTANCE_DOWN, "meta_permission"),
        (403, 131005, INSTANCE_DOWN, "meta_permission"),
        (403, 368, INSTANCE_DOWN, "meta_blocked"),
        (403, 131031, INSTANCE_DOWN, "meta_blocked"),
        (400, 131042, INSTANCE_DOWN, "meta_payment"),
        (400, 33, INSTANCE_DOWN, "meta_number"),
        (400, 133010, INSTANCE_DOWN, "meta_number"),
        (400, 4, RETRYABLE, "meta_rate_limit"),
        (429, 130429, RETRYABLE, "meta_rate_limit"),
        (400, 131056, RETRYABLE, "meta_rate_limit"),
        (503, 2, RETRYABLE, "meta_unavailable"),
        (500, 131000, RETRYABLE, "meta_unavailable"),
        (400, 199999, RETRYABLE, "meta_error"),
    ],
)
def test_the_error_code_decides_whatever_the_status(status: int, code: int, outcome: Outcome, name: str) -> None:
    assert classify(status, error(code)) == Refused(outcome, name)
    assert classify(500, error(code)) == Refused(outcome, name)
    assert name in MESSAGE | INSTANCE | PASSING


def test_a_number_that_meta_does_not_find_is_the_instances_trouble() -> None:
    assert classify(400, error(100, error_subcode=33)) == Refused(INSTANCE_DOWN, "meta_number")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, "{}", Refused(UNKNOWN, "unexpected_answer")),
        (200, '{"messages": []}', Refused(UNKNOWN, "unexpected_answer")),
        (200, '{"messages": [{"id": ""}]}', Refused(UNKNOWN, "unexpected_answer")),
        (200, "cut off", Refused(UNKNOWN, "unexpected_answer")),
        (202, '{"messages": [{"id": "wamid.A"}]}', Refused(UNKNOWN, "unexpected_answer")),
        (400, "<html>", Refused(UNKNOWN, "unexpected_answer")),
        (500, "", Refused(UNKNOWN, "unexpected_answer")),
        (502, "<html>", Refused(UNKNOWN, "bad_gateway")),
        (503, "", Refused(UNKNOWN, "bad_gateway")),
        (504, "", Refused(UNKNOWN, "bad_gateway")),
        (401, "", Refused(INSTANCE_DOWN, "meta_auth")),
        (403, "<html>", Refused(INSTANCE_DOWN, "meta_permission")),
        (429, "", Refused(RETRYABLE, "meta_rate_limit")),
    ],
)
def test_an_answer_that_is_not_metas_own_proves_little(status: int, body: str, expected: Refused) -> None:
    assert classify(status, body) == expected


@given(st.integers(100, 599), st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["error", "code", "messages", "id", "contacts"]), inner)))  # fmt: skip  # noqa: E501
def test_no_body_makes_it_raise(status: int, body: Any) -> None:
    assert isinstance(classify(status, json.dumps(body)), Accepted | Refused)
    assert isinstance(refusal(body), Refused | None)
