"""A customer's phone and the shop's connections, with a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.integrations.sandbox import SandboxProcess, sandbox

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
MOBILE = "5511987654321"

pytestmark = pytest.mark.skipif(not (Path(CHROMIUM).exists() or "CI" in os.environ), reason="no Chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


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
def page(request: pytest.FixtureRequest, browser: Browser, process: SandboxProcess) -> Iterator[Page]:
    """A browser with and without scripts. The test fails on anything that the page's policy or its script refuses."""
    context = browser.new_context(java_script_enabled=request.param, base_url=process.base_url)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert errors == []


def test_answering(page: Page, process: SandboxProcess) -> None:
    page.goto(f"/phone/{MOBILE}")
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
    page.get_by_role("button", name="Encerrar a sessão no celular").click()
    expect(page.get_by_text("não pareada")).to_be_visible()
    page.get_by_role("button", name="Mostrar o QR code").click()
    picture = page.get_by_alt_text("QR code para parear")
    expect(picture).to_be_visible()
    page.get_by_role("button", name="Ler o código").click()
    expect(page.get_by_text("conectada", exact=True)).to_be_visible()
    assert process.options()["instances"] == {"loja": "open"}
