"""A day of a shop, from the log-in to the last customer: in a browser, through the workers, to the phones."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from playwright.sync_api import FilePayload, Page, expect

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.models import CustomerReply, EvolutionInstance, NotificationLog
from notifications import own_texts
from orders.models import Customer, Order, Store
from tests.broker import purge
from tests.browser.screen import PHONE, Opener
from tests.integrations.sandbox import SandboxProcess
from tests.processes import System, wait_until
from tests.staff import make_staff

pytestmark = pytest.mark.django_db(transaction=True)

# With the sidebar open.
LAPTOP = 1366
Status, Receipt = NotificationLog.Status, NotificationLog.Receipt

HEADINGS = "número do pedido;cliente;telefone;item;quantidade;preço unitário;forma de entrega;endereço"
LAST = 50
# Of the fifty, the only one who comes to the counter.
COMES = 50
MISTAKES = {7: ("(11) 98100-", "(11) 98"), 20: (";PAC;", ";drone;"), 33: (";59,90;", ";;")}
WRONG = [
    "Linha 8: “(11) 980007” não é um telefone válido. Exemplo: (11) 98765-4321.",
    (
        "Linha 21: “drone” não é uma forma de entrega. Escreva uma destas: Retirada na loja, Motoboy, Correios PAC, "
        "Correios SEDEX, Transportadora."
    ),
    "Linha 34: “preço unitário” está vazio.",
]
CODES = ("AA123456785BR", "AA200000006BR")
OWN_TEXT = "Pedido *{código}* confirmado, {nome}! Já vamos separar."


def sheet(mistakes: dict[int, tuple[str, str]]) -> bytes:
    """Fifty orders, each of another customer; the lines that are named are spoilt."""
    lines = []
    for number in range(1, LAST + 1):
        way = "Retirada;" if number == COMES else "PAC;Rua das Flores, 10, Campinas/SP"
        line = f"{1000 + number};José {number:02};(11) 98100-00{number:02};Caneca;2;59,90;{way}"
        lines.append(line.replace(*mistakes.get(number, ("", ""))))
    return "\n".join([HEADINGS, *lines]).encode()


def phone_of(number: int) -> str:
    return f"55119810000{number:02}"


@dataclass(frozen=True)
class Day:
    """The shop's windows, and what is seen behind them: the customers' phones and the database."""

    page: Page
    phones: Page
    gateway: SandboxProcess

    def texts(self, number: int) -> list[str]:
        return self.gateway.texts(f"+{phone_of(number)}")

    def menu(self, name: str) -> None:
        self.page.locator("#nav-sidebar").get_by_role("link", name=name).click()

    def upload(self, content: bytes) -> None:
        file: FilePayload = {"name": "pedidos.csv", "mimeType": "text/csv", "buffer": content}
        self.page.get_by_label("Arquivo (.xlsx ou CSV)").set_input_files(files=file)
        self.page.get_by_role("button", name="Ver o que o arquivo faria").click()

    def choose(self, action: str, orders: list[Order]) -> None:
        """On the list, those orders alone."""
        for order in orders:
            self.page.get_by_role("row").filter(has_text=order.code).get_by_role("checkbox").check()
        self.page.select_option("select[name=action]", action)
        self.page.get_by_role("button", name="Executar").click()


def order_of(number: int) -> Order:
    return Order.objects.get(external_id=str(1000 + number))


def message_of(order: Order, event: str) -> NotificationLog:
    return NotificationLog.objects.get(order=order, event=event, resend_of=None)


def wait_for_sent(count: int) -> None:
    """So many messages are out, and no other one is on its way."""
    wait_until(
        lambda: Counter(NotificationLog.objects.values_list("status", flat=True)) == {Status.SENT: count},
        f"{count} messages that are sent",
    )


@pytest.fixture
def day(opened: Opener, live_server: Any, gateway: SandboxProcess, settings: Any, tmp_path: Path) -> Iterator[Day]:
    """The shop is closed: bia has not logged in, the phone is not connected, there is no order."""
    settings.SITE_URL = live_server.url
    make_staff("bia", MANAGEMENT_GROUP, password="segredo")
    Store.objects.update(name="Loja da Esquina", phone="+5511933334444", pickup_address="Rua das Flores, 120")
    EvolutionInstance.objects.update(messages_per_minute=0)
    gateway.options(server_ack_seconds=0, delivery_ack_seconds=0, read_seconds=None)
    gateway.disconnect("flowlog", 401)
    purge("default", "whatsapp")
    with ExitStack() as stack:
        System(stack, tmp_path, gateway, SITE_URL=live_server.url).worker("whatsapp,default", name="day")
        page = stack.enter_context(opened(LAPTOP, base_url=live_server.url))
        phones = stack.enter_context(opened(PHONE, base_url=gateway.base_url))
        yield Day(page, phones, gateway)


def log_in_and_connect_the_phone(day: Day) -> None:
    page, phones = day.page, day.phones
    page.goto("/")
    page.get_by_label("Usuário").fill("bia")
    page.get_by_label("Senha").fill("segredo")
    page.get_by_role("button", name="Entrar").click()
    page.get_by_role("link", name="Conectar o WhatsApp").click()
    expect(page.get_by_role("img", name="QR code para conectar o celular").locator("svg")).to_be_visible()
    phones.goto("/phone/instances")
    phones.get_by_role("button", name="Ler o código").click()
    expect(phones.get_by_text("conectada", exact=True)).to_be_visible()
    expect(page.get_by_role("status")).to_have_text(re.compile("^Conectado: "))
    expect(phones.get_by_text(re.compile("/webhooks/evolution/flowlog/"))).to_be_visible()
    assert EvolutionInstance.objects.get().state == "open"
    assert day.gateway.messages() == []


def write_a_text(day: Day) -> None:
    page = day.page
    day.menu("Textos das mensagens")
    page.get_by_role("link", name="Pedido confirmado").click()
    page.locator("[data-text]").fill(OWN_TEXT)
    page.get_by_role("button", name="Salvar texto").click()
    expect(page.get_by_text("Texto salvo.")).to_be_visible()
    assert own_texts.current(Store.get_default())["confirm"].text == OWN_TEXT


def import_orders(day: Day) -> None:
    page = day.page
    day.menu("Pedidos")
    page.get_by_role("link", name="Importar").click()
    day.upload(sheet(MISTAKES))
    expect(page.get_by_role("status")).to_contain_text("3 coisas não estão certas")
    expect(page.get_by_text("47 pedidos estão certos.")).to_be_visible()
    expect(page.locator(".flowlog-refusals li")).to_have_text(WRONG)
    expect(page.get_by_role("button", name=re.compile("^Importar"))).to_have_count(0)
    assert not Order.objects.exists()
    page.get_by_role("link", name="Enviar outro arquivo").click()
    day.upload(sheet({}))
    expect(page.get_by_text("50 pedidos seriam criados.")).to_be_visible()
    expect(page.locator(".flowlog-refusals")).to_have_count(0)
    assert not Order.objects.exists()
    page.get_by_role("button", name="Importar 50 pedidos").click()
    expect(page.get_by_role("status")).to_have_text("50 pedidos importados.")
    assert (Order.objects.filter(status="pending").count(), Customer.objects.count()) == (LAST, LAST)
    # Nobody ticked that the customers are told.
    assert not NotificationLog.objects.exists()


def confirm_all(day: Day) -> None:
    page = day.page
    day.menu("Pedidos")
    page.get_by_role("link", name=re.compile("^A confirmar")).click()
    page.locator("#action-toggle").check()
    page.select_option("select[name=action]", "transition_confirm")
    page.get_by_role("button", name="Executar").click()
    expect(page.get_by_text("50 clientes serão avisados.")).to_be_visible()
    expect(page.locator(".flowlog-bubble")).to_contain_text("José! Já vamos separar.")
    page.get_by_label("Quantos pedidos mudam?").fill("50")
    page.get_by_role("button", name="Confirmar").click()
    expect(page.get_by_text("Confirmar: 50 pedidos alterados.")).to_be_visible()
    wait_for_sent(LAST)
    for number in range(1, LAST + 1):
        assert day.texts(number) == [f"Pedido *{order_of(number).code}* confirmado, José! Já vamos separar."]


def ship_two(day: Day) -> None:
    page, orders = day.page, [order_of(1), order_of(2)]
    page.get_by_role("link", name=re.compile("^A enviar")).click()
    day.choose("transition_ship", orders)
    lines = page.get_by_label("Códigos de rastreio")
    expect(lines).to_have_value("\n".join(f"{order.code};" for order in orders))
    lines.fill("\n".join(f"{order.code};{code}" for order, code in zip(orders, CODES, strict=True)))
    page.get_by_role("button", name="Marcar como enviado").click()
    expect(page.get_by_text("Marcar como enviado: 2 pedidos alterados.")).to_be_visible()
    wait_for_sent(LAST + 2)
    for number, code in enumerate(CODES, 1):
        assert order_of(number).tracking_code == code
        (_confirmed, shipped) = day.texts(number)
        assert code in shipped


def ship_one_after_reading_what_it_says(day: Day) -> None:
    page, order = day.page, order_of(3)
    page.locator("#searchbar").fill("jose 03")
    page.locator("#searchbar").press("Enter")
    page.get_by_role("link", name=order.code).click()
    page.get_by_role("link", name="Marcar como enviado").click()
    page.get_by_label("Código de rastreio").fill("AA300000009BR")
    bubble = page.locator(".flowlog-preview .flowlog-bubble")
    expect(bubble).to_contain_text("Código de rastreio: AA300000009BR")
    seen = bubble.inner_text()
    assert len(day.texts(3)) == 1
    page.get_by_role("button", name="Marcar como enviado").click()
    expect(page.get_by_text(f"{order.code}: Pedido enviado.")).to_be_visible()
    wait_for_sent(LAST + 3)
    assert day.texts(3)[1].replace("*", "") == seen


def delivered_read_and_answered(day: Day) -> None:
    page, phones, order = day.page, day.phones, order_of(3)
    shipped = page.locator(".flowlog-timeline > li").first
    wait_until(lambda: message_of(order, "ship").receipt == Receipt.DELIVERY_ACK, "the receipt of the message")
    page.reload()
    expect(shipped).to_contain_text("entregue")
    phones.goto(f"/phone/{phone_of(3)}")
    expect(phones.locator(".bubble")).to_have_count(2)
    phones.get_by_label("Mensagem", exact=True).fill("Chega até sexta?")
    phones.get_by_role("button", name="Enviar").click()
    wait_until(lambda: message_of(order, "ship").receipt == Receipt.READ, "the receipt of the reader")
    wait_until(CustomerReply.objects.exists, "the answer")
    page.reload()
    expect(shipped).to_contain_text("lida")
    expect(shipped.locator(".flowlog-reply")).to_contain_text("Chega até sexta?")


def answer_from_the_inbox(day: Day) -> None:
    """On the phone that she has in her hand."""
    page, phones = day.page, day.phones
    page.set_viewport_size({"width": PHONE, "height": 844})
    page.goto("/admin/")
    page.get_by_text("resposta de cliente espera por você").click()
    page.get_by_role("link", name="Chega até sexta?").click()
    page.get_by_label("Sua resposta").fill("Chega na quinta!")
    page.get_by_role("button", name="Enviar resposta").click()
    expect(page.get_by_text("Sua resposta está a caminho.")).to_be_visible()
    expect(phones.locator(".bubble:not(.own)").last).to_contain_text("Chega na quinta!")
    wait_for_sent(LAST + 4)
    assert not CustomerReply.objects.filter(handled_at=None).exists()
    page.goto("/admin/")
    expect(page.get_by_text("Nada: está tudo em ordem.")).to_be_visible()


def hand_over_at_the_counter(day: Day) -> None:
    page, order = day.page, order_of(COMES)
    page.goto(order.get_admin_url())
    page.get_by_role("link", name="Pronto para retirada").click()
    page.get_by_role("button", name="Pronto para retirada").click()
    expect(page.get_by_text(f"{order.code}: Pronto para retirada.")).to_be_visible()
    wait_for_sent(LAST + 5)
    order.refresh_from_db()
    assert order.pickup_code in day.texts(COMES)[1]
    page.goto("/admin/orders/order/counter/")
    page.keyboard.type(order.pickup_code.lower())
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Entregar e receber").click()
    expect(page.get_by_text(f"Pedido {order.code}: entregue e pago.")).to_be_visible()
    order.refresh_from_db()
    assert (order.delivery_status, order.payment_status) == ("picked_up", "paid")
    # Who pays at the counter is told of the goods alone.
    wait_for_sent(LAST + 6)
    page.set_viewport_size({"width": LAPTOP, "height": 844})


def send_again(day: Day) -> None:
    page, order = day.page, order_of(1)
    said = day.texts(1)
    page.goto(order.get_admin_url())
    page.locator(".flowlog-timeline a").first.click()
    page.get_by_role("link", name="Reenviar").click()
    expect(page.get_by_text("Reenviar esta mensagem para (11) 98100-0001?")).to_be_visible()
    page.get_by_role("button", name="Reenviar").click()
    expect(page.get_by_text("A mensagem está sendo reenviada.")).to_be_visible()
    wait_for_sent(LAST + 7)
    assert day.texts(1) == [*said, said[1]]


def print_the_paper(day: Day) -> None:
    page, orders = day.page, [order_of(1), order_of(2)]
    for action in ("print_slip", "print_label"):
        page.goto("/admin/orders/order/?delivery_status__exact=shipped")
        day.choose(action, orders)
        expect(page.locator(".sheet")).to_have_count(2)
        for order in orders:
            expect(page.locator(".sheet").filter(has_text=order.code)).to_contain_text(order.customer.name)


def export_what_is_shown(day: Day) -> None:
    page = day.page
    page.goto("/admin/orders/order/?delivery_status__exact=shipped")
    with page.expect_download() as download:
        page.get_by_role("link", name="Exportar CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert [row["código"] for row in rows] == [order_of(number).code for number in (3, 2, 1)]
    assert [row["código de rastreio"] for row in rows] == ["AA300000009BR", *reversed(CODES)]
    assert LogEntry.objects.latest("pk").change_message == "Exportou 3 linhas."


def erase_a_customer(day: Day) -> None:
    page, order = day.page, order_of(3)
    page.goto(order.get_admin_url())
    page.get_by_role("link", name="José 03").first.click()
    page.get_by_role("link", name="Apagar dados pessoais").click()
    expect(page.get_by_text(re.compile("^Apagar os dados pessoais de José 03"))).to_be_visible()
    assert Customer.objects.filter(name="José 03").exists()
    page.get_by_role("button", name="Apagar dados pessoais").click()
    expect(page.get_by_text("Os dados pessoais do cliente foram apagados.")).to_be_visible()
    customer = Customer.objects.get(pk=order.customer_id)
    assert (customer.phone, Customer.objects.filter(name__contains="03").count()) == ("", 0)
    assert {row.message for row in NotificationLog.objects.filter(order=order)} == {""}
    page.goto("/admin/orders/order/?q=jose+03")
    expect(page.locator("#result_list")).to_have_count(0)
    page.goto("/admin/orders/order/?q=jose+04")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)


def test_a_day(day: Day) -> None:
    log_in_and_connect_the_phone(day)
    write_a_text(day)
    import_orders(day)
    confirm_all(day)
    ship_two(day)
    ship_one_after_reading_what_it_says(day)
    delivered_read_and_answered(day)
    answer_from_the_inbox(day)
    hand_over_at_the_counter(day)
    send_again(day)
    print_the_paper(day)
    export_what_is_shown(day)
    erase_a_customer(day)
    told = Counter(NotificationLog.objects.values_list("event", flat=True))
    assert told == {"confirm": 50, "ship": 4, "free_answer": 1, "ready_for_pickup": 1, "pick_up": 1}
    assert len(day.gateway.messages()) == told.total()
