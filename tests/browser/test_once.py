"""An impatient second press on a slow line, as a browser sends it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Request, expect

from integrations.models import NotificationLog
from orders.models import Order
from tests.browser.screen import photograph
from tests.factories import make_order

pytestmark = pytest.mark.django_db(transaction=True)

ADD = "/admin/orders/order/add/"
SLOW, IMPATIENCE = 900, 350


def fill_in(page: Page) -> None:
    page.goto(ADD)
    page.locator(".field-customer .select2-selection").click()
    page.locator(".select2-search__field").fill("souza")
    page.get_by_role("option", name=re.compile("João")).click()
    page.select_option("[name=delivery_method]", "pickup")
    page.fill("[name=items-0-description]", "Caneca")
    page.fill("[name=items-0-unit_price]", "19,90")
    # What it shows moves the buttons: they are pressed where they stand then.
    expect(page.locator("[data-preview] .flowlog-bubble")).to_contain_text("19,90")


def slow_down(page: Page) -> list[str]:
    """From now on every request takes so long to arrive; returns the POSTs, which are noted as they leave."""
    posts: list[str] = []

    def note(request: Request) -> None:
        # A form that shows what would be told asks for it by itself.
        if request.method == "POST" and not request.url.endswith("/preview/"):
            posts.append(request.url)

    page.on("request", note)
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": SLOW, "downloadThroughput": -1, "uploadThroughput": -1},
    )
    return posts


def press_twice(page: Page, button: str) -> None:
    """Press, and press again at the same place a moment later, whatever the page has become."""
    target = page.get_by_role("button", name=button, exact=True)
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    assert box
    place = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(*place)
    page.wait_for_timeout(IMPATIENCE)
    page.mouse.click(*place)


def arrives_at(page: Page, path: str) -> None:
    """Not `wait_for_url`, which fails over the first press's navigation: the second one ends it."""
    expect(page).to_have_url(re.compile(re.escape(path) + "$"), timeout=30_000)


@pytest.fixture
def customer() -> None:
    make_order(customer_name="João Souza")


@pytest.mark.parametrize("script", ["with the script", "without the script"])
def test_two_presses_on_save_make_one_order(page: Page, customer: None, script: str) -> None:
    if script == "without the script":
        page.route("**/once.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    fill_in(page)
    posts = slow_down(page)
    press_twice(page, "Salvar")
    arrives_at(page, "/admin/orders/order/")
    expect(page.get_by_text(re.compile("Cadastro salvo"))).to_have_count(1)
    assert len(posts) == (1 if script == "with the script" else 2)
    assert Order.objects.count() == 2
    assert NotificationLog.objects.count() == 1


def test_two_presses_on_a_transition_are_one(page: Page, customer: None) -> None:
    order = Order.objects.get()
    page.goto(f"/admin/orders/order/{order.pk}/transition/confirm/")
    slow_down(page)
    press_twice(page, "Confirmar")
    arrives_at(page, order.get_admin_url())
    expect(page.get_by_text(f"{order.code}: Pedido confirmado.")).to_be_visible()
    assert NotificationLog.objects.count() == 1


def test_a_page_that_stays_gets_its_buttons_back(page: Page, customer: None) -> None:
    page.clock.install()
    fill_in(page)
    # The page stays, as when the person stops the loading.
    page.route(f"**{ADD}", lambda route: route.fulfill(status=204))
    for name in ("Salvar", "Salvar e continuar editando"):
        page.get_by_role("button", name=name, exact=True).click()
        page.clock.run_for(100)
        for button in page.get_by_role("button", name=re.compile("^Salvar")).all():
            expect(button).to_be_disabled()
        photograph(page, "pedido-indo")
        page.clock.run_for(15_000)
        expect(page.get_by_role("button", name="Salvar", exact=True)).to_be_enabled()
    page.unroute(f"**{ADD}")
    page.get_by_role("button", name="Salvar e continuar editando").click()
    expect(page.locator(".flowlog-total")).to_have_text("R$\xa019,90")


def test_going_back_after_saving_does_not_make_a_second_order(page: Page, customer: None) -> None:
    fill_in(page)
    page.get_by_role("button", name="Salvar", exact=True).click()
    page.wait_for_url("**/admin/orders/order/")
    page.go_back()
    save = page.get_by_role("button", name="Salvar", exact=True)
    expect(save).to_be_enabled()
    save.click()
    page.wait_for_load_state()
    assert Order.objects.count() == 2
    assert NotificationLog.objects.count() == 1
