"""No number and no secret survives into a log."""

from __future__ import annotations

import re
from urllib.parse import quote

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
        "123.456.789-09", "12345678909", "11 98765 4321", "55 11 98765 4321", "+55/11/98765/4321", "+1 415 555 2671",
        "+55\u00a011\u00a098765\u20114321", "\u202a+55 11 98765-4321\u202c", "11.98765.4321", "(011) 3333-4321",
        "98765-4321", "11 9 8765-4321", "1198765-4321", "005511987654321", "529982247/25", "529 982 247-25",
        "11.222.333/0001-81", "11222333000181", "11 222 333/0001-81", "529 982 247 25", "529.982.24725",
        "11 222 333 0001 81", "11.222.333/000181", "11222333/0001-81",
    ],
)  # fmt: skip
def test_a_number_in_any_form_keeps_its_last_digits_only(number: str) -> None:
    digits = re.sub(r"\D", "", number)
    masked = mask(f"The number {number} is wrong")
    assert re.fullmatch(r"The number \W*…" + digits[-4:] + r"\W*\S* is wrong", masked)
    assert len(re.sub(r"\D", "", masked)) <= 4


@pytest.mark.parametrize(
    "number",
    [
        "12.ABC.345/01DE-35", "12.abc.345/01de-35", "12ABC34501DE35", "12abc34501de35", "12.ABC.345/01DE–35",
        "12ABC345/01DE-35", "12 ABC 345 01DE 35", "12.ABC.345%2F01DE-35", "12-ABC-345-01DE-35",
    ],
)  # fmt: skip
def test_a_companys_number_with_letters_is_hidden(number: str) -> None:
    assert mask(f"The number {number} is wrong") == "The number …0135 is wrong"


@given(AROUND, st.from_regex(r"\+?[1-9][0-9]{9,14}", fullmatch=True), AROUND)
def test_no_number_survives_whatever_stands_around_it(before: str, number: str, after: str) -> None:
    assert not re.search(r"[0-9]{10}", mask(f"{before}{number}{after}"))


@st.composite
def written_numbers(draw: st.DrawFn) -> str:
    """A Brazilian number as people write it, with or without country code, area and the ninth digit."""
    gaps = st.sampled_from([" ", "-", ".", "  ", "\u00a0", "\u2011", " - "])
    area, first = draw(st.integers(11, 99)), draw(st.integers(1000, 9999))
    if draw(st.booleans()):
        first += 90_000
    shape = draw(st.sampled_from(["({a}) ", "{a}{g}", "0{a}{g}", "55{g}{a}{g}", "+55{g}({a}){g}", "+55{g}{a}{g}"]))
    return shape.format(a=area, g=draw(gaps)) + f"{first}{draw(gaps)}{draw(st.integers(0, 9999)):04}"


@given(AROUND, written_numbers(), AROUND)
def test_no_written_number_survives_whatever_stands_around_it(before: str, number: str, after: str) -> None:
    left = re.sub(r"\D", "", mask(f"{before}{number}{after}"))
    # The last four, and at most the country's code.
    assert len(left) <= 6
    assert left.endswith(number[-4:])


@given(written_numbers(), st.sampled_from([" ", ", ", " (", "/", " - ", "; "]), written_numbers())
def test_nor_do_two_in_a_row(one: str, between: str, other: str) -> None:
    assert not re.search(r"\d{5}|\d{4}.\d{4}", mask(f"{one}{between}{other}"))


@given(st.text("abxn %\n'\""), written_numbers(), st.text("abxn %\n'\""))
def test_nor_one_that_an_exception_or_an_address_quotes(before: str, number: str, after: str) -> None:
    for quoted in (repr(ValueError(f"{before}\n{number}\n{after}")), quote(f"?phone={number}&{after}")):
        assert not re.search(r"\d{5}|\d{4}.\d{4}", mask(quoted))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ('{"apikey": "4aB-9"}', '{"apikey": "***"}'),
        ("apikey=4aB-9&x=1", "apikey=***&x=1"),
        ("access_token=abcd1234; csrftoken=xyz", "access_token=***; csrftoken=***"),
        (r"{\"apikey\":\"4aB-9\"}", r"{\"apikey\":\"***\"}"),
        ("{'pickup_code': '1234', 'code': 'K7MPXQ'}", "{'pickup_code': '***', 'code': 'K7MPXQ'}"),
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
        "Task notifications.tasks.sweep[0b2e1c1b-4f0e-4f5e-9a2f-446655440000] succeeded in 0.037461345987s: None",
        "b7d9f2e01c1b1234567890123456abcd",
        "Started web, revision 1234567890a4567890123456789012345678901b",
        "[2026-11-24 11:02:38 +0000] [123] from 192.168.100.200:50000",
        "R$ 1.234,56 on 24/11/2026 18:30",
        "12ABC34501DE36 is no company, AA123456785BR a parcel",
    ],
)
def test_what_is_neither_stays(text: str) -> None:
    assert mask(text) == text


def test_secrets_are_found_by_the_names_of_settings_and_in_addresses() -> None:
    settings = {
        "SOME_NEW_API_KEY": "a-new-key",
        "CREDENTIALS_KEYS": "a-first-key=,another-key=",
        "SITE_URL": "https://pedidos.example.com",
        "DATABASE_URL": "postgresql://flowlog:p%40ss-word@db/flowlog",
        "REDIS_URL": "redis://127.0.0.1/0",
        "SENTRY_DSN": "https://ab12cd@x.sentry.io/1",
        "DEADMAN_PING_URL": "https://hc.example.com/0123-abcd",
        "OTHER_URL": "postgresql://flowlog:flowlog@db/flowlog",
        "BROKEN_URL": "http://[::1",
        "LOG_LEVEL": "INFO",
    }
    assert {secret for secret in secrets_of(settings) if secret} == {
        "a-new-key", "a-first-key=,another-key=", "a-first-key=", "another-key=",
        "p%40ss-word", "p@ss-word", "https://ab12cd@x.sentry.io/1", "ab12cd", "0123-abcd",
    }  # fmt: skip
