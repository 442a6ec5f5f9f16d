"""CONTRIBUTING.md's recipes, followed in a copy of the code: what they name is all that has to be touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.embedded import BASE_DIR

TEXTS = "templates/notifications/whatsapp"
TRANSITION = """
    Transition(
        name="recall",
        label=_("Call back"),
        done=_("Called back to the store"),
        methods=SHIPPING_METHODS,
        status_from=frozenset({OrderStatus.CONFIRMED}),
        delivery_from=frozenset({DeliveryStatus.OUT_FOR_DELIVERY}),
        delivery_to=DeliveryStatus.SHIPPED,
        headline=_("Your order goes back to the store"),
        advice=_("It sets out again tomorrow."),
    ),
"""
ORDER = """
    from orders.models import Order
    order = Order(code="ABC123", delivery_method="courier", status="confirmed", payment_status="pending",
                  delivery_status="out_for_delivery")
"""
CARRIER = '''
"""A carrier with a key of its own."""

import hmac
import json
from datetime import datetime

from integrations.carriers.updates import Status, Update, wrong


def verify(headers, body, secret):
    if not hmac.compare_digest(headers.get("X-Acme-Key", "").encode(), secret.encode()):
        raise wrong("X-Acme-Key is missing or wrong.")
    return json.loads(body)["id"]


def parse(body):
    news = json.loads(body)
    return [Update(tracking_code=news["code"], order="", status=Status(news["what"]),
                   occurred_at=datetime.fromisoformat(news["at"]), description="")]
'''


class Copy:
    """The code in another folder, to be changed there and run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("flowlog", "orders", "integrations", "notifications", "templates", "static", "locale"):
            shutil.copytree(BASE_DIR / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(BASE_DIR / "manage.py", root)

    def insert(self, file: str, before: str, text: str) -> None:
        path = self.root / file
        old = path.read_text()
        assert old.count(before) == 1, f"{before!r} is not once in {file}"
        path.write_text(old.replace(before, text + before))

    def write(self, file: str, text: str) -> None:
        assert not (self.root / file).exists()
        (self.root / file).write_text(text)

    def run(self, code: str) -> subprocess.CompletedProcess[str]:
        """The code after Django was set up there; what it prints is what it finds."""
        program = "import django; django.setup()\n" + dedent(code)
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "flowlog.settings", "LOG_DIR": str(self.root / "logs")}
        command = [sys.executable, "-c", program]
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)

    def prints(self, code: str) -> list[str]:
        done = self.run(code)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_a_transition_is_an_entry_and_a_text(copy: Copy) -> None:
    copy.insert("orders/transitions.py", '\n    Transition(\n        name="cancel",', TRANSITION.rstrip("\n"))
    copy.write(f"{TEXTS}/recall.txt", "Pedido *{{ order.code }}*\n")
    found = copy.prints(f"""{ORDER}
    from django.core.management import call_command
    from django.template.loader import get_template
    from integrations.messages.kinds import kinds
    from orders.transitions import TRANSITIONS, possible_transitions, way_ahead

    print(*(entry.name for entry in possible_transitions(order)))
    TRANSITIONS["recall"].change_statuses(order)
    print(*(entry.name for entry in way_ahead(order)))
    print(dict(kinds())["recall"])
    get_template("notifications/whatsapp/recall.txt")
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    """)
    assert found == [
        "pay deliver fail_delivery recall cancel",
        "out_for_delivery deliver",
        "Called back to the store",
    ]


def test_an_entry_that_changes_nothing_stops_every_process(copy: Copy) -> None:
    useless = TRANSITION.replace("        delivery_to=DeliveryStatus.SHIPPED,\n", "")
    copy.insert("orders/transitions.py", '\n    Transition(\n        name="cancel",', useless.rstrip("\n"))
    done = copy.run("print('it started')")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Transition 'recall' may change nothing" in done.stderr


def test_a_kind_of_message_is_an_entry_and_a_text(copy: Copy) -> None:
    entry = (
        '    Kind("review_request", "Asks for a review", lifetime=timedelta(days=2), occasion=lambda _order: "once"),\n'
    )
    copy.insert("integrations/messages/kinds.py", "    Kind(OPT_OUT,", entry)
    copy.write(f"{TEXTS}/review_request.txt", "Pedido *{{ order.code }}*\n")
    found = copy.prints(f"""{ORDER}
    from django.core.management import call_command
    from integrations.messages.kinds import KINDS, kinds
    from orders import news

    order.pk = 7
    print(dict(kinds())["review_request"])
    print(dict(news.choices())["review_request"])
    print(KINDS["review_request"].dedupe_key(order))
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    """)
    assert found == ["Asks for a review", "Asks for a review", "review_request:7:once"]


def test_a_carrier_is_a_file_and_a_line(copy: Copy) -> None:
    copy.write("integrations/carriers/sources/acme.py", CARRIER.lstrip())
    file = copy.root / "integrations" / "carriers" / "__init__.py"
    text = file.read_text().replace("import generic", "import acme, generic")
    file.write_text(text.replace('"generic": generic', '"generic": generic, "acme": acme'))
    found = copy.prints("""
    from integrations.carriers import SOURCES
    source = SOURCES["acme"]
    body = b'{"id": "1", "code": "AA123456785BR", "what": "delivered", "at": "2026-11-27T10:00:00-03:00"}'
    print(source.verify({"X-Acme-Key": "secret"}, body, "secret"))
    print(*((each.tracking_code, each.status.value) for each in source.parse(body)))
    """)
    assert found == ["1", "('AA123456785BR', 'delivered')"]
