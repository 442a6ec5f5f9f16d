"""A walk through the admin with a real browser, on a desk's and a phone's width.

Needs Chromium (`CHROMIUM`, by default /usr/bin/chromium); skipped on a developer's machine without it, never in CI.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from integrations.models import NotificationLog
from orders.models import Order
from tests.factories import make_order
from tests.staff import make_staff

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

pytestmark = [
    pytest.mark.skipif(not (Path(CHROMIUM).exists() or "CI" in os.environ), reason="no Chromium"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright's loop runs in this thread, where Django would refuse to use the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser, live_server: Any) -> Iterator[Page]:
    """Ana's browser, logged in. The test fails on any error of a page's scripts."""
    make_staff(password="segredo")
    context = browser.new_context(
        viewport=request.param, locale="pt-BR", timezone_id="America/Sao_Paulo", base_url=live_server.url
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto("/admin/")
    page.fill("[name=username]", "ana")
    page.fill("[name=password]", "segredo")
    page.get_by_role("button", name="Acessar").click()
    expect(page.get_by_text("pedidos hoje")).to_be_visible()
    yield page
    context.close()
    assert errors == []


def expect_no_sideways_scrolling(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_an_order_from_the_form_to_the_customer(page: Page) -> None:
    customer = make_order(customer_name="João <b>Souza</b>").customer
    page.goto("/admin/orders/order/add/")
    expect_no_sideways_scrolling(page)
    page.locator(".field-customer .select2-selection").click()
    page.locator(".select2-search__field").fill("souza")
    page.get_by_role("option", name=re.compile("João")).click()
    page.select_option("[name=delivery_method]", "correios_pac")
    page.fill("[name=items-0-description]", "Caneca")
    page.fill("[name=items-0-quantity]", "3")
    page.fill("[name=items-0-unit_price]", "19,90")
    page.get_by_role("button", name="Salvar e continuar editando").click()
    expect(page.locator(".flowlog-total")).to_have_text("R$\xa059,70")
    order = Order.objects.latest("pk")
    assert order.customer == customer

    page.get_by_role("link", name="Confirmar").click()
    page.get_by_role("button", name="Confirmar").click()
    expect(page.locator(".flowlog-labels")).to_contain_text("confirmado")

    page.get_by_role("link", name="Marcar como enviado").click()
    page.get_by_role("button", name="Marcar como enviado").click()
    expect(page.get_by_text("Este campo é obrigatório.")).to_be_visible()
    page.fill("[name=tracking_code]", "AA123456785BR")
    expect_no_sideways_scrolling(page)
    page.get_by_role("button", name="Marcar como enviado").click()
    expect(page.get_by_text(f"{order.code}: Pedido enviado.")).to_be_visible()
    expect(page.locator(".flowlog-timeline > li strong")).to_have_text(
        ["Pedido enviado", "Pedido confirmado", "Pedido recebido"]
    )
    expect_no_sideways_scrolling(page)
    order.refresh_from_db()
    assert (order.delivery_status, order.tracking_code) == ("shipped", "AA123456785BR")
    assert NotificationLog.objects.filter(order=order).count() == 3

    page.locator(".flowlog-timeline a").first.click()
    expect(page.get_by_text("O texto é escrito na hora do envio.")).to_be_visible()
    expect_no_sideways_scrolling(page)


def test_many_orders_at_once(page: Page) -> None:
    for _ in range(60):
        make_order()
    make_order(until="confirmed")
    page.goto("/admin/orders/order/")
    page.locator("#action-toggle").check()
    page.get_by_text("Selecionar todos 61").click()
    page.select_option("select[name=action]", "transition_confirm")
    page.get_by_role("button", name="Executar").click()
    expect(page.get_by_text("61 pedidos escolhidos.")).to_be_visible()
    expect_no_sideways_scrolling(page)
    page.get_by_role("button", name="Confirmar").click()
    expect(page.get_by_text("Confirmar: 60 pedidos alterados.")).to_be_visible()
    expect(page.locator(".flowlog-refusals li")).to_have_count(1)
    assert Order.objects.filter(status="confirmed").count() == 61


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 390, 1280])
def test_the_customers_page_is_one_request_that_fits_the_screen(
    browser: Browser, live_server: Any, width: int, scheme: Any
) -> None:
    order = make_order(until="ready_for_pickup", items=[{"description": "x" * 200, "unit_price": "99999.90"}])
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, base_url=live_server.url
    )
    page = context.new_page()
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"/rastreio/{order.tracking_token}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Seu pedido está pronto para retirada")
    expect(page.get_by_text(order.pickup_code, exact=True)).to_be_visible()
    expect(page.locator("[aria-current=step]")).to_contain_text("Pronto para retirada")
    # The policy lets the page's own style in: without it the list would have its numbers.
    expect(page.locator("ol.way")).to_have_css("list-style-type", "none")
    expect_no_sideways_scrolling(page)
    assert len([address for address in requests if not address.startswith("data:")]) == 1
    assert complaints == []
    context.close()
