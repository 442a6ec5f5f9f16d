"""A shop connects its phone: the code is on the page, is renewed there, and the page says when it was read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.instances import connections
from integrations.models import EvolutionInstance
from tests.browser.screen import DESK, SMALL_PHONE, Opener, log_in, photograph
from tests.factories import make_instance
from tests.integrations.sandbox import SandboxProcess
from tests.staff import make_staff

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("width", [DESK, SMALL_PHONE])
def test_from_the_banner_to_connected(opened: Opener, live_server: Any, gateway: SandboxProcess, width: int) -> None:
    gil = make_staff("gil", MANAGEMENT_GROUP)
    instance = EvolutionInstance.objects.first() or make_instance()
    gateway.disconnect("flowlog", 401)
    connections.hold(instance.pk, "connection_closed")
    EvolutionInstance.objects.update(state="close")
    with opened(width, base_url=live_server.url) as page:
        log_in(page, gil, live_server.url)
        page.goto("/admin/")
        photograph(page, "home-first-steps")
        banner = page.get_by_role("alert").filter(has_text="WhatsApp flowlog desconectado.")
        banner.get_by_role("link", name="Ver").click()
        expect(page.get_by_role("heading", name="O WhatsApp desta loja está desconectado")).to_be_visible()
        photograph(page, "whatsapp-cut")
        page.get_by_role("link", name="Conectar com o QR code").click()
        code = page.get_by_role("img", name="QR code para conectar o celular")
        expect(code.locator("svg")).to_be_visible()
        photograph(page, "whatsapp-code")
        first = code.inner_html()
        gateway.act("renew", instance="flowlog")
        expect(code).not_to_have_js_property("innerHTML", first)
        gateway.pair("flowlog")
        expect(page.get_by_role("status")).to_have_text(re.compile("^Conectado: "))
        expect(code).to_be_hidden()
        expect(banner).to_have_count(0)
        photograph(page, "whatsapp-connected")
        page.get_by_role("link", name="Voltar").click()
        expect(page.get_by_role("heading", name="O WhatsApp desta loja está conectado")).to_be_visible()
        expect(banner).to_have_count(0)
        # The page follows without being loaded again.
        connections.hold(instance.pk, "connection_closed")
        cut = page.get_by_role("heading", name="O WhatsApp desta loja está desconectado")
        expect(cut).to_be_visible(timeout=15_000)
    instance.refresh_from_db()
    assert (instance.state, instance.held_code) == ("open", "connection_closed")


def test_with_a_code_to_type(opened: Opener, live_server: Any, gateway: SandboxProcess) -> None:
    gil = make_staff("gil", MANAGEMENT_GROUP)
    instance = EvolutionInstance.objects.first() or make_instance()
    gateway.disconnect("flowlog", 401)
    with opened(SMALL_PHONE, base_url=live_server.url, color_scheme="dark") as page:
        log_in(page, gil, live_server.url)
        page.goto(f"/admin/integrations/evolutioninstance/{instance.pk}/phone/")
        page.get_by_text("Sem câmera? Conecte digitando um código").click()
        number = page.get_by_label("Número do WhatsApp da loja, com DDD")
        number.fill("11 9876")
        page.get_by_role("button", name="Mostrar o código").click()
        expect(page.locator("[data-wrong]")).not_to_be_empty()
        photograph(page, "whatsapp-wrong-number")
        number.fill("(11) 98765-4321")
        page.get_by_role("button", name="Mostrar o código").click()
        expect(page.locator("[data-typed]")).to_have_text(re.compile(r"^[A-Z0-9]{4}-[A-Z0-9]{4}$"), timeout=15_000)
        expect(page.get_by_role("img", name="QR code para conectar o celular")).to_be_hidden()
        photograph(page, "whatsapp-typed-code")
        gateway.pair("flowlog")
        expect(page.get_by_role("status")).to_have_text(re.compile("^Conectado: "))
