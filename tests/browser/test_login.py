"""Logging in, one's own access, the team, and what was typed when a session had ended: as people see it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice
from playwright.sync_api import Page, expect

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from orders.models import Order
from tests.browser.screen import SMALL_PHONE, Opener, log_in, photograph, photograph_on_each
from tests.factories import make_order
from tests.staff import make_staff

pytestmark = pytest.mark.django_db(transaction=True)

REASON = "Sem estoque, desculpe."


def type_in_log_in(page: Page, name: str = "ana") -> None:
    page.fill("[name=username]", name)
    page.fill("[name=password]", "segredo")
    page.get_by_role("button", name="Entrar").click()


def begin_to_cancel(page: Page, address: str) -> Order:
    ana = User.objects.get(username="ana")
    ana.set_password("segredo")
    ana.save()
    log_in(page, ana, address)
    order = make_order()
    page.goto(f"/admin/orders/order/{order.pk}/transition/cancel/")
    page.get_by_label("Motivo").fill(REASON)
    return order


def test_what_was_typed_is_there_again_after_the_log_in(page: Page, live_server: Any) -> None:
    order = begin_to_cancel(page, live_server.url)
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Cancelar pedido").click()
    type_in_log_in(page)
    expect(page).to_have_url(re.compile(f"/admin/orders/order/{order.pk}/transition/cancel/$"))
    expect(page.get_by_label("Motivo")).to_have_value(REASON)
    order.refresh_from_db()
    assert order.status == "pending"
    # Once, and not again whenever the page is opened.
    page.goto("/admin/")
    page.goto(f"/admin/orders/order/{order.pk}/transition/cancel/")
    expect(page.get_by_label("Motivo")).to_have_value("")


def test_a_form_of_another_session_does_nothing_and_says_so(page: Page, live_server: Any) -> None:
    order = begin_to_cancel(page, live_server.url)
    page.context.clear_cookies()
    page.get_by_role("button", name="Cancelar pedido").click()
    expect(page.get_by_role("heading", name="Sua sessão mudou. Nada foi feito.")).to_be_visible()
    photograph(page, "session-changed")
    order.refresh_from_db()
    assert order.status == "pending"


def test_the_second_step_is_set_up_and_asked_for(opened: Opener, live_server: Any) -> None:
    make_staff(password="segredo")
    with opened(SMALL_PHONE, base_url=live_server.url) as page:
        page.goto("/admin/login/")
        photograph(page, "log-in")
        type_in_log_in(page)
        page.goto("/admin/conta/")
        page.get_by_role("region", name="Segunda etapa do login").get_by_role("button", name="Ativar").click()
        expect(page.locator(".flowlog-qr svg")).to_be_visible()
        photograph_on_each(page, "second-step", "Onde você está conectado")
        device = TOTPDevice.objects.get()
        page.get_by_label("Código do aplicativo").fill(f"{TOTP(device.bin_key, drift=-1).token():06}")
        page.get_by_role("button", name="Ativar").click()
        codes = page.locator(".flowlog-codes code").all_inner_texts()
        assert len(codes) == 10
        photograph_on_each(page, "second-step-codes", "Segunda etapa do login")
        page.context.clear_cookies()
        page.goto("/admin/orders/order/")
        type_in_log_in(page)
        photograph_on_each(page, "second-step-asked", "Entrar: segunda etapa")
        page.get_by_label("Código").fill(codes[0])
        page.get_by_role("button", name="Entrar").click()
        expect(page).to_have_url(re.compile("/admin/orders/order/$"))


def test_the_team_fits_every_screen(opened: Opener, live_server: Any) -> None:
    boss = make_staff("gil", MANAGEMENT_GROUP)
    ana = make_staff()
    for width in (1366, SMALL_PHONE):
        with opened(width, base_url=live_server.url) as page:
            log_in(page, boss, live_server.url)
            for name, address in (("team", ""), ("team-invite", "add/"), ("team-member", f"{ana.pk}/change/")):
                page.goto(f"/admin/orders/member/{address}")
                photograph(page, name)
