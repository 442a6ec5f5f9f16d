"""What keeps a slip from the customer: a click takes it back, a number is typed before many are cancelled."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from integrations.models import NotificationLog
from orders.models import Order
from tests.browser.screen import photograph
from tests.factories import make_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def a_moment(settings: Any) -> None:
    settings.STAFF_UNDO_SECONDS = 30


def test_handed_over_paid_and_taken_back_with_one_click(page: Page) -> None:
    order = make_order(until="out_for_delivery")
    page.goto(order.get_admin_url())
    page.get_by_role("link", name="Marcar como entregue").click()
    both = page.get_by_role("button", name="Entregar e receber R$")
    expect(both).to_be_visible()
    photograph(page, "entregar-e-receber")
    both.click()
    done = page.get_by_text(f"{order.code}: Pagamento recebido · Pedido entregue. O cliente é avisado em 30 segundos.")
    expect(done).to_be_visible()
    photograph(page, "desfazer")
    page.get_by_role("button", name="Desfazer").click()
    expect(page.get_by_text(f"Pedido {order.code}: desfeito. O cliente não foi avisado de nada.")).to_be_visible()
    order.refresh_from_db()
    assert (order.delivery_status, order.payment_status) == ("out_for_delivery", "pending")
    assert NotificationLog.objects.get().status == "cancelled"
    page.get_by_text("Marcou algo por engano?").click()
    expect(page.get_by_role("link", name="Voltar para “enviado”")).to_be_visible()
    photograph(page, "corrigir-passo")


def test_many_are_cancelled_only_with_their_number(page: Page) -> None:
    for _ in range(3):
        make_order()
    page.goto("/admin/orders/order/")
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option("transition_cancel")
    page.get_by_role("button", name="Executar").click()
    expect(page.get_by_text("3 clientes serão avisados.")).to_be_visible()
    page.get_by_role("button", name="Cancelar pedido").click()
    expect(page.get_by_text("Digite o número de pedidos que mudam: 3.")).to_be_visible()
    photograph(page, "cancelar-varios")
    assert not Order.objects.filter(status="cancelled").exists()
    page.get_by_label("Quantos pedidos mudam?").fill("3")
    page.get_by_role("button", name="Cancelar pedido").click()
    page.get_by_role("button", name="Desfazer").click()
    expect(page.get_by_text("3 pedidos: desfeitos.")).to_be_visible()
    assert not Order.objects.filter(status="cancelled").exists()
