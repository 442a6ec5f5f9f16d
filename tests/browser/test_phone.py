"""A customer's phone and the shop's connections, with a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.screen import DESK, Opener, photograph_on_each
from tests.integrations.sandbox import SandboxProcess, sandbox

MOBILE = "5511987654321"


@pytest.fixture(scope="module")
def process() -> Iterator[SandboxProcess]:
    """A sandbox in which nobody reads without a click, with one message on a phone."""
    with sandbox("loja") as running:
        running.options(server_ack_seconds=0, delivery_ack_seconds=0, read_seconds=None, connect_seconds=0)
        requests.post(
            f"{running.base_url}/message/sendText/loja",
            headers={"apikey": running.api_key},
            json={"number": MOBILE, "text": "Seu pedido saiu para entrega"},
            timeout=10,
        ).raise_for_status()
        yield running


@pytest.fixture(params=[True, False], ids=["script", "no script"])
def page(request: pytest.FixtureRequest, opened: Opener, process: SandboxProcess) -> Iterator[Page]:
    """A window with and without scripts."""
    with opened(DESK, java_script_enabled=request.param, base_url=process.base_url) as page:
        yield page


def test_answering(page: Page, process: SandboxProcess) -> None:
    page.goto(f"/phone/{MOBILE}")
    photograph_on_each(page, "celular")
    expect(page.locator(".bubble").first).to_contain_text("Seu pedido saiu para entrega")
    before = page.locator(".bubble.own").count()
    page.get_by_label("Mensagem", exact=True).fill("Obrigada!")
    page.get_by_role("button", name="Enviar").click()
    expect(page.locator(".bubble.own")).to_have_count(before + 1)
    expect(page.get_by_label("Mensagem", exact=True)).to_have_value("")
    page.get_by_role("button", name="SAIR").click()
    expect(page.locator(".bubble.own").last).to_contain_text("SAIR")
    page.locator(".bubble").first.hover()
    page.get_by_role("link", name="Responder", exact=True).first.click()
    page.get_by_label("Mensagem", exact=True).fill("Quando chega?")
    page.get_by_role("button", name="Enviar").click()
    expect(page.locator(".bubble.own").last.locator("blockquote")).to_have_text("Seu pedido saiu para entrega")
    expect(page.locator(".composer .quote")).to_have_count(0)
    # Who answers has read.
    expect(page.locator(".ticks.read")).to_have_count(1)


def test_pairing(page: Page, process: SandboxProcess) -> None:
    page.goto("/phone/instances")
    photograph_on_each(page, "conexoes", "conectada")
    page.get_by_role("button", name="Encerrar a sessão no celular").click()
    expect(page.get_by_text("não pareada")).to_be_visible()
    page.get_by_role("button", name="Mostrar o QR code").click()
    picture = page.get_by_alt_text("QR code para parear")
    expect(picture).to_be_visible()
    photograph_on_each(page, "conexoes-qr-code", "conectando")
    page.get_by_role("button", name="Ler o código").click()
    expect(page.get_by_text("conectada", exact=True)).to_be_visible()
    assert process.options()["instances"] == {"loja": "open"}


def test_changing_and_taking_back(page: Page, process: SandboxProcess) -> None:
    process.reply(MOBILE, "Bom dia")
    page.goto(f"/phone/{MOBILE}")
    said = page.locator(".bubble.own").last
    said.hover()
    said.get_by_role("link", name="Editar").click()
    text = page.get_by_label("Mensagem", exact=True)
    expect(text).to_have_value("Bom dia")
    photograph_on_each(page, "celular-editar")
    text.fill("SAIR")
    page.get_by_role("button", name="Enviar").click()
    expect(said).to_contain_text("SAIR")
    expect(said).to_contain_text("editada")
    expect(page.get_by_label("Mensagem", exact=True)).to_have_value("")
    said.hover()
    photograph_on_each(page, "celular-editada")
    said.get_by_role("button", name="Apagar").click()
    expect(said).to_contain_text("Mensagem apagada")
    expect(said.get_by_role("link", name="Editar")).to_have_count(0)
