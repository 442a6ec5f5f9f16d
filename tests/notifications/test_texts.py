"""The words that customers read."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation

from integrations.models import NotificationLog
from notifications import texts
from orders.models import Order, Store
from orders.services import apply_transition
from orders.transitions import TRANSITIONS
from tests.factories import make_instance, make_order

PAGE = "http://testserver/rastreio/kT3vQ9xYb2LmN8pRs5wZ0A/"


def snapshot(**order: object) -> dict[str, object]:
    return {
        "version": 1,
        "reason": "",
        "order": {
            "code": "K7MPXQ",
            "delivery_method": "courier",
            "payment_status": "pending",
            "delivery_attempts": 0,
            "total": "1234.50",
            "items": [{"description": "Camiseta azul", "quantity": 2, "unit_price": "617.25"}],
            "tracking_code": "",
            "tracking_link": "",
            "tracking_token": "kT3vQ9xYb2LmN8pRs5wZ0A",
            "pickup_code": "AB23",
            "pickup_deadline": "",
        }
        | order,
        "customer": {"name": "Maria da Silva", "phone": "+5511987654321"},
        "store": {"name": "Loja da Ana", "pickup_address": "Rua das Flores, 10"},
    }


@pytest.mark.parametrize("event", [entry.name for entry in TRANSITIONS.values() if entry.tells_customer])
def test_every_kind_has_a_text_that_names_order_and_customer_and_leaves_nothing_open(event: str) -> None:
    text = texts.render(event, snapshot())
    assert "*K7MPXQ*" in text
    assert "Maria" in text
    assert "Silva" not in text
    assert text[0].isupper()
    for remnant in ("{{", "{%", "None", "\n\n\n", "  ", " .", " ,", "()", "!.", ".."):
        assert remnant not in text


@pytest.mark.parametrize("event", ["opt_out", "opt_in"])
def test_confirmations_know_no_order_and_name_the_way_back(event: str) -> None:
    person = snapshot()
    del person["order"]
    text = texts.render(event, person)
    assert "Maria" in text
    assert ("*VOLTAR*" if event == "opt_out" else "*SAIR*") in text
    assert text.endswith("_Loja da Ana_")
    nameless = texts.render(event, {"version": 1})
    assert nameless[0].isupper()
    for remnant in ("{{", "None", "\n\n\n", "  ", " .", " ,", "()", ", !", "__"):
        assert remnant not in text + nameless


def test_create() -> None:
    assert texts.render("create", snapshot()) == (
        "Olá, Maria! 😊 Recebemos seu pedido *K7MPXQ*:\n\n"
        "2× Camiseta azul (R$ 617,25)\n\n"
        "*Total: R$ 1.234,50*\n\n"
        "Assim que ele for confirmado, avisamos você por aqui.\n\n"
        f"Acompanhe seu pedido: {PAGE}\n\n"
        "Para não receber mais avisos, responda *SAIR*.\n\n"
        "_Loja da Ana_"
    )


def test_ship_by_correios_gives_code_and_link() -> None:
    text = texts.render(
        "ship",
        snapshot(
            delivery_method="correios_sedex",
            tracking_code="AA123456785BR",
            tracking_link="https://rastreamento.correios.com.br/app/index.php?objetos=AA123456785BR",
        ),
    )
    assert text == (
        "Boa notícia, Maria! 📦 Seu pedido *K7MPXQ* foi enviado pelos Correios (SEDEX).\n\n"
        "Código de rastreio: *AA123456785BR*\n"
        "Rastreie por aqui: https://rastreamento.correios.com.br/app/index.php?objetos=AA123456785BR\n\n"
        f"Acompanhe seu pedido: {PAGE}"
    )


def test_ship_by_courier_is_short() -> None:
    assert texts.render("ship", snapshot()) == (
        f"Boa notícia, Maria! 📦 Seu pedido *K7MPXQ* já está com o nosso entregador.\n\nAcompanhe seu pedido: {PAGE}"
    )


def test_ready_for_pickup_gives_code_address_and_deadline() -> None:
    text = texts.render("ready_for_pickup", snapshot(pickup_deadline="2026-11-30T21:30:00+00:00"))
    assert text == (
        "Maria, seu pedido *K7MPXQ* está pronto para retirada! 🛍️\n\n"
        "Código de retirada: *AB23*\n"
        "Mostre este código no balcão.\n\n"
        "Endereço: Rua das Flores, 10\n"
        "Retire até segunda-feira, 30/11, às 18h30.\n\n"
        f"Código e prazo sempre à mão: {PAGE}"
    )


@pytest.mark.parametrize("event", ["fail_delivery", "cancel", "return_order"])
def test_the_reason_is_told_when_there_is_one(event: str) -> None:
    for given, told in (("Ninguém em casa", "Ninguém em casa."), ("Fechado.", "Fechado."), ("Sumiu!", "Sumiu!")):
        assert f"Motivo: {told}\n" in texts.render(event, snapshot() | {"reason": given})
    assert "Motivo" not in texts.render(event, snapshot())


LINKED = {"create", "confirm", "ship", "out_for_delivery", "ready_for_pickup"}


@pytest.mark.parametrize("event", [entry.name for entry in TRANSITIONS.values() if entry.tells_customer])
def test_what_goes_on_links_to_the_customers_page(event: str) -> None:
    assert texts.render(event, snapshot()).count(PAGE) == (event in LINKED)


def test_the_link_is_the_sites_address_when_the_text_is_written(settings: Any) -> None:
    settings.SITE_URL = "https://pedidos.example.com"
    link = "https://pedidos.example.com/rastreio/kT3vQ9xYb2LmN8pRs5wZ0A/"
    assert texts.render("confirm", snapshot()).endswith(f"\n\nAcompanhe seu pedido: {link}")


def test_cancel_promises_a_refund_only_to_who_has_paid() -> None:
    assert "reembolso de R$ 1.234,50" in texts.render("cancel", snapshot(payment_status="paid"))
    assert "reembolso" not in texts.render("cancel", snapshot())


@pytest.mark.parametrize("event", ["out_for_delivery", "fail_delivery"])
def test_what_recurs_names_its_attempt(event: str) -> None:
    drafts = {texts.render(event, snapshot(delivery_attempts=number)) for number in (1, 2, 3)}
    assert len(drafts) == 3


def test_what_people_typed_is_never_template_code_nor_escaped() -> None:
    typed = "{{ 7|add:7 }} {% now 'Y' %} <b>&"
    text = texts.render("cancel", snapshot() | {"reason": typed})
    assert f"Motivo: {typed}." in text


def test_the_language_is_portuguese_whatever_is_active() -> None:
    with translation.override("en"):
        assert "R$ 1.234,50" in texts.render("create", snapshot())


def test_a_long_order_is_listed_in_part_and_the_rest_is_counted() -> None:
    items = [{"description": f"Item {number}", "quantity": 1, "unit_price": "1.00"} for number in range(22)]
    text = texts.render("create", snapshot(items=items))
    assert "1× Item 19 (R$ 1,00)\n… e mais 2 itens\n\n*Total: R$ 1.234,50*" in text
    assert "Item 20" not in text
    assert "… e mais 1 item\n" in texts.render("create", snapshot(items=items[:21]))


def test_an_older_snapshot_that_lacks_fields_still_gives_a_whole_sentence() -> None:
    old = {"version": 1, "order": {"code": "K7MPXQ"}}
    assert texts.render("confirm", old).startswith("Seu pedido *K7MPXQ* está confirmado! ✅\n\n")
    assert texts.render("fail_delivery", old).startswith(
        "Tentamos entregar seu pedido *K7MPXQ*, mas não conseguimos. 😕\n\nResponda"
    )
    assert texts.render("ready_for_pickup", old) == "Seu pedido *K7MPXQ* está pronto para retirada! 🛍️"
    assert texts.render("expire_pickup", old).startswith("O prazo para retirar seu pedido *K7MPXQ* terminou. ⏰")
    for entry in TRANSITIONS.values():
        assert "*K7MPXQ*" in texts.render(entry.name, old)
        assert "http" not in texts.render(entry.name, old)


@pytest.mark.django_db
def test_the_row_holds_the_snapshot_of_the_moment() -> None:
    make_instance()
    order = make_order(until="confirmed", delivery_method="correios_pac")
    apply_transition(order, "ship", tracking_code="AA123456785BR")
    Order.objects.update(total="1.00", tracking_code="BB000000000BR")
    Store.objects.update(name="Outra loja")
    order.customer.name = "Outra pessoa"
    order.customer.save(update_fields=["name"])
    row = NotificationLog.objects.get()
    assert row.event == row.snapshot["event"] == "ship"
    assert row.snapshot["version"] == 1
    assert row.snapshot["order"]["total"] == "119.80"
    assert row.snapshot["order"]["tracking_code"] == "AA123456785BR"
    assert row.snapshot["order"]["delivery_status"] == "shipped"
    assert row.snapshot["customer"]["name"] == "Maria da Silva"
    assert row.snapshot["store"]["name"] == "Minha loja"
    assert row.snapshot["order"]["items"] == [{"description": "Camiseta azul", "quantity": 2, "unit_price": "59.90"}]
