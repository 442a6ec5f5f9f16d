"""One order's story through every part as a process of its own: web server, both workers, beat and gateway."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from html import unescape
from pathlib import Path

import pytest
import requests
from django.conf import global_settings, settings
from django.test import override_settings
from django.utils import timezone
from django.utils.html import strip_tags

from integrations.carriers.models import CarrierNews
from integrations.carriers.sources.generic import sign
from integrations.models import CustomerReply, NotificationLog
from orders.models import Customer, Order
from orders.services import apply_transition
from tests.broker import purge
from tests.factories import PHONE, TRACKING_CODE, make_instance, make_order
from tests.integrations.sandbox import SandboxProcess
from tests.processes import System, wait_until
from tests.staff import make_staff

pytestmark = pytest.mark.django_db(transaction=True)

CARRIER_SECRET = "the-carrier-knows-it"


@pytest.fixture
def system(tmp_path: Path, gateway: SandboxProcess) -> Iterator[System]:
    with ExitStack() as stack:
        purge("default", "whatsapp")
        make_instance()
        system = System(stack, tmp_path, gateway, TRACKING_WEBHOOK_SECRET=CARRIER_SECRET)
        yield system
        # The last receipts have been delivered before the web server goes.
        gateway.set_webhook("flowlog", "")
        gateway.webhooks()


def log_in(address: str) -> requests.Session:
    """Ana's session in the admin, through its own login."""
    # The site is another process, which hashes as in production.
    with override_settings(PASSWORD_HASHERS=global_settings.PASSWORD_HASHERS):
        make_staff(password="segredo")
    session = requests.Session()
    session.trust_env = False
    session.headers["Accept-Language"] = "pt-BR"
    page = session.get(f"{address}/admin/login/", timeout=20).text
    [token] = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    form = {"username": "ana", "password": "segredo", "csrfmiddlewaretoken": token}
    answer = session.post(f"{address}/admin/login/", form, headers={"Referer": address}, timeout=20)
    assert (answer.status_code, answer.url) == (200, f"{address}/admin/")
    return session


def words(page: requests.Response) -> str:
    """What a page says, as one line."""
    assert page.status_code == 200
    return " ".join(unescape(strip_tags(page.text)).split())


def carrier_posts(address: str, order: Order) -> dict[str, str]:
    """The carrier says that it took the parcel; returns the answer."""
    news = {"tracking_code": TRACKING_CODE, "order": order.code, "status": "posted"}
    body = json.dumps(news | {"occurred_at": timezone.now().isoformat()}).encode()
    timestamp = str(int(time.time()))
    headers = {
        "X-Flowlog-Timestamp": timestamp,
        "X-Flowlog-Signature": f"sha256={sign(CARRIER_SECRET, timestamp, body)}",
    }
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(f"{address}/webhooks/tracking/generic/", body, headers=headers, timeout=20)
    assert answer.status_code == 200, answer.text
    result: dict[str, str] = answer.json()
    return result


def rows(order: Order) -> list[tuple[str, str, str, str]]:
    fields = ("event", "status", "receipt", "error_code")
    return list(NotificationLog.objects.filter(order=order).order_by("pk").values_list(*fields))


def test_told_read_answered_and_left_alone(system: System, gateway: SandboxProcess) -> None:
    system.start_all()
    address = system.web()
    secret = {"Authorization": f"Bearer {settings.EVOLUTION_WEBHOOK_SECRET}"}
    gateway.set_webhook("flowlog", f"{address}/webhooks/evolution/flowlog/", secret)
    gateway.options(read_seconds=None)  # Maria reads when the story says so
    ana = log_in(address)

    order = make_order(notify=True, delivery_method="correios_pac")
    apply_transition(order, "confirm")
    wait_until(lambda: len(gateway.texts(PHONE)) == 2, "the order and its confirmation to be told")

    assert carrier_posts(address, order) == {"order": order.code, "result": "applied"}
    wait_until(lambda: len(gateway.texts(PHONE)) == 3, "the parcel to be told")
    assert TRACKING_CODE in gateway.texts(PHONE)[2]
    order.refresh_from_db()
    assert (order.delivery_status, order.tracking_code) == ("shipped", TRACKING_CODE)

    wait_until(lambda: {row[2] for row in rows(order)} == {"delivery_ack"}, "three receipts of delivery")
    gateway.read(PHONE)
    told = [(event, "sent", "read", "") for event in ("create", "confirm", "ship")]
    wait_until(lambda: rows(order) == told, "three receipts of reading")
    page = words(ana.get(f"{address}/admin/orders/order/{order.pk}/change/", timeout=20))
    assert len(re.findall(r"enviada lida \d", page)) == 3
    assert f"{order.code} confirmado lida Maria" in words(ana.get(f"{address}/admin/orders/order/", timeout=20))

    gateway.reply(PHONE, "Sair!")
    wait_until(lambda: len(gateway.texts(PHONE)) == 4, "the confirmation of opting out")
    assert "VOLTAR" in gateway.texts(PHONE)[3]
    maria = Customer.objects.get()
    assert maria.opted_out_at is not None
    assert CustomerReply.objects.values_list("order", "text").get() == (order.pk, "Sair!")

    apply_transition(order, "out_for_delivery")
    left_alone = ("out_for_delivery", "skipped", "", "opted_out")
    wait_until(lambda: rows(order) == [*told, left_alone], "the message that is not sent")
    reason = NotificationLog.objects.get(event="out_for_delivery").error_message
    assert reason
    page = words(ana.get(f"{address}/admin/orders/order/{order.pk}/change/", timeout=20))
    assert "descartada" in page
    assert reason in page
    assert "Sair!" in page

    assert len(gateway.texts()) == 4
    assert NotificationLog.objects.count() == 5
    assert CarrierNews.objects.values_list("result", flat=True).get() == "applied"
