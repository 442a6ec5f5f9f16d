"""The endpoint of the gateway's webhooks: stored raw, answered at once, worked off each once."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.inbound import intake, receipts, wakeups
from integrations.inbound.intake import process
from integrations.instances import tally
from integrations.models import EvolutionInstance, WebhookEvent
from integrations.tasks import work_off_webhooks
from notifications.sweep import sweep
from tests.broker import broker_at, hanging_server, purge, take_all
from tests.factories import make_instance
from tests.integrations import webhooks
from tests.integrations.webhooks import envelope, post, receipt
from tests.processes import wait_until, worker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_pause() -> Iterator[None]:
    wakeups.pause.end()
    tally.recent.forget()
    yield
    wakeups.pause.end()


def stored() -> list[tuple[str, str, str, bool]]:
    rows = WebhookEvent.objects.order_by("pk")
    return [(row.instance_name, row.event, row.error, row.processed_at is not None) for row in rows]


class TestAnswer:
    def test_is_200_after_one_statement(self) -> None:
        post(receipt("3EB0", "READ"))  # the first of some seconds is also noted as a sign of life
        with CaptureQueriesContext(connection) as queries:
            assert post(receipt("3EB0", "READ")) == 200
        assert [query["sql"].split()[0] for query in queries] == ["INSERT"]
        assert stored() == [("flowlog", "messages.update", "", False)] * 2

    def test_keeps_everything_but_the_gateways_key(self) -> None:
        body = receipt("3EB0", "READ")
        post(body)
        [event] = WebhookEvent.objects.all()
        assert event.payload == {name: value for name, value in body.items() if name != "apikey"}
        assert (event.source, event.data["status"]) == ("evolution", "READ")

    @pytest.mark.parametrize(
        "secret", ["", "test-webhook-secret", "Bearer", "Bearer x", "Bearer test-webhook-secret2", "Bearer é"]
    )
    def test_is_401_without_the_secret(self, secret: str) -> None:
        assert post(receipt("3EB0", "READ"), secret=secret) == 401
        assert stored() == []

    def test_is_401_for_everybody_as_long_as_there_is_no_secret(
        self, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.EVOLUTION_WEBHOOK_SECRET = ""
        with caplog.at_level(logging.ERROR, "integrations.inbound.views"):
            for secret in ("", "Bearer ", "Bearer test-webhook-secret"):
                assert post(receipt("3EB0", "READ"), secret=secret) == 401
        assert "EVOLUTION_WEBHOOK_SECRET is not set" in caplog.messages[0]
        assert stored() == []

    @pytest.mark.parametrize("method", ["get", "put", "delete", "head"])
    def test_is_405_for_any_other_method(self, method: str) -> None:
        assert getattr(Client(), method)("/webhooks/evolution/flowlog/").status_code == 405

    def test_needs_no_csrf_token_and_no_slash(self) -> None:
        assert post(receipt("3EB0", "READ"), client=Client(enforce_csrf_checks=True)) == 200
        answer = Client().post(
            "/webhooks/evolution/flowlog",
            receipt("3EB0", "READ"),
            content_type="application/json",
            headers={"authorization": f"Bearer {webhooks.SECRET}"},
        )
        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"{", b"\xff\xfe", b"null", b"7", b'"x"', b"[]", b"{}", b'{"event": null}', b'{"event": ""}',
            b'{"event": 7}', b'{"event": "messages.update", "data": NaN}', b'{"event": "x", "n": 1e999}',
            b'{"event": "x", "n": ' + b"9" * 5000 + b"}",
            b'{"event": "x", "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'{"event": "x", "data": ' + b"[" * 70 + b"]" * 70 + b"}",
        ],
        ids=range(16),
    )  # fmt: skip
    def test_is_400_for_what_can_never_be_right(self, body: bytes) -> None:
        assert post(body) == 400
        assert stored() == []

    @pytest.mark.parametrize("name", ["%00", "a%00b", "x" * 101, "%ED%A0%80", "a%0Ab"])
    def test_is_never_an_error_for_a_name_that_no_instance_can_have(self, name: str) -> None:
        assert post(receipt("3EB0", "READ"), instance=name) in {200, 404}

    def test_is_503_while_the_database_is_away_so_that_it_comes_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_args: Any, **_kwargs: Any) -> None:
            raise OperationalError("the connection is lost")

        monkeypatch.setattr(connection, "ensure_connection", away)
        assert post(receipt("3EB0", "READ")) == 503

    @pytest.mark.parametrize(
        ("written", "kept"),
        [
            (rb'"a\u0000b"', "a\ufffdb"),
            (rb'"\ud800"', "\ufffd"),
            (rb'"\uDFFF"', "\ufffd"),
            (b'"\xed\xa0\x80"', "\ufffd"),
            (b'"\xed\xbf\xbf"', "\ufffd"),
            (rb'"\ud83d\ude00"', "😀"),
            ('"😀"'.encode(), "😀"),
        ],
        ids=range(7),
    )
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-32"])
    def test_unstorable_characters_are_replaced(self, written: bytes, kept: str, encoding: str) -> None:
        word = written.decode(errors="surrogatepass")
        for data, stored_as in ((f'{{"keyId": {word}}}', {"keyId": kept}), (f"{{{word}: [1]}}", {kept: [1]})):
            WebhookEvent.objects.all().delete()
            text = f'{{"event": "messages.update", "data": {data}}}'
            assert post(text.encode(encoding, "surrogatepass")) == 200
            assert WebhookEvent.objects.get().data == stored_as

    def test_one_too_deep_is_refused_whatever_else_is_in_it(self) -> None:
        """The payload is one level, and what is in the innermost bracket one more."""
        for beside in ("", ', "x": []'):
            for depth, answer in ((58, 200), (59, 400)):
                body = f'{{"event": "x", "data": {"[" * depth}1{"]" * depth}{beside}}}'
                assert post(body.encode()) == answer, (beside, depth)


class TestKept:
    def test_unknown_events_are_done_at_once(self) -> None:
        assert post(envelope("chats.update", [{"id": 1}])) == 200
        assert stored() == [("flowlog", "chats.update", "", True)]

    def test_unknown_instances_are_marked(self) -> None:
        assert post(receipt("3EB0", "READ")) == 200
        assert process() == 1
        assert stored() == [("flowlog", "messages.update", "unknown_instance", True)]
        assert process() == 0

    @pytest.mark.parametrize("named", ["other", None, 7, ["flowlog"]])
    def test_one_of_another_instance_than_the_address_says_is_not_believed(self, named: Any) -> None:
        make_instance()
        assert post(webhooks.connection("close", 401) | {"instance": named}) == 200
        assert process() == 0
        assert stored() == [("flowlog", "connection.update", "other_instance", True)]
        assert EvolutionInstance.objects.get().held_at is None

    @pytest.mark.parametrize("spelt", ["MESSAGES_UPDATE", "messages-update", "messages.update"])
    def test_however_the_event_is_spelt(self, spelt: str) -> None:
        post(receipt("3EB0", "READ") | {"event": spelt})
        assert stored() == [("flowlog", "messages.update", "", False)]


class TestWorkingOff:
    def test_one_that_a_later_release_left_is_done_and_holds_up_no_other(self) -> None:
        make_instance()
        post(envelope("calls.later", {}))
        post(webhooks.connection("open"))
        WebhookEvent.objects.update(processed_at=None)
        assert process() == 2
        assert stored() == [("flowlog", "calls.later", "", True), ("flowlog", "connection.update", "", True)]
        assert EvolutionInstance.objects.get().state == "open"

    def test_one_that_fails_fails_alone(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        make_instance()
        for key_id in ("one", "bad", "two"):
            post(receipt(key_id, "READ"))
        ingest = receipts.ingest

        def failing(instance: Any, events: Any) -> Any:
            if any(event.data["keyId"] == "bad" for event in events):
                raise KeyError("unforeseen")
            return ingest(instance, events)

        monkeypatch.setitem(intake.HANDLERS, "messages.update", failing)
        assert process() == 3
        assert [(error, processed) for _, _, error, processed in stored()] == [
            ("", False), ("failed", True), ("", False),
        ]  # fmt: skip
        assert "could not be worked off" in caplog.text

    def test_many_go_in_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        make_instance()
        monkeypatch.setattr(intake, "BATCH", 3)
        for number in range(7):
            post(receipt(f"key{number}", "x"))
        assert process() == 7
        assert {processed for *_, processed in stored()} == {True}

    def test_idle_it_costs_one_statement(self) -> None:
        with CaptureQueriesContext(connection) as queries:
            assert process() == 0
        assert len(queries) == 1

    def test_an_old_webhook_of_an_odd_shape_is_done_with(self) -> None:
        make_instance()
        shapes: tuple[Any, ...] = (None, [], "x", {}, {"keyId": 7, "status": "READ"}, {"keyId": "3EB0", "status": None})
        for data in shapes:
            post(envelope("messages.update", data))
        process()
        assert {error for _, _, error, _ in stored()} == {"unexpected_shape"}


@pytest.mark.django_db(transaction=True)
class TestWakingUp:
    def test_one_for_all_that_come_within_a_second(self) -> None:
        purge("default")
        for number in range(20):
            assert post(receipt(f"key{number}", "READ")) == 200
        assert post(envelope("chats.update", {})) == 200
        [task] = take_all("default")
        assert task.headers["task"] == "integrations.tasks.work_off_webhooks"
        assert task.headers["eta"]
        assert task.headers["ignore_result"] is True

    def test_a_hanging_broker_delays_one_answer_and_fails_none(self, settings: Any) -> None:
        with hanging_server() as address, broker_at(address, settings):
            assert [post(receipt(f"key{number}", "READ")) for number in range(5)] == [200] * 5
            assert not wakeups.pause.is_over()
        assert len(stored()) == 5

    def test_a_worker_does_it_within_seconds(self) -> None:
        make_instance()
        purge("default")
        with worker("default"):
            assert post(webhooks.connection("open")) == 200
            wait_until(lambda: EvolutionInstance.objects.get().state == "open", "the state")

    def test_two_processes_do_not_work_at_once(self) -> None:
        make_instance()
        post(receipt("3EB0", "x"))
        other = connections.create_connection("default")
        try:
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s)", [intake._LOCK])
            assert process() == 0
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [intake._LOCK])
            assert process() == 1
        finally:
            other.close()

    def test_the_sweep_does_what_a_lost_wake_up_left(self) -> None:
        make_instance()
        post(receipt("3EB0", "x"))
        purge("default")
        sweep()
        [task] = take_all("default")
        assert task.headers["task"] == "integrations.tasks.work_off_webhooks"
        work_off_webhooks()
        assert [processed for *_, processed in stored()] == [True]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)
KNOWN = st.sampled_from([*intake.HANDLERS, "qrcode.updated", "MESSAGES_UPSERT"])
FIELDS = (
    "key", "keyId", "status", "state", "message", "contextInfo", "messageTimestamp", "type", "editedMessage", "id",
    "timestampMs", "remoteJid", "fromMe", "lid", "protocolMessage",
)  # fmt: skip
INNER_FIELDS = (
    "id", "remoteJid", "remoteJidAlt", "fromMe", "conversation", "extendedTextMessage", "stanzaId", "senderPn",
    "participant", "low", "high", "protocolMessage", "editedMessage",
)  # fmt: skip
VALUES = st.sampled_from([False, 14, 0, "MESSAGE_EDIT", webhooks.JID, "9@lid", "SAIR", "3EB0", "5511987654321"])
NAMED = st.dictionaries(
    st.sampled_from(FIELDS),
    JSON | VALUES | st.dictionaries(st.sampled_from(INNER_FIELDS), JSON | VALUES | st.just({"conversation": "sair"})),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=JSON | st.fixed_dictionaries({"event": KNOWN | JSON, "data": NAMED | JSON}), raw=st.binary(max_size=40))
def test_no_body_whatever_is_an_error_of_ours(body: Any, raw: bytes) -> None:
    if not EvolutionInstance.objects.exists():
        make_instance()
    assert post(json.dumps(body).encode()) in {200, 400}
    assert post(raw) in {200, 400}
    process()
    assert not WebhookEvent.objects.filter(error="failed").exists()
    assert not WebhookEvent.objects.filter(processed_at=None, due_at__lte=Now() - timedelta(seconds=1)).exists()
