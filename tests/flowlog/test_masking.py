"""No number and no secret survives into a log."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlog.logs.masking import Masker, secrets_of

mask = Masker(["key-of-the-gateway", "short"])
AROUND = st.text(alphabet=st.characters(exclude_categories=["Nd", "Cs"]), max_size=20)


@pytest.mark.parametrize(
    "number",
    [
        "+5511987654321", "5511987654321", "11987654321", "1187654321", "(11) 98765-4321", "11 98765-4321",
        "+55 11 98765-4321", "+55 (11) 98765.4321", "5511987654321@s.whatsapp.net", "123456789012345@lid",
        "123.456.789-09", "12345678909",
    ],
)  # fmt: skip
def test_a_number_in_any_form_keeps_its_last_digits_only(number: str) -> None:
    digits = re.sub(r"\D", "", number)
    masked = mask(f"The number {number} is wrong")
    assert masked.startswith("The number …")
    assert f"…{digits[-4:]}" in masked
    assert len(re.sub(r"\D", "", masked)) <= 4


@given(AROUND, st.from_regex(r"\+?[1-9][0-9]{9,14}", fullmatch=True), AROUND)
def test_no_number_survives_whatever_stands_around_it(before: str, number: str, after: str) -> None:
    assert not re.search(r"[0-9]{10}", mask(f"{before}{number}{after}"))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ('{"apikey": "4aB-9"}', '{"apikey": "***"}'),
        ("apikey=4aB-9&x=1", "apikey=***&x=1"),
        ("the key-of-the-gateway was refused", "the *** was refused"),
        ("shorty is a word", "shorty is a word"),
        ("redis://:p4ss@127.0.0.1:6379/0", "redis://***@127.0.0.1:6379/0"),
        ("Not Found: /rastreio/bcXBselD7jloiVWmSN-J8Q/", "Not Found: /rastreio/***/"),
    ],
)
def test_keys_and_secrets_are_hidden(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "Notification 12345678 sent in 0.35 s",
        "2026-11-24T08:03:46.123-03:00",
        "3EB05EB9A3B540393EF85B",
        "http://127.0.0.1:8085/message/sendText/flowlog",
        "the token expired",
        "R$ 1.234,56 on 24/11/2026 18:30",
    ],
)
def test_what_is_neither_stays(text: str) -> None:
    assert mask(text) == text


def test_passwords_are_found_in_addresses_in_both_spellings() -> None:
    addresses = ["postgresql://flowlog:p%40ss-word@db/flowlog", "redis://127.0.0.1/0", "https://ab12cd@x.sentry.io/1"]
    assert secrets_of(addresses) == ["p%40ss-word", "p@ss-word", "ab12cd", "ab12cd"]
