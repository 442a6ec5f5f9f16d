"""The counter, the list's next step, an answer and a label, as a person of the shop uses them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations.models import CustomerReply, EvolutionInstance, NotificationLog
from orders.models import Order
from tests.browser.screen import photograph
from tests.factories import make_order

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/orders/order/"


def ask(order: Order, text: str) -> CustomerReply:
    return CustomerReply.objects.create(
        instance=EvolutionInstance.objects.get(), customer=order.customer, order=order, kind="text", text=text,
        provider_message_id=text, received_at=timezone.now() - timedelta(hours=5),
    )  # fmt: skip


def test_an_answer_is_written_where_it_waits(page: Page) -> None:
    order = make_order()
    ask(order, "Vocês abrem sábado?")
    page.goto("/admin/")
    page.get_by_text("resposta de cliente espera por você").click()
    expect(page.get_by_text("há 5 horas")).to_be_visible()
    photograph(page, "respostas")
    page.get_by_role("link", name="Vocês abrem sábado?").click()
    page.get_by_label("Sua resposta").fill("Abrimos, das 9 às 13. *Até lá!*")
    photograph(page, "responder")
    page.get_by_role("button", name="Enviar resposta").click()
    expect(page.get_by_text("Sua resposta está a caminho.")).to_be_visible()
    row = NotificationLog.objects.get(event="free_answer")
    assert row.parsed_snapshot.text == "Abrimos, das 9 às 13. *Até lá!*"
    assert CustomerReply.objects.filter(handled_at=None).count() == 0


def test_the_next_step_is_one_press_away(page: Page) -> None:
    order = make_order()
    page.goto(f"{LIST}?view=to_confirm")
    photograph(page, "pedidos-a-confirmar")
    page.locator(".flowlog-step").click()
    expect(page.get_by_text(f"{order.code}: Pedido confirmado.")).to_be_visible()
    order.refresh_from_db()
    assert order.status == "confirmed"
    assert page.url.endswith("?view=to_confirm")


def test_the_counter_takes_one_customer_after_the_other(page: Page) -> None:
    order = make_order(until="ready_for_pickup")
    page.goto(f"{LIST}counter/")
    expect(page.get_by_label("Código de retirada ou do pedido")).to_be_focused()
    page.keyboard.type(order.pickup_code.lower())
    page.keyboard.press("Enter")
    expect(page.get_by_text("O código confere.")).to_be_visible()
    photograph(page, "balcao")
    page.get_by_role("button", name="Entregar e receber").click()
    expect(page.get_by_text(f"Pedido {order.code}: entregue e pago.")).to_be_visible()
    expect(page.get_by_label("Código de retirada ou do pedido")).to_be_focused()
    order.refresh_from_db()
    assert (order.delivery_status, order.payment_status) == ("picked_up", "paid")


def test_paper_fits_the_screen_and_the_printer(page: Page) -> None:
    order = make_order(until="confirmed")
    for kind, size in (("slip", "a4"), ("label", "10x15"), ("slip", "80mm")):
        page.goto(f"{LIST}print/{kind}/?ids={order.pk}&size={size}")
        expect(page.locator(".sheet svg")).to_be_visible()
        photograph(page, f"impresso-{kind}-{size}")
        page.emulate_media(media="print")
        expect(page.get_by_role("button", name="Imprimir")).to_be_hidden()
        page.emulate_media(media="screen")
