"""CONTRIBUTING.md's recipes, followed in a copy of the code: what they name is all that has to be touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from django.test import Client
from django.urls import get_resolver

from tests.embedded import BASE_DIR

PACKAGES = ("flowlog", "orders", "integrations", "notifications", "api", "outgoing")
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

from integrations.carriers.news import ParcelNews
from integrations.sources import reading
from integrations.sources.credentials import Credential

TITLE = "Acme"
CREDENTIALS = (Credential("secret", "Segredo", "", secret=True, required=True),)
MEANINGS = {"entregue": "delivered"}


def is_probe(method, headers, body):
    return method != "POST"


def verify(headers, body, credentials):
    reading.require_signature(headers, "X-Acme-Sign", body, credentials.get("secret", ""), as_hex=True)


@reading.reader
def read(headers, values):
    return ParcelNews(word=reading.required(values, "what"), codes=(reading.required(values, "code"),))
'''

IMPORT = "from integrations.shops.sources import acme\n"
SHOP = '''
"""A shop that signs with a key."""

from integrations.sources.credentials import Credential
from integrations.shops.sources import reading

TITLE = "Acme"
CREDENTIALS = (Credential("secret", "Segredo", "", secret=True, required=True),)
MEANINGS = {"pago": "paid"}


def is_probe(method, headers, body):
    return method != "POST"


def verify(headers, body, credentials):
    reading.require_signature(headers, "X-Acme-Sign", body, credentials.get("secret", ""), as_hex=True)


@reading.reader
def read(headers, values):
    return reading.Nothing(reading.required(values, "what"))
'''

GATEWAY = '''
"""A gateway that carries nothing far."""

from integrations.gateways import Capabilities, SendReceipt


class AcmeGateway:
    capabilities = Capabilities(takes_ids=False, tells_receipts=False)

    def __init__(self, instance):
        self._name = instance.name

    def send(self, recipient, text, *, message_id="", not_after=None):
        return SendReceipt(f"{self._name} {recipient} {text}", 200, "", 0.01)

    def state(self):
        return "open"
'''


GUIDE = '''
"""What people do about it."""

from integrations.gateways.guides import Guide


class AcmeGuide(Guide):
    def closed(self, instance):
        return "It sleeps.", "Wake it."
'''

READER = '''
"""What its webhooks say."""

from integrations.inbound.reading import Reader
from integrations.models import NotificationLog


class AcmeReader(Reader):
    receipts = frozenset({"acme.receipt"})

    def receipt(self, event):
        return event.payload["of"], NotificationLog.Receipt.READ
'''


class Copy:
    """The code in another folder, to be changed there and run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in (*PACKAGES, "templates", "static", "locale"):
            # What is compiled already, too: it counts as long as its source is not changed.
            shutil.copytree(BASE_DIR / name, root / name)
        shutil.copy(BASE_DIR / "manage.py", root)

    def insert(self, file: str, before: str, text: str) -> None:
        path = self.root / file
        old = path.read_text()
        assert old.count(before) == 1, f"{before!r} is not once in {file}"
        path.write_text(old.replace(before, text + before))

    def write(self, file: str, text: str) -> None:
        assert not (self.root / file).exists()
        (self.root / file).parent.mkdir(exist_ok=True)
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
    copy.write(f"{TEXTS}/recall.txt", "Pedido *{código}*\n")
    found = copy.prints(f"""{ORDER}
    from django.core.management import call_command
    from integrations.messages.kinds import kinds
    from integrations.messages.snapshot import OrderPart, Snapshot
    from notifications import texts
    from orders.transitions import TRANSITIONS, possible_transitions, way_ahead

    print(*(entry.name for entry in possible_transitions(order)))
    TRANSITIONS["recall"].change_statuses(order)
    print(*(entry.name for entry in way_ahead(order)))
    print(dict(kinds())["recall"])
    print(texts.render("recall", Snapshot(order=OrderPart(code="ABC123"))))
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    """)
    assert found == [
        "pay deliver fail_delivery recall cancel",
        "out_for_delivery deliver",
        "Called back to the store",
        "Pedido *ABC123*",
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
    copy.write(f"{TEXTS}/review_request.txt", "Pedido *{código}*\n")
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
    text = file.read_text().replace("sources import correios", "sources import acme, correios")
    file.write_text(text.replace('"correios": correios', '"correios": correios,\n    "acme": acme'))
    found = copy.prints("""
    from integrations.models import CarrierConnection
    from integrations.carriers import CARRIERS, guides
    from integrations.sources import RefusedError
    source = CARRIERS["acme"]
    news = source.read({}, b'{"code": "AA123456785BR", "what": "entregue"}')
    print(news.codes, news.word, source.read({}, b"{}").trouble)
    try:
        source.verify({}, b"", {"secret": "x"})
    except RefusedError as refusal:
        print(refusal)
    print(CarrierConnection(source="acme", token="x").address.endswith("/webhooks/tracking/acme/x/"))
    print(len(guides.steps("acme")))
    """)
    assert found == ["('AA123456785BR',) entregue True", "X-Acme-Sign is missing or wrong.", "True", "3"]


def test_a_gateway_is_a_package_and_a_line(copy: Copy) -> None:
    copy.write("integrations/acme/__init__.py", "")
    copy.write("integrations/acme/gateway.py", GATEWAY.lstrip())
    copy.write("integrations/acme/guide.py", GUIDE.lstrip())
    copy.write("integrations/acme/reader.py", READER.lstrip())
    line = (
        "        from integrations.acme.gateway import AcmeGateway\n"
        "        from integrations.acme.guide import AcmeGuide\n"
        "        from integrations.acme.reader import AcmeReader\n"
        '        register(Kind("acme", "Acme", AcmeGateway, AcmeGuide(), AcmeReader()))\n'
    )
    copy.insert("integrations/apps.py", "        register(Kind(META,", line)
    found = copy.prints("""
    from django.core.management import call_command
    from integrations.gateways import gateway_for
    from integrations.gateways.registry import that_tell_receipts
    from integrations.gateways.guides import guide_of
    from integrations.inbound.intake import known_events
    from integrations.inbound.reading import reader_of
    from integrations.models import EvolutionInstance, WebhookEvent, WebhookTally

    instance = EvolutionInstance(name="loja", gateway="acme")
    print(instance.get_gateway_display(), that_tell_receipts())
    print(gateway_for(instance).send("+5511987654321", "Oi").provider_message_id)
    print(*guide_of("acme").closed(instance), WebhookTally(source="acme").told_by)
    event = WebhookEvent(source="acme", event="acme.receipt", payload={"of": "A1"})
    print(event.event in known_events(), *reader_of(event).receipt(event))
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    """)
    assert found == ["Acme ['evolution', 'meta']", "loja +5511987654321 Oi", "It sleeps. Wake it. Acme", "True A1 read"]


def test_a_shop_is_a_file_and_a_line(copy: Copy) -> None:
    copy.write("integrations/shops/sources/acme.py", SHOP.lstrip())
    copy.insert("integrations/shops/__init__.py", "from integrations.shops.sources import", IMPORT)
    copy.insert("integrations/shops/__init__.py", '    "generic": generic,', '    "acme": acme,\n')
    found = copy.prints("""
    import hmac
    from django.core.management import call_command
    from integrations.models import ShopConnection
    from integrations.shops import SHOPS, guides
    from integrations.sources import RefusedError

    body, kept = b'{"what": "Nada"}', {"secret": "chave"}
    acme = SHOPS["acme"]
    print(acme.verify({"X-Acme-Sign": hmac.new(b"chave", body, "sha256").hexdigest()}, body, kept))
    try:
        acme.verify({"X-Acme-Sign": hmac.new(b"", body, "sha256").hexdigest()}, body, {})
    except RefusedError as refusal:
        print(refusal.status.value)
    print(acme.read({}, body).reason, acme.read({}, b"[").trouble)
    print(ShopConnection(source="acme", token="x").address.endswith("/webhooks/orders/acme/x/"))
    print(len(guides.steps("acme")))
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    """)
    assert found == ["None", "403", "Nada True", "True", "4"]


ROUTES = [str(each.pattern) for each in get_resolver("flowlog.urls").url_patterns]
ADDRESSES = [route for route in ROUTES if route.startswith("webhooks/")]


@pytest.mark.django_db
@pytest.mark.parametrize("route", ADDRESSES)
def test_an_address_of_machines_turns_strangers_away(route: str) -> None:
    assert {route.removesuffix("/"), f"{route.removesuffix('/')}/"} <= set(ADDRESSES)
    address = "/" + route.replace("<str:instance>", "flowlog").replace("<str:source>", "generic")
    address = address.replace("<str:token>", "nobodys")
    stranger = Client(enforce_csrf_checks=True)
    for body in (b"{}", b" " * (5 * 1024 * 1024)):
        answer = stranger.post(address, body, content_type="application/json")
        assert answer.status_code in (401, 403, 404)
        assert not answer.cookies
    refused = stranger.put(address)
    assert (refused.status_code, "POST" in refused.headers["Allow"]) == (405, True)
