"""Doubtful input is asked about where it stands, and a tick goes on with it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from integrations.models import NotificationLog
from orders.models import Customer, Order, Store
from tests.browser.screen import photograph
from tests.factories import make_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_mistyped_code_is_asked_about_before_the_customer_reads_it(page: Page) -> None:
    order = make_order(until="confirmed", delivery_method="correios_pac")
    page.goto(order.get_admin_url())
    page.get_by_role("link", name="Marcar como enviado").click()
    page.get_by_label("Código de rastreio").fill("aa 123 456 789 br")
    page.get_by_role("button", name="Marcar como enviado").click()
    expect(page.get_by_text("Os dígitos de “AA123456789BR” não conferem")).to_be_visible()
    assert NotificationLog.objects.count() == 0
    photograph(page, "pergunta-rastreio")
    page.get_by_label("Está certo: usar assim mesmo").check()
    page.get_by_role("button", name="Marcar como enviado").click()
    expect(page.get_by_text(f"{order.code}: Pedido enviado.")).to_be_visible()
    assert NotificationLog.objects.count() == 1
    expect(page.get_by_text("Avisar o cliente do código correto")).to_be_visible()
    photograph(page, "corrigir-rastreio")
    page.get_by_label("Código de rastreio").fill("AA123456785BR")
    page.get_by_role("button", name="Salvar", exact=True).click()
    page.wait_for_url("**/admin/orders/order/")
    assert NotificationLog.objects.latest("pk").event == "correct_tracking"


def test_many_orders_are_shipped_with_a_line_each(page: Page) -> None:
    orders = [make_order(until="confirmed", delivery_method="correios_pac") for _ in range(3)]
    page.goto("/admin/orders/order/")
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option("transition_ship")
    page.get_by_role("button", name="Executar").click()
    lines = page.get_by_label("Códigos de rastreio")
    expect(lines).to_have_value("\n".join(f"{order.code};" for order in orders))
    codes = ("AA123456785BR", "AA323456785BR", "AA123456785BR")
    lines.fill("\n".join(f"{order.code};{code}" for order, code in zip(orders, codes, strict=True)))
    page.get_by_role("button", name="Marcar como enviado").click()
    expect(page.get_by_text("é o código de mais de um pedido")).to_be_visible()
    photograph(page, "pergunta-varios")
    assert not Order.objects.exclude(tracking_code="").exists()


def test_a_foreign_number_is_asked_about(page: Page) -> None:
    page.goto("/admin/orders/customer/add/")
    page.get_by_label("Nome").fill("Ana")
    page.get_by_label("Telefone (WhatsApp)").fill("+51 98765-0001")
    page.get_by_role("button", name="Salvar", exact=True).click()
    expect(page.get_by_text("Brasil ou Peru?")).to_be_visible()
    photograph(page, "pergunta-telefone")
    page.get_by_label("Está certo: usar assim mesmo").check()
    page.get_by_role("button", name="Salvar", exact=True).click()
    page.wait_for_url("**/admin/orders/customer/")
    assert Customer.objects.get(store=Store.get_default()).phone == "+51987650001"
