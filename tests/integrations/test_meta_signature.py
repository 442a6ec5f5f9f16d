"""Who is believed about a number at Meta."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from integrations.meta.signature import challenge, is_authentic, sign

BODY = b'{"object":"whatsapp_business_account","text":"caf\\u00e9 @"}'
QUERY = {"hub.mode": "subscribe", "hub.verify_token": "palavra", "hub.challenge": "1158201444"}


def test_the_signature_is_that_of_the_bytes_that_came() -> None:
    expected = hmac.new(b"app-secret", BODY, hashlib.sha256).hexdigest()
    assert sign("app-secret", BODY) == f"sha256={expected}"
    assert is_authentic("app-secret", BODY, f"sha256={expected}")


@pytest.mark.parametrize(
    ("secret", "body", "given"),
    [
        ("app-secret", BODY + b" ", sign("app-secret", BODY)),
        ("another", BODY, sign("app-secret", BODY)),
        ("app-secret", BODY, sign("app-secret", BODY).removeprefix("sha256=")),
        ("app-secret", BODY, sign("app-secret", BODY).replace("sha256", "sha1")),
        ("app-secret", BODY, ""),
        ("app-secret", BODY, "sha256=é"),
        ("", BODY, sign("", BODY)),
        ("", b"", "sha256="),
    ],
)
def test_nothing_else_is_believed(secret: str, body: bytes, given: str) -> None:
    assert not is_authentic(secret, body, given)


def test_who_knows_the_token_hears_the_challenge() -> None:
    assert challenge(QUERY, "palavra") == "1158201444"


@pytest.mark.parametrize(
    ("changed", "token"),
    [
        ({"hub.verify_token": "outra"}, "palavra"),
        ({"hub.verify_token": ""}, ""),
        ({}, ""),
        ({"hub.mode": "unsubscribe"}, "palavra"),
        ({"hub.challenge": "<script>"}, "palavra"),
        ({"hub.challenge": ""}, "palavra"),
        ({"hub.challenge": "1" * 201}, "palavra"),
        ({"hub.verify_token": "palavrã"}, "palavra"),
    ],
)
def test_nobody_else_hears_anything(changed: dict[str, str], token: str) -> None:
    assert challenge(QUERY | changed, token) is None
