"""Errors reach Sentry, and nothing of a customer goes with them: a local server plays Sentry's part."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.embedded import BASE_DIR

PROGRAM = """
import logging, os
os.environ["DJANGO_SETTINGS_MODULE"] = "flowlog.settings"
import django; django.setup()
from django.test import Client
phone = "+5511987654321"
logging.getLogger("orders").warning("only a line of the log: %s", phone)
def fail(number):
    raise ValueError(f"{number} is unknown; apikey=4aB-99; gateway-secret-1")
try:
    fail(phone)
except ValueError:
    words = "Could not tell %s (%d) of /rastreio/bcXBselD7jloiVWmSN-J8Q/"
    logging.getLogger("orders").exception(words, phone, int(phone))
"""


@contextmanager
def sentry() -> Iterator[tuple[str, list[Any]]]:
    """A DSN, and the events that were sent to it."""
    events: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            lines = [json.loads(line) for line in body.splitlines() if line]
            events.extend(item for header, item in itertools.pairwise(lines) if header.get("type") == "event")
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://public-key-1@127.0.0.1:{server.server_port}/1", events
    finally:
        server.shutdown()
        server.server_close()


def run(program: str = PROGRAM, **env: str) -> str:
    env = os.environ | {"DEBUG": "true", "EVOLUTION_API_KEY": "gateway-secret-1"} | env
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_an_error_is_reported_with_its_place_without_people_or_secrets(tmp_path: Any) -> None:
    with sentry() as (dsn, events):
        run(SENTRY_DSN=dsn, LOG_DIR=str(tmp_path))
    [event] = events
    assert event["logentry"]["message"] == "Could not tell %s (%d) of /rastreio/***/"
    assert event["logentry"]["params"] == ["…4321", "…4321"]
    [error] = event["exception"]["values"]
    assert error["value"] == "…4321 is unknown; apikey=***; ***"
    assert [frame["function"] for frame in error["stacktrace"]["frames"]] == ["<module>", "fail"]
    assert len(event["release"]) == 40
    sent = json.dumps(event)
    for private in ("5511987", "gateway-secret", "4aB-99", "bcXBselD", os.uname().nodename):
        assert private not in sent, sent[max(0, sent.index(private) - 200) :][:500]
    assert "vars" not in error["stacktrace"]["frames"][-1]


@pytest.mark.django_db(transaction=True)
def test_a_task_that_fails_is_reported_without_what_it_carried(tmp_path: Any) -> None:
    from flowlog.celery import app
    from tests.broker import purge
    from tests.processes import wait_until, worker

    purge("whatsapp")
    snapshot = {"customer": {"nickname": "Maria da Silva", "phone": "+5511987654321"}}
    app.send_task("notifications.tasks.send_whatsapp", ("of 5511987654321", snapshot), queue="whatsapp")
    with sentry() as (dsn, events), worker("whatsapp", SENTRY_DSN=dsn, LOG_DIR=str(tmp_path)):
        wait_until(lambda: events, "the event")
    [event] = events
    error = event["exception"]["values"][-1]
    assert error["value"].splitlines()[0] == 'invalid input syntax for type bigint: "of …4321"'
    assert event["transaction"] == "notifications.tasks.send_whatsapp"
    sent = json.dumps(event)
    for private in ("5511987", "Maria", "nickname"):
        assert private not in sent


def test_a_request_that_fails_is_reported_without_what_it_carried(tmp_path: Any) -> None:
    address = "/fail/?next=/rastreio/bcXBselD7jloiVWmSN-J8Q/"
    body = {"username": "maria", "password": "pw-of-hers", "phone": "+55 (11) 98765-4321"}
    head = {"authorization": "Bearer of-it", "cookie": "sessionid=her-session", "x-forwarded-for": "203.0.113.9"}
    program = """
import json, os
os.environ["DJANGO_SETTINGS_MODULE"] = "flowlog.settings"
from flowlog.wsgi import application
from django.test import RequestFactory
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from flowlog.urls import urlpatterns
@csrf_exempt
def fail(request):
    raise ValueError(request.POST["phone"])
urlpatterns.append(path("fail/", fail))
# Not written here: the lines of the source are sent with the error.
body, head = json.loads(os.environ["BODY"]), json.loads(os.environ["HEAD"])
request = RequestFactory().post(os.environ["ADDRESS"], body, headers=head)
list(application(request.environ, lambda *_args: None))
"""
    with sentry() as (dsn, events):
        run(
            program,
            SENTRY_DSN=dsn,
            LOG_DIR=str(tmp_path),
            ADDRESS=address,
            BODY=json.dumps(body),
            HEAD=json.dumps(head),
        )
    # Another tells of the start that its database is empty.
    [event] = [each for each in events if "exception" in each]
    assert event["request"] == {"method": "POST", "url": "http://testserver/fail/"}
    assert event["exception"]["values"][0]["value"] == "…4321"
    sent = json.dumps(events)
    for private in ("98765", "maria", "pw-of-hers", "of-it", "her-session", "203.0.113.9", "bcXBselD"):
        assert private not in sent


def test_without_a_dsn_nothing_is_sent(tmp_path: Any) -> None:
    with sentry() as (_dsn, events):
        run(SENTRY_DSN="", LOG_DIR=str(tmp_path))
    assert events == []


@pytest.mark.parametrize("dsn", ["sentry", "http://key@example.com/1"])
def test_a_wrong_dsn_refuses_to_start_without_repeating_it(dsn: str, tmp_path: Any) -> None:
    env = os.environ | {"DEBUG": "true", "SENTRY_DSN": dsn, "LOG_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=BASE_DIR,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "SENTRY_DSN deve ser um endereço que começa com https://."
