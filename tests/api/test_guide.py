"""api/API.md: its examples, run as they are written, against the web server itself; and what else it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.conf import settings as django_settings

from api import auth, idempotency
from api.models import ApiToken
from api.v1.given import NAMES
from integrations.models import NotificationLog
from orders.models import Order
from orders.transitions import TRANSITIONS
from tests.api.client import make_token
from tests.embedded import BASE_DIR
from tests.factories import make_instance
from tests.processes import web_server

GUIDE = (BASE_DIR / "api" / "API.md").read_text()


def example(language: str) -> str:
    found: list[str] = re.findall(rf"(?ms)^```{language}\n(.*?)^```$", GUIDE)
    assert len(found) == 1
    return found[0]


@pytest.fixture
def environment(transactional_db: None) -> Iterator[dict[str, str]]:
    """A shop's server, with where Flowlog is and what opens it."""
    make_instance()
    _token, secret = make_token()
    with web_server(WEB_CONCURRENCY="1") as address:
        yield {"PATH": os.environ["PATH"], "FLOWLOG": address, "FLOWLOG_TOKEN": secret}


def run(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def told() -> list[str]:
    return list(NotificationLog.objects.order_by("pk").values_list("event", flat=True))


def test_curl_puts_an_order(environment: dict[str, str]) -> None:
    for result in ("created", "nothing_new"):
        assert f'"result":"{result}"' in run(environment, "bash", "-euc", example("bash"))
    order = Order.objects.get()
    assert (order.source, order.external_id, order.status, order.payment_status) == (
        "minha-loja", "1042", "confirmed", "paid",
    )  # fmt: skip
    assert (str(order.total), order.customer.cpf, told()) == ("169.80", "52998224725", ["pay"])


def test_python_takes_an_order_on(environment: dict[str, str]) -> None:
    lines = run(environment, sys.executable, "-c", example("python")).splitlines()
    order = Order.objects.get()
    assert lines[0] == f"Ana, seu pedido *{order.code}* está confirmado! ✅"
    assert f"não é possível para o pedido {order.code}" in "\n".join(lines)
    assert [line.split(" ", 1)[1] for line in lines[-2:]] == [
        "Pedido recebido Minha loja",
        "Pedido confirmado Minha loja",
    ]
    assert (order.status, told()) == ("confirmed", ["create", "confirm"])


def test_php_tells_that_an_order_waits(environment: dict[str, str]) -> None:
    php = shutil.which("php")
    if php is None and "CI" not in os.environ:
        pytest.skip("no PHP")
    assert php, "CI has PHP with curl"
    program = example("php").removeprefix("<?php")
    assert run(environment, php, "-r", program) == "confirm: pending\nready_for_pickup: pending\n"
    order = Order.objects.get()
    assert (order.external_id, order.delivery_status) == ("1043", "ready_for_pickup")


def test_it_names_all_there_is() -> None:
    steps = set(re.findall(r"`([a-z_]+)`", "".join(re.findall(r"(?m)^\| (`[a-z_`, ]+`) \|", GUIDE))))
    assert set(NAMES) <= steps
    for name in NAMES:
        row = next(line for line in GUIDE.splitlines() if line.startswith("| `") and f"`{name}`" in line.split("|")[1])
        assert {each for each in TRANSITIONS[name].takes if f"`{each}`" in row} == set(TRANSITIONS[name].takes)
    assert {f"`{scope}`" for scope in ApiToken.Scope.values} <= set(re.findall(r"`[a-z]+:?[a-z]*`", GUIDE))


def test_its_numbers_are_those_of_the_code() -> None:
    per_minute = django_settings.API_REQUESTS_PER_MINUTE
    assert f"{per_minute} requisições seguidas" in GUIDE
    assert f"{idempotency.KEPT_FOR.total_seconds() / 3600:.0f} horas" in GUIDE
    assert auth.FAILURES_PER_MINUTE == 30


def test_it_says_what_to_do_about_each_problem() -> None:
    sources = "".join(path.read_text() for path in (BASE_DIR / "api").rglob("*.py"))
    known = set(re.findall(r'HTTPStatus\.[A-Z_]+,\s*"([a-z-]+)"|(?:refusal\)|reason), "([a-z-]+)"', sources))
    codes = {code for pair in known for code in pair if code}
    rows = re.findall(r"(?m)^\| \d.*?\| (.*?) \|", GUIDE)
    assert {code for row in rows for code in re.findall(r"`([a-z-]+)`", row)} == codes
