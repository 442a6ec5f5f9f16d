"""outgoing/WEBHOOKS.md: its receiver, run as it is written; and what else it says."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db.models.functions import Now

from outgoing import bodies, delivery, kinds
from outgoing.models import OutgoingEvent
from tests.embedded import BASE_DIR
from tests.factories import make_order
from tests.outgoing.endpoints import make_endpoint, told
from tests.processes import answers, wait_until

pytestmark = pytest.mark.django_db

GUIDE = (BASE_DIR / "outgoing" / "WEBHOOKS.md").read_text()


def example(language: str) -> str:
    [found] = re.findall(rf"(?ms)^```{language}\n(.*?)^```$", GUIDE)
    return str(found)


@contextmanager
def the_receiver(secret: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Its address, and its process, whose output says what it took."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {"PATH": os.environ["PATH"], "FLOWLOG_SECRET": secret, "PORT": str(port)}
    command = [sys.executable, "-c", example("python")]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            wait_until(lambda: answers(port), "the receiver")
            yield f"http://127.0.0.1:{port}/", process
        finally:
            process.terminate()


def test_its_receiver_takes_what_is_flowlogs_once() -> None:
    endpoint, former = make_endpoint()
    secret = endpoint.new_secret()
    with the_receiver(secret) as (address, process):
        endpoint.url = address
        endpoint.save()
        order = make_order(until="confirmed")
        assert delivery.deliver() == 2
        delivery.again(OutgoingEvent.objects.all())
        assert delivery.deliver() == 2
        stranger, _secret = make_endpoint(address, kinds=["order.pay"])
        event = OutgoingEvent.objects.create(endpoint=stranger, kind="test", payload={"message": "?"})
        delivery.deliver()
        assert [tried.http_status for tried in event.tries.all()] == [401]
        OutgoingEvent.objects.filter(pk=event.pk).update(due_at=Now(), endpoint=endpoint)
        assert delivery.deliver() == 1
        process.terminate()
        assert process.stdout is not None
        assert process.stdout.read().splitlines() == [
            f"order.created {order.code}", f"order.confirmed {order.code}", "test None",
        ]  # fmt: skip
    assert {state for _name, state in told()} == {"delivered"}
    assert former != secret


def test_it_names_all_there_is() -> None:
    lists = " ".join(re.findall(r"(?ms)^- `(?:order|message)\.…`: .*?(?=^- )", GUIDE))
    names = set(re.findall(r"`([a-z_]+)`", lists.replace("`id`", "").replace("`about`", "").replace("`status`", "")))
    assert names - {"error_code"} == {kinds.type_of(kind).partition(".")[2] for kind, _words in kinds.choices()}


def test_its_event_looks_as_events_look() -> None:
    make_endpoint(kinds=["order.ship"])
    make_order(until="shipped", delivery_method="correios_pac")
    shown, sent = json.loads(example("json")), json.loads(bodies.body_of(OutgoingEvent.objects.get()))
    assert shown["type"] == sent["type"]
    assert shown["data"]["order"].keys() == sent["data"]["order"].keys()
    assert shown["data"]["order"]["parcels"] == sent["data"]["order"]["parcels"]


def test_its_numbers_are_those_of_the_code() -> None:
    assert delivery.LIFETIME.days == 3
    assert delivery.READ_TIMEOUT >= 10
