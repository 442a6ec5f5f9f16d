"""A shop writes a message of its own and reads it before it goes, with a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from notifications import own_texts
from orders.models import Store
from tests.browser.screen import DESK, SMALL_PHONE, Opener, log_in, photograph
from tests.factories import make_order
from tests.staff import make_staff

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("width", [DESK, SMALL_PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_text_is_written_seen_and_kept(opened: Opener, live_server: object, width: int, scheme: str) -> None:
    address: str = live_server.url  # type: ignore[attr-defined]
    boss = make_staff("bia", MANAGEMENT_GROUP)
    order = make_order(until="shipped", delivery_method="correios_pac", customer_name="Zé *Souza*")
    with opened(width, base_url=address, color_scheme=scheme) as page:
        log_in(page, boss, address)
        page.goto("/admin/notifications/messagetext/")
        photograph(page, f"texts-{scheme}")
        page.get_by_role("link", name="Pedido enviado").click()
        text, real = page.locator("[data-text]"), page.locator("[data-sample=real] .flowlog-bubble")
        expect(real).to_contain_text(f"Boa notícia, Zé! 📦 Seu pedido {order.code} foi enviado pelos Correios (PAC).")

        text.fill("Saiu! {codgo}")
        mistakes = page.locator("[data-mistakes] li")
        expect(mistakes).to_contain_text("Linha 1: Não existe a variável “codgo”. Você quis dizer {código}?")
        mistakes.get_by_role("button", name="Mostrar").click()
        page.locator("[data-insert='{código}']").click()
        expect(text).to_have_value("Saiu! {código}")
        expect(mistakes).to_have_count(0)
        text.press("Control+a")
        page.get_by_title("Negrito").click()
        text.press("ArrowRight")
        text.press("End")
        page.locator("[data-condition='horário']").click()
        page.locator("[data-insert='{horário}']").click()
        expect(text).to_have_value("*Saiu! {código}*{se horário}{horário}{fim}")
        expect(real.locator("strong")).to_have_text(f"Saiu! {order.code}")
        page.get_by_role("button", name="Salvar texto").click()
        expect(page.get_by_text("Texto salvo.")).to_be_visible()
        photograph(page, f"text-{scheme}")
    assert own_texts.current(Store.get_default())["ship"].text == "*Saiu! {código}*{se horário}{horário}{fim}"


def test_the_form_of_a_step_shows_the_message_as_it_is_filled_in(page: Page) -> None:
    order = make_order(until="confirmed", delivery_method="correios_pac")
    page.goto(f"/admin/orders/order/{order.pk}/transition/ship/")
    bubble = page.locator(".flowlog-preview .flowlog-bubble")
    expect(bubble).to_contain_text("Boa notícia, Maria!")
    expect(bubble).not_to_contain_text("Código de rastreio")
    page.fill("[name=tracking_code]", "aa123456785br")
    expect(bubble).to_contain_text("Código de rastreio: AA123456785BR")
    photograph(page, "preview")
    page.locator("[name=notify]").uncheck(force=True)
    expect(page.get_by_text("O cliente não será avisado: nenhuma mensagem será enviada.")).to_be_visible()
    expect(bubble).to_have_count(0)
    page.get_by_role("button", name="Marcar como enviado").click()
    expect(page.get_by_text(f"{order.code}: Pedido enviado.")).to_be_visible()
    assert not order.notifications.exists()


def hold_back(page: Page, script: str) -> list[Route]:
    """The requests for this script, which wait until the test lets them go on."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(script, hold)
    return held


def test_what_is_typed_before_the_script_has_come_is_checked_too(page: Page, live_server: Any) -> None:
    log_in(page, make_staff("bia", MANAGEMENT_GROUP), live_server.url)
    held = hold_back(page, "**/flowlog/texts*.js")
    page.goto(f"/admin/notifications/messagetext/{Store.get_default().pk}/ship/", wait_until="commit")
    page.locator("[data-text]").fill("Saiu! {codgo}")
    expect(page.locator("[data-mistakes] li")).to_have_count(0)
    held[0].continue_()
    expect(page.locator("[data-mistakes] li")).to_contain_text("Linha 1: Não existe a variável “codgo”.")


def test_what_is_filled_in_before_the_script_has_come_is_in_the_preview(page: Page) -> None:
    order = make_order(until="confirmed", delivery_method="correios_pac")
    held = hold_back(page, "**/flowlog/preview*.js")
    page.goto(f"/admin/orders/order/{order.pk}/transition/ship/", wait_until="commit")
    page.fill("[name=tracking_code]", "aa123456785br")
    held[0].continue_()
    expect(page.locator(".flowlog-preview .flowlog-bubble")).to_contain_text("Código de rastreio: AA123456785BR")
