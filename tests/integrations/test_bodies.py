"""Webhooks with media in them: taken in without it, however large; and what is too large is told, never refused."""

from __future__ import annotations

import base64
import io
import json
import tracemalloc
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.inbound import bodies
from integrations.inbound.intake import process
from integrations.models import CustomerReply, WebhookEvent
from tests.factories import make_instance, make_order
from tests.integrations.webhooks import SECRET, post, reply
from tests.processes import web_server

MIB = 1024 * 1024
MEDIA = sorted(name.decode() for name in bodies.MEDIA)


class Trickle:
    """A body that comes in pieces of one size, whatever is asked for."""

    def __init__(self, body: bytes, size: int) -> None:
        self._pieces = iter([body[start : start + size] for start in range(0, len(body), size)])

    def read(self, _size: int, /) -> bytes:
        return next(self._pieces, b"")


def without_media(value: Any) -> Any:
    match value:
        case list():
            return [without_media(each) for each in value]
        case dict():
            return {
                name: None if name in MEDIA and isinstance(each, str | list | dict) else without_media(each)
                for name, each in value.items()
            }
        case _:
            return value


def picture(size: int, **message: Any) -> dict[str, Any]:
    """A picture with so many bytes of base64 in it."""
    body = reply("")
    body["data"]["message"] = {
        "imageMessage": {"caption": "chegou quebrado", "jpegThumbnail": {"0": 255, "1": 216}},
        "base64": "A" * size,
        **message,
    }
    return body


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(['\\"', '"base64":"x"', "base64", "\\"])
)
NAMES = st.text(max_size=3) | st.sampled_from([*MEDIA, "base641", "Base64", '"base64', "x"])
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4))

# Of the pieces; the last is more than all of it.
SIZES = st.integers(1, 9) | st.just(MIB)


@settings(max_examples=400, deadline=None)
@given(value=JSON, size=SIZES, indent=st.none() | st.just(1), ascii_only=st.booleans())
def test_everything_but_the_media_stays_in_whatever_pieces_it_comes(
    value: Any, size: int, indent: int | None, ascii_only: bool
) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert json.loads(bodies.read(Trickle(body, size))) == without_media(value)


@settings(max_examples=300, deadline=None)
@given(body=st.text(st.sampled_from('"{}[]:,\\ ab1base64'), max_size=60), size=SIZES)
def test_what_is_no_json_breaks_nothing(body: str, size: int) -> None:
    bodies.read(Trickle(f'{{"base64":{body}'.encode(), size))


@pytest.mark.parametrize("size", [0.7, 1.5, 3, 30])
def test_little_of_a_large_one_is_ever_held(size: float) -> None:
    body = json.dumps(picture(int(size * MIB), jpegThumbnail=list(range(256)) * 1000)).encode()
    stream = io.BytesIO(body)
    tracemalloc.start()
    kept = bodies.read(stream)
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) < 1000
    assert most < MIB


def test_all_of_a_too_large_one_is_read() -> None:
    stream = io.BytesIO(b'{"event": "x", "data": "' + b"x" * 5 * MIB)
    with pytest.raises(bodies.TooLargeError) as error:
        bodies.read(stream)
    assert stream.read() == b""
    assert error.value.beginning.startswith(b'{"event": "x", "data": "xx')


@pytest.mark.django_db
class TestTakenIn:
    @pytest.mark.parametrize("size", [0.7, 1.5, 3])
    def test_a_picture_by_its_kind_and_caption_without_itself(self, size: float) -> None:
        make_instance()
        order = make_order()
        assert post(picture(int(size * MIB))) == 200
        process()
        assert CustomerReply.objects.values_list("kind", "text", "order").get() == (
            "image", "chegou quebrado", order.pk,
        )  # fmt: skip
        message = WebhookEvent.objects.get().data["message"]
        assert message == {"imageMessage": {"caption": "chegou quebrado", "jpegThumbnail": None}, "base64": None}

    def test_malformed_media_stay_malformed(self) -> None:
        whole = json.dumps(picture(2 * MIB)).encode()
        assert post(whole[: len(whole) // 2]) == 400
        assert post(whole[:-1]) == 400
        assert WebhookEvent.objects.count() == 0

    def test_of_a_too_large_one_the_staff_learn_that_it_came(self) -> None:
        make_instance()
        body = reply("")
        body["data"]["message"] = {"nextYearsMessage": {"blob": "A" * 2 * MIB}}
        assert post(body) == 200
        process()
        assert WebhookEvent.objects.values_list("event", "payload", "error").get() == ("flowlog.too_large", {}, "")
        assert CustomerReply.objects.filter(customer=None).values_list("kind", "text").get() == ("too_large", "")

    @pytest.mark.parametrize("event", ["messages.set", "CONTACTS_UPSERT", "messages.update"])
    def test_not_of_one_that_nobody_wrote(self, event: str) -> None:
        make_instance()
        assert post({"event": event, "instance": "flowlog", "data": ["A" * 2 * MIB]}) == 200
        process()
        assert CustomerReply.objects.count() == 0
        assert WebhookEvent.objects.get().payload == {}

    @pytest.mark.parametrize("secret", ["Bearer wrong", ""])
    def test_neither_of_one_without_the_secret(self, secret: str) -> None:
        too_large = {"x-webhook-too-large": "1"}
        for headers in ({}, too_large):
            answer = Client().post(
                "/webhooks/evolution/flowlog/",
                picture(2 * MIB),
                content_type="application/json",
                headers={"authorization": secret, **headers},
            )
            assert answer.status_code == 401
        assert WebhookEvent.objects.count() == 0

    def test_what_the_proxy_kept_back_is_told_too(self) -> None:
        make_instance()
        answer = Client().post(
            "/webhooks/evolution/flowlog/",
            headers={"authorization": f"Bearer {SECRET}", "x-webhook-too-large": "1"},
        )
        assert answer.status_code == 200
        process()
        assert CustomerReply.objects.get().kind == "too_large"


@pytest.mark.django_db(transaction=True)
def test_by_a_real_web_server() -> None:
    make_instance()
    make_order()
    body = json.dumps(picture(0) | {}).encode()
    film = body.replace(b'"base64": ""', b'"base64": "' + base64.b64encode(b"\xff\xd8" * 15 * MIB) + b'"')
    assert len(film) > 30 * MIB
    with web_server() as address:
        server = urlsplit(address)
        connection = HTTPConnection(server.hostname or "", server.port, timeout=60)

        def status(content: bytes, *, secret: str, length: int = 0) -> int:
            """Of a request whose headers promise so much."""
            connection.putrequest("POST", "/webhooks/evolution/flowlog/")
            connection.putheader("Authorization", f"Bearer {secret}")
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(length or len(content)))
            connection.endheaders()
            connection.send(content)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status

        secret = django_settings.EVOLUTION_WEBHOOK_SECRET
        assert status(film, secret=secret) == 200
        # Nothing of these is waited for.
        assert status(b"", secret="wrong", length=30 * MIB) == 401
        assert status(b"", secret=secret, length=bodies.LARGEST + 1) == 200
    events = WebhookEvent.objects.order_by("pk").values_list("event", flat=True)
    assert list(events) == ["messages.upsert", "flowlog.too_large"]
