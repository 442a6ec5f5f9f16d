"""A walk through the admin with a real browser, on a desk's and a phone's width."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from integrations.models import NotificationLog
from orders.models import Order
from tests.browser.screen import DESK, PHONE, SMALL_PHONE, Opener, expect_no_sideways_scrolling, log_in, photograph
from tests.factories import make_order
from tests.staff import make_staff

pytestmark = pytest.mark.django_db(transaction=True)


def test_logging_in(opened: Opener, live_server: Any) -> None:
    make_staff(password="segredo")
    with opened(PHONE, base_url=live_server.url) as page:
        page.goto("/admin/")
        photograph(page, "login")
        page.fill("[name=username]", "ana")
        page.fill("[name=password]", "segredo")
        page.get_by_role("button", name="Entrar").click()
        expect(page.get_by_text("pedidos hoje")).to_be_visible()


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


@pytest.mark.parametrize("width", [DESK, SMALL_PHONE])
def test_an_order_of_a_new_customer_is_made_on_one_page(opened: Opener, live_server: Any, width: int) -> None:
    """What was typed before stays, and the customer who is new is chosen by themselves."""
    with opened(width, base_url=live_server.url) as page:
        log_in(page, make_staff(), live_server.url)
        page.goto("/admin/orders/order/add/")
        page.select_option("[name=delivery_method]", "pickup")
        page.fill("[name=items-0-description]", "Caneca")
        page.fill("[name=items-0-unit_price]", "19,90")
        page.get_by_role("button", name="Adicionar outro cliente").click()
        form = page.frame_locator("iframe")
        form.get_by_label("Nome").fill("Zélia Prado")
        form.get_by_label("Telefone (WhatsApp)").fill("11 98")
        form.get_by_role("button", name="Salvar").click()
        expect(form.get_by_text("não é um telefone válido")).to_be_visible()
        form.get_by_label("Telefone (WhatsApp)").fill("11 98765-4321")
        form.get_by_role("button", name="Salvar").click()
        expect(page.locator("iframe")).to_be_hidden()
        expect(page.get_by_role("combobox", name="Cliente")).to_contain_text("Zélia Prado")
        page.get_by_role("combobox", name="Cliente").click()
        expect(page.get_by_role("searchbox", name="Cliente")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator(".flowlog-preview .flowlog-bubble").first).to_contain_text("Zélia")
        expect_no_sideways_scrolling(page)
        page.get_by_role("button", name="Salvar", exact=True).click()
        expect(page.get_by_text("Cadastro salvo: pedido")).to_be_visible()
    order = Order.objects.get()
    assert (order.customer.name, order.customer.phone) == ("Zélia Prado", "+5511987654321")
    assert NotificationLog.objects.get().order == order


def test_freight_discount_and_goods_by_weight(page: Page) -> None:
    make_order(customer_name="João Souza")
    page.goto("/admin/orders/order/add/")
    page.locator(".field-customer .select2-selection").click()
    page.locator(".select2-search__field").fill("souza")
    page.get_by_role("option", name=re.compile("João")).click()
    page.select_option("[name=delivery_method]", "courier")
    page.fill("[name=freight]", "12,30")
    page.fill("[name=discount]", "R$ 5")
    page.fill("[name=items-0-description]", "Queijo da Canastra meia cura, em pedaço (kg)")
    page.fill("[name=items-0-quantity]", "1,5")
    page.fill("[name=items-0-unit_price]", "1.039,90")
    photograph(page, "pedido-frete-novo")
    page.get_by_role("button", name="Salvar e continuar editando").click()
    expect(page.locator(".flowlog-total")).to_have_text("R$\xa01.567,15")
    expect(page.locator(".flowlog-items")).to_have_text(re.compile(r"Frete\s*R\$\xa012,30\s*Desconto\s*−R\$\xa05,00"))
    expect(page.locator("[name=items-0-quantity]")).to_have_value("1,5")
    photograph(page, "pedido-frete")
    page.get_by_role("link", name="Confirmar").click()
    page.get_by_role("button", name="Confirmar").click()
    expect(page.locator(".flowlog-items li").first).to_contain_text("1,5× Queijo")
    photograph(page, "pedido-frete-confirmado")
    page.goto(f"/rastreio/{Order.objects.latest('pk').tracking_token}/")
    expect(page.locator(".charge")).to_have_text(["FreteR$\xa012,30", "Desconto−R$\xa05,00"])
    photograph(page, "rastreio-frete")


def test_many_orders_at_once(page: Page) -> None:
    for _ in range(60):
        make_order()
    make_order(until="confirmed")
    page.goto("/admin/orders/order/")
    page.locator("#action-toggle").check()
    page.get_by_text("Selecionar todos (61").click()
    page.select_option("select[name=action]", "transition_confirm")
    page.get_by_role("button", name="Executar").click()
    expect(page.get_by_text("61 pedidos escolhidos.")).to_be_visible()
    expect_no_sideways_scrolling(page)
    page.get_by_label("Quantos pedidos mudam?").fill("60")
    page.get_by_role("button", name="Confirmar").click()
    expect(page.get_by_text("Confirmar: 60 pedidos alterados.")).to_be_visible()
    expect(page.locator(".flowlog-refusals li")).to_have_count(1)
    assert Order.objects.filter(status="confirmed").count() == 61
