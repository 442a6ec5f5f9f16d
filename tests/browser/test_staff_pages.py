"""Every page of the admin as the staff see it on a desk and on a phone, on a day on which everything happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.screen import DESK, Opener, log_in, photograph_on_each
from tests.browser.shop import Shop
from tests.integrations.sandbox import SandboxProcess
from tests.staff import make_staff

pytestmark = pytest.mark.django_db(transaction=True)

LOG = "/admin/integrations/notificationlog/"
# In the words of the list of orders, and of the page of the message.
LATEST = {
    "Maria": "pendente respondeu",
    "Beatriz": "enviada",
    "Caio": "enviada",
    "Davi": "não entregue",
    "Elisa": "entregue",
    "Fátima": "lida",
    "Gabriel": "falhou",
    "Heloísa": "incerta",
    "Ícaro": "descartada",
    "Joana": "cancelada",
    "Kaíque": "enviando",
    "Letícia": "pendente",
}
# Maria's, newest first.
TIMELINE = (
    ("Pedido entregue", "pendente"),
    ("Saiu para entrega", "Objeto saiu para entrega ao destinatário", "lida", "O cliente respondeu"),
    ("Pedido enviado", "AA123456785BR", "entregue"),
    ("Pagamento recebido", "não entregue"),
    ("Pedido confirmado", "Ana Lima", "lida"),
    ("Pedido recebido", "Ana Lima", "lida"),
)
DETAILS = {
    "Davi": ("nao-entregue", "não entregue"),
    "Elisa": ("entregue", "entregue"),
    "Fátima": ("lida", "lida"),
    "Gabriel": ("falhou", "Este número não está no WhatsApp. Confira com o cliente."),
    "Heloísa": ("incerta", "incerta"),
    "Ícaro": ("descartada", "descartada"),
    "Joana": ("cancelada", "cancelada"),
}


@pytest.fixture
def chief() -> User:
    """Ana, who may see everything."""
    ana = make_staff()
    User.objects.filter(pk=ana.pk).update(is_superuser=True, first_name="Ana", last_name="Lima")
    return User.objects.get(pk=ana.pk)


@pytest.fixture
def shop(chief: User, gateway: SandboxProcess) -> Shop:
    return Shop(gateway, chief)


@pytest.fixture
def page(opened: Opener, chief: User, live_server: Any) -> Iterator[Page]:
    with opened(DESK, base_url=live_server.url) as page:
        log_in(page, chief, live_server.url)
        yield page


def test_orders_tell_what_became_of_their_messages(page: Page, shop: Shop) -> None:
    page.goto("/admin/orders/order/")
    photograph_on_each(page, "pedidos-mensagens")
    for name, words in LATEST.items():
        row = page.get_by_role("row").filter(has_text=f"{name} Souza")
        expect(row.locator(".field-whatsapp")).to_have_text(words, use_inner_text=True, ignore_case=True)
    page.goto(f"/admin/orders/order/{shop.orders['Maria'].pk}/change/")
    photograph_on_each(page, "pedido-com-resposta")
    expect(page.locator(".flowlog-timeline .flowlog-reply")).to_contain_text("Oba! Pode deixar com o porteiro?")
    entries = page.locator(".flowlog-timeline > li")
    for entry, told in zip(entries.all(), TIMELINE, strict=True):
        for each in told:
            expect(entry).to_contain_text(each)


def test_what_the_log_tells_of_each_message(page: Page, shop: Shop) -> None:
    page.goto(LOG)
    photograph_on_each(page, "mensagens")
    for name, (what, *words) in DETAILS.items():
        page.goto(f"{LOG}{shop.latest(name).pk}/change/")
        photograph_on_each(page, f"mensagem-{what}", *words)
    page.locator("summary", has_text="O pedido na hora do aviso").click()
    photograph_on_each(page, "mensagem-retrato", "2× Camiseta azul, R$\xa059,90")


def test_what_is_asked_first(page: Page, shop: Shop) -> None:
    page.goto(f"{LOG}{shop.latest('Elisa').pk}/resend/")
    photograph_on_each(page, "reenviar", "Reenviar esta mensagem para (11) 98100-0004?")
    page.goto(f"{LOG}{shop.latest('Letícia').pk}/cancel/")
    message = f"“Pedido recebido” do pedido {shop.orders['Letícia'].code} (Letícia Souza)"
    photograph_on_each(page, "cancelar-mensagem", f"Cancelar a mensagem {message}? O cliente não será avisado.")
    shop.break_down()
    page.goto(f"/admin/integrations/evolutioninstance/{shop.latest('Elisa').instance_id}/release/")
    photograph_on_each(page, "liberar", "Voltar a enviar agora as mensagens de flowlog?")
    for name in ("confirm", "cancel"):
        page.goto(f"/admin/orders/order/{shop.orders['Letícia'].pk}/transition/{name}/")
        photograph_on_each(page, f"pedido-{name}")
