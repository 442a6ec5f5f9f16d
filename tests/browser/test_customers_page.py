"""The customer's page in each state that an order can be in, on the screens that people have."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from orders.models import Order, Store
from orders.services import apply_transition
from orders.statuses import DeliveryMethod
from orders.transitions import TRANSITIONS
from tests.browser.screen import DESK, PHONE, SMALL_PHONE, Opener, photograph
from tests.factories import TRACKING_CODE, make_order

pytestmark = pytest.mark.django_db(transaction=True)

HEADLINES = {
    "create": "Recebemos seu pedido",
    "confirm": "Seu pedido está confirmado",
    "pay": "Recebemos seu pedido",
    "ship": "Seu pedido está a caminho",
    "correct_tracking": "Seu pedido está a caminho",
    "out_for_delivery": "Seu pedido saiu para entrega",
    "deliver": "Seu pedido foi entregue",
    "fail_delivery": "Não conseguimos entregar",
    "ready_for_pickup": "Seu pedido está pronto para retirada",
    "pick_up": "Seu pedido foi retirado",
    "expire_pickup": "O prazo para retirar seu pedido terminou",
    "refund": "Recebemos seu pedido",
    "return_order": "Seu pedido foi devolvido",
    "cancel": "Seu pedido foi cancelado",
    "move_deadline": "Seu pedido está pronto para retirada",
    "change_address": "Recebemos seu pedido",
    "back_to_preparation": "Seu pedido ainda está em preparação",
    "back_to_shipped": "Seu pedido ainda está a caminho",
    "back_to_counter": "Seu pedido ainda espera por você",
    "reopen": "Seu pedido não foi cancelado",
    "unpay": "Recebemos seu pedido",
}
# The links of a page, where it has others than the one to the shop at its end.
SHOP = "Falar pelo WhatsApp"
LINKS = {
    (DeliveryMethod.CORREIOS_PAC, "ship"): ["Rastrear nos Correios", SHOP],
    (DeliveryMethod.CORREIOS_PAC, "correct_tracking"): ["Rastrear nos Correios", SHOP],
    (DeliveryMethod.CORREIOS_PAC, "out_for_delivery"): ["Rastrear nos Correios", SHOP],
    (DeliveryMethod.CORREIOS_PAC, "deliver"): ["Rastrear nos Correios", SHOP],
    (DeliveryMethod.CORREIOS_PAC, "fail_delivery"): [SHOP, "Rastrear nos Correios"],
    (DeliveryMethod.CORREIOS_PAC, "back_to_shipped"): [SHOP, "Rastrear nos Correios"],
    (DeliveryMethod.CORREIOS_SEDEX, "ship"): ["Rastrear nos Correios", SHOP],
    (DeliveryMethod.CARRIER, "ship"): ["Rastrear na transportadora", SHOP],
}
DATA: dict[str, dict[str, Any]] = {
    DeliveryMethod.CORREIOS_PAC: {"tracking_code": TRACKING_CODE},
    DeliveryMethod.CORREIOS_SEDEX: {"tracking_code": TRACKING_CODE},
    DeliveryMethod.CARRIER: {"tracking_code": "7788-99", "tracking_url": "https://transportadora.example/7788-99"},
}

CORRECTED = {
    "correct_tracking": {"tracking_code": "AA323456785BR"},
    "move_deadline": {"pickup_deadline": "2099-12-10T19:00:00-03:00"},
    "change_address": {"delivery_address": "Rua Nova, 7, Campinas/SP"},
}


def ways(method: DeliveryMethod) -> dict[str, tuple[str, ...]]:
    """A way from a new order to each transition that an order of this method can take, by the table."""
    found: dict[str, tuple[str, ...]] = {"create": ()}
    waiting = deque(["create"])
    while waiting:
        way = found[waiting.popleft()]
        order = Order(delivery_method=method)
        for name in way:
            entry = TRANSITIONS[name]
            order.status = entry.status_to or order.status
            order.payment_status = entry.payment_to or order.payment_status
            order.delivery_status = entry.delivery_to or order.delivery_status
        for entry in TRANSITIONS.values():
            if entry.name not in found and entry.is_possible(order):
                found[entry.name] = (*way, entry.name)
                waiting.append(entry.name)
    return found


# The other methods differ from these two only while the parcel is on its way.
STATES = [
    *((method, name) for method in (DeliveryMethod.PICKUP, DeliveryMethod.CORREIOS_PAC) for name in ways(method)),
    (DeliveryMethod.CORREIOS_SEDEX, "ship"),
    (DeliveryMethod.COURIER, "ship"),
    (DeliveryMethod.CARRIER, "ship"),
]


@pytest.fixture(autouse=True)
def shop(settings: Any) -> None:
    settings.TRACKING_PAGE_REQUESTS_PER_MINUTE = 1000
    place = {"phone": "+5511933334444", "pickup_address": "Rua das Flores, 120, Centro, Campinas/SP"}
    Store.objects.update_or_create(is_default=True, defaults={"name": "Loja da Esquina", **place})


def order_after(method: DeliveryMethod, name: str) -> Order:
    """An order that has just taken this transition."""
    shirt = {"description": "Camiseta azul de algodão orgânico, manga longa, tamanho M", "unit_price": "59.90"}
    items = [{**shirt, "quantity": 2}, {"description": "Caneca", "quantity": 1, "unit_price": "1290.00"}]
    order = make_order(delivery_method=method, items=items)
    for step in ways(method)[name]:
        data = DATA.get(method, {}) if step == "ship" else CORRECTED.get(step, {})
        apply_transition(order, step, notify=False, **data)
    return order


def photograph_everywhere(page: Page, what: str) -> None:
    for width in (DESK, PHONE, SMALL_PHONE):
        page.set_viewport_size({"width": width, "height": 800})
        photograph(page, what)
    page.emulate_media(color_scheme="dark")
    photograph(page, f"{what}-dark")
    page.emulate_media(color_scheme="light")


def test_every_transition_leads_to_one_of_these_states() -> None:
    assert {name for _method, name in STATES} == set(TRANSITIONS) == set(HEADLINES)


def test_in_each_state(opened: Opener, live_server: Any) -> None:
    with opened(PHONE, base_url=live_server.url) as page:
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        for method, name in STATES:
            order = order_after(method, name)
            page.goto(f"/rastreio/{order.tracking_token}/")
            expect(page.get_by_role("heading", level=1)).to_have_text(HEADLINES[name])
            expect(page.locator("[aria-current=step]")).to_have_count(1)
            expect(page.get_by_role("link")).to_have_text(LINKS.get((method, name), [SHOP]))
            waits = name in {"ready_for_pickup", "move_deadline", "back_to_counter"}
            expect(page.get_by_text(order.pickup_code, exact=True)).to_have_count(int(waits))
            expect(page.get_by_text("Rua das Flores, 120, Centro, Campinas/SP")).to_have_count(int(waits))
            # The policy lets the page's own style in: without it the list would have its numbers.
            expect(page.locator("ol.way")).to_have_css("list-style-type", "none")
            photograph_everywhere(page, f"rastreio-{method}-{name}")
        assert len([address for address in requests if not address.startswith("data:")]) == len(STATES)


def test_a_long_word_stays_on_the_screen(opened: Opener, live_server: Any) -> None:
    order = make_order(customer_name="M" * 60, items=[{"description": "x" * 200, "unit_price": "99999.90"}])
    with opened(PHONE, base_url=live_server.url) as page:
        page.goto(f"/rastreio/{order.tracking_token}/")
        photograph_everywhere(page, "rastreio-palavra-longa")


def test_without_an_order_or_too_often(opened: Opener, live_server: Any, settings: Any) -> None:
    with opened(PHONE, base_url=live_server.url) as page:
        page.goto("/rastreio/nenhum/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Não encontramos este pedido")
        photograph_everywhere(page, "rastreio-desconhecido")
        settings.TRACKING_PAGE_REQUESTS_PER_MINUTE = 0
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text("Um momento, por favor")
        photograph_everywhere(page, "rastreio-vezes-demais")
