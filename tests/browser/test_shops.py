"""A shop on WooCommerce is connected from an empty admin, and its order comes in by itself."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.carriers import CARRIERS
from integrations.models import ShopConnection
from integrations.shops import SHOPS, intake
from orders.models import Order
from tests.browser.screen import DESK, PHONE, Opener, expect_no_sideways_scrolling, log_in, photograph
from tests.integrations import parcels, shops
from tests.integrations.shops import SECRET, order, send
from tests.staff import make_staff

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("width", [DESK, PHONE], ids=["desk", "phone"])
def test_a_shop_is_connected_and_its_order_comes_in(
    opened: Opener, live_server: Any, settings: Any, width: int
) -> None:
    settings.SITE_URL = live_server.url
    with opened(width, base_url=live_server.url) as page:
        log_in(page, make_staff(group=MANAGEMENT_GROUP), live_server.url)
        _connect(page)
        connection = ShopConnection.objects.get()
        assert send(connection.address, order()) == 200
        assert send(connection.address, order("enviado-parcial", "2026-11-27T11:00:00")) == 200
        intake.process()
        _give_it_a_meaning(page, connection)
        page.goto(f"/admin/orders/order/{Order.objects.get().pk}/change/")
        expect(page.locator(".flowlog-labels")).to_contain_text("pago")
        photograph(page, "shop-order")


def _connect(page: Page) -> None:
    page.goto("/admin/integrations/shopconnection/add/")
    page.select_option("[name=source]", "woocommerce")
    page.fill("[name=name]", "Minha loja")
    expect_no_sideways_scrolling(page)
    page.get_by_role("button", name="Salvar", exact=True).click()
    page.fill("[name=secret]", SECRET)
    expect_no_sideways_scrolling(page)
    photograph(page, "shop-credentials")
    page.get_by_role("button", name="Salvar").click()
    expect(page.get_by_text("nada ainda")).to_be_visible()
    expect(page.locator("code.flowlog-file")).to_have_text(ShopConnection.objects.get().address)
    expect(page.get_by_text("No WordPress abra WooCommerce")).to_be_visible()
    expect_no_sideways_scrolling(page)
    photograph(page, "shop-connection")


def _give_it_a_meaning(page: Page, connection: ShopConnection) -> None:
    page.goto("/admin/")
    page.get_by_role("link", name="pedido da loja virtual espera por você").click()
    expect(page.get_by_text("Diga o que significa: enviado-parcial.")).to_be_visible()
    expect_no_sideways_scrolling(page)
    photograph(page, "shop-news")
    page.goto(f"/admin/integrations/shopconnection/{connection.pk}/change/")
    page.get_by_role("link", name="O que os status significam").click()
    page.get_by_label("enviado-parcial").select_option("shipped")
    expect_no_sideways_scrolling(page)
    photograph(page, "shop-mapping")
    page.get_by_role("button", name="Salvar").click()
    expect(page.get_by_text("1 aviso será aplicado de novo.")).to_be_visible()


def test_what_a_connection_asks_for_and_a_token_fit_a_phone(opened: Opener, live_server: Any) -> None:
    with opened(PHONE, base_url=live_server.url) as page:
        log_in(page, make_staff(group=MANAGEMENT_GROUP), live_server.url)
        for made, model, sources in (
            (shops.make_connection, "shopconnection", SHOPS),
            (parcels.make_connection, "carrierconnection", CARRIERS),
        ):
            for source in sources:
                page.goto(f"/admin/integrations/{model}/{made(source).pk}/credentials/")
                expect_no_sideways_scrolling(page)
        shop = ShopConnection.objects.get(source="woocommerce")
        assert send(f"{live_server.url}/webhooks/orders/woocommerce/{shop.token}/", order("enviado" * 20)) == 200
        intake.process()
        page.goto(f"/admin/integrations/shopconnection/{shop.pk}/mapping/")
        expect(page.get_by_text("enviado" * 20)).to_be_visible()
        expect_no_sideways_scrolling(page)
        page.goto("/admin/api/apitoken/add/")
        page.fill("[name=name]", "ERP")
        page.get_by_label("ler pedidos").check()
        page.get_by_role("button", name="Salvar", exact=True).click()
        expect(page.get_by_text("flw_live_").first).to_be_visible()
        expect_no_sideways_scrolling(page)
