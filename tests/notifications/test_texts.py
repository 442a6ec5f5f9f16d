"""The words that customers read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from flowlog.devtools.sandbox.formatting import to_html
from integrations.messages.kinds import KINDS
from integrations.messages.snapshot import Snapshot
from notifications import texts
from orders.transitions import TRANSITIONS

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


def render(event: str, written: dict[str, Any]) -> str:
    return texts.render(event, Snapshot.from_json(written))


@pytest.mark.parametrize("event", [kind.name for kind in KINDS.values() if kind.needs_order])
def test_every_kind_has_a_text_that_names_order_and_customer(event: str) -> None:
    text = render(event, snapshot())
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
    text = render(event, person)
    assert "Maria" in text
    assert ("*VOLTAR*" if event == "opt_out" else "*SAIR*") in text
    assert text.endswith("_Loja da Ana_")
    nameless = render(event, {"version": 1})
    assert nameless[0].isupper()
    for remnant in ("{{", "None", "\n\n\n", "  ", " .", " ,", "()", ", !", "__"):
        assert remnant not in text + nameless


def test_create() -> None:
    assert render("create", snapshot()) == (
        "Olá, Maria! 😊 Recebemos seu pedido *K7MPXQ*:\n\n"
        "2× Camiseta azul (R$ 617,25)\n\n"
        "*Total: R$ 1.234,50*\n\n"
        "Assim que ele for confirmado, avisamos você por aqui.\n\n"
        f"Acompanhe seu pedido: {PAGE}\n\n"
        "Para não receber mais avisos, responda *SAIR*.\n\n"
        "_Loja da Ana_"
    )


def test_create_with_freight_discount_and_goods_by_weight() -> None:
    items = [
        {"description": "Queijo", "quantity": "1.5", "unit_price": "40.00"},
        {"description": "Caneca", "quantity": 1200, "unit_price": "1.00"},
    ]
    text = render("create", snapshot(items=items, freight="12.50", discount="0.50", total="1272.00"))
    assert text.split("\n\n")[1:4] == [
        "1,5× Queijo (R$ 40,00)\n1.200× Caneca (R$ 1,00)",
        "Frete: R$ 12,50\nDesconto: −R$ 0,50\n*Total: R$ 1.272,00*",
        "Assim que ele for confirmado, avisamos você por aqui.",
    ]


@pytest.mark.parametrize("amount", ["0", "0.00"])
def test_create_says_nothing_of_a_freight_or_discount_of_nothing(amount: str) -> None:
    assert render("create", snapshot(freight=amount, discount=amount)) == render("create", snapshot())


def test_ship_by_correios_gives_code_and_link() -> None:
    text = render(
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
    assert render("ship", snapshot()) == (
        f"Boa notícia, Maria! 📦 Seu pedido *K7MPXQ* já está com o nosso entregador.\n\nAcompanhe seu pedido: {PAGE}"
    )


def parcels(*codes: str) -> list[dict[str, str]]:
    return [{"code": code, "link": f"https://carrier.example/{code}"} for code in codes]


def test_ship_gives_each_parcel_its_code_and_link() -> None:
    assert render("ship", snapshot(delivery_method="correios_pac", parcels=parcels("A1", "B2"))) == (
        "Boa notícia, Maria! 📦 Seu pedido *K7MPXQ* foi enviado pelos Correios (PAC).\n\n"
        "Código de rastreio: *A1*\nRastreie por aqui: https://carrier.example/A1\n\n"
        "Código de rastreio: *B2*\nRastreie por aqui: https://carrier.example/B2\n\n"
        f"Acompanhe seu pedido: {PAGE}"
    )


def test_a_correction_gives_the_right_code_and_says_what_it_is() -> None:
    assert render("correct_tracking", snapshot(parcels=parcels("A1"))) == (
        "Maria, o rastreio do seu pedido *K7MPXQ* que enviamos antes não estava certo. Este é o correto: 📦\n\n"
        "Código de rastreio: *A1*\nRastreie por aqui: https://carrier.example/A1\n\n"
        f"Desculpe a confusão!\n\nAcompanhe seu pedido: {PAGE}"
    )


def test_ready_for_pickup_gives_code_address_and_deadline() -> None:
    text = render("ready_for_pickup", snapshot(pickup_deadline="2026-11-30T21:30:00+00:00"))
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
    for reason, told in (("Ninguém em casa", "Ninguém em casa."), ("Fechado.", "Fechado."), ("Sumiu!", "Sumiu!")):
        assert f"Motivo: {told}\n" in render(event, snapshot() | {"reason": reason})
    assert "Motivo" not in render(event, snapshot())


LINKED = {
    "create", "confirm", "ship", "correct_tracking", "out_for_delivery", "ready_for_pickup", "pickup_reminder",
    "move_deadline", "change_address", "back_to_preparation", "back_to_shipped", "back_to_counter", "reopen",
}  # fmt: skip


@pytest.mark.parametrize("event", [kind.name for kind in KINDS.values() if kind.needs_order])
def test_what_goes_on_links_to_the_customers_page(event: str) -> None:
    assert render(event, snapshot()).count(PAGE) == (event in LINKED)


def test_the_link_is_the_sites_address_when_the_text_is_written(settings: Any) -> None:
    settings.SITE_URL = "https://pedidos.example.com"
    link = "https://pedidos.example.com/rastreio/kT3vQ9xYb2LmN8pRs5wZ0A/"
    assert render("confirm", snapshot()).endswith(f"\n\nAcompanhe seu pedido: {link}")


def test_cancel_promises_a_refund_only_to_who_has_paid() -> None:
    assert "reembolso de R$ 1.234,50" in render("cancel", snapshot(payment_status="paid"))
    assert "reembolso" not in render("cancel", snapshot())


@pytest.mark.parametrize("event", ["out_for_delivery", "fail_delivery"])
def test_what_recurs_names_its_attempt(event: str) -> None:
    drafts = {render(event, snapshot(delivery_attempts=number)) for number in (1, 2, 3)}
    assert len(drafts) == 3


def test_what_people_typed_is_never_template_code_nor_escaped() -> None:
    typed = "{{ 7|add:7 }} {% now 'Y' %} <b>&"
    text = render("cancel", snapshot() | {"reason": typed})
    assert f"Motivo: {typed}." in text


EVENTS = list(KINDS)


def typed(words: str) -> dict[str, object]:
    """A snapshot in which people have typed the words everywhere."""
    taken = snapshot(
        items=[{"description": words, "quantity": 1, "unit_price": "1.00"}],
        parcels=[{"code": words, "link": ""}],
        payment_status="paid",
    )
    return taken | {
        "reason": words,
        "customer": {"name": f"{words} Ana"},
        "store": {"name": words, "pickup_address": words},
    }


@pytest.mark.parametrize("event", EVENTS)
@given(st.text("a1 *_~`\u202e\u200b\u2060.", max_size=30))
def test_what_people_typed_marks_nothing_and_turns_nothing(event: str, words: str) -> None:
    text = render(event, typed(words))
    assert not set("\u202e\u200b") & set(text)
    shown = to_html(re.sub(r"```.*?```", "", text))
    for marked in re.findall(r"<(?:strong|em|s)>(.*?)</", shown):
        assert not set("*_~") & set(marked)
    own = {"K7MPXQ", "AB23", "SAIR", "VOLTAR", "Total: R$ 1.234,50"}
    seen = re.sub("[\u202e\u200b\u2060`]", "", words)
    assert set(re.findall(r"<(?:strong|em|s)>(.*?)</", shown)) <= own | {seen, " ".join(seen.split())}


@pytest.mark.parametrize("words", ["Chapa 10*20*3 *promo* _azul_", "Kit ~antigo~ `x`", "```a```", "5 * 3 * 2"])
def test_marks_are_seen_and_mark_nothing(words: str) -> None:
    text = render("create", typed(words))
    line = next(line for line in text.splitlines() if line.startswith("1× "))
    assert line.replace("\u2060", "") == f"1× {words} (R$ 1,00)"
    assert "<" not in to_html(line)
    for mark in re.finditer(r"[*~`]", line):
        assert line[mark.start() - 1] == line[mark.end()] == "\u2060"


PIX = (
    "00020126580014br.gov.bcb.pix0136123e4567-e12b-12d1-a456-4266554400005204000053039865802BR5913Fulano de Tal"
    "6008BRASILIA62070503***6304F415"
)


@pytest.mark.parametrize("code", [PIX, "62070503***6304F415", "00020126…62070503***6304F415"])
def test_a_pix_code_arrives_as_it_can_be_paid(code: str) -> None:
    text = render("cancel", snapshot() | {"reason": f"Pague *hoje* com {code}"})
    assert f"Motivo: Pague \u2060*\u2060hoje\u2060*\u2060 com ```{code}```\n" in text
    plain = render("cancel", snapshot() | {"reason": code.replace("*", "")})
    assert f"Motivo: {code.replace('*', '')}\n" in plain


def test_links_and_addresses_of_mail_in_a_reason_stay_usable() -> None:
    words = "Veja https://loja.example/a_b_c?x=_y_z ou fale com maria_da_silva@loja.example"
    assert f"Motivo: {words}.\n" in render("cancel", snapshot() | {"reason": words})


def test_a_code_with_marks_is_given_as_it_is() -> None:
    text = render("ship", snapshot(parcels=[{"code": "AB_1*2", "link": ""}]))
    assert "Código de rastreio: ```AB_1*2```\n" in text


def test_a_store_with_marks_in_its_name_signs_without_ours() -> None:
    text = render("create", snapshot() | {"store": {"name": "Loja_da_*Ana*"}})
    assert text.splitlines()[-1].replace("\u2060", "") == "Loja_da_*Ana*"
    assert "<" not in to_html(text.splitlines()[-1])


@pytest.mark.parametrize(
    ("name", "greeting"),
    [("Dr. Paulo Lima", "Olá, Paulo! "), ("🌸🌸", "Olá! "), ("https://loja.example Ana", "Olá, Ana! ")],
)
def test_a_customer_is_called_by_what_is_a_name(name: str, greeting: str) -> None:
    assert render("create", snapshot() | {"customer": {"name": name}}).startswith(greeting)


def test_a_text_is_as_long_as_whatsapp_takes_and_keeps_its_closing_words() -> None:
    def text(number: int, letter: str = "x") -> str:
        items = [{"description": letter * 200, "quantity": 1, "unit_price": "1.00"} for _ in range(number)]
        return render("create", snapshot(items=items))

    long = text(30)
    assert (len(long.encode("utf-16-le")) // 2, long.count("1× x")) == (3916, 17)
    assert "\n… e mais 13 itens\n\n*Total: R$ 1.234,50*" in long
    assert long.endswith("_Loja da Ana_")
    emoji = text(30, "🌸")
    assert (len(emoji.encode("utf-16-le")) // 2, emoji.count("1× ")) == (4004, 9)
    assert text(17).count("1× x") == 17
    assert text(18).count("1× x") == 17


def test_the_language_is_portuguese_whatever_is_active() -> None:
    with translation.override("en"):
        assert "R$ 1.234,50" in render("create", snapshot())


def test_a_long_order_is_listed_in_part_and_the_rest_is_counted() -> None:
    items = [{"description": f"Item {number}", "quantity": 1, "unit_price": "1.00"} for number in range(22)]
    text = render("create", snapshot(items=items))
    assert "1× Item 19 (R$ 1,00)\n… e mais 2 itens\n\n*Total: R$ 1.234,50*" in text
    assert "Item 20" not in text
    assert "… e mais 1 item\n" in render("create", snapshot(items=items[:21]))


def test_an_older_snapshot_that_lacks_fields_still_gives_a_whole_sentence() -> None:
    old = {"version": 1, "order": {"code": "K7MPXQ"}}
    assert render("confirm", old).startswith("Seu pedido *K7MPXQ* está confirmado! ✅\n\n")
    assert render("fail_delivery", old).startswith(
        "Tentamos entregar seu pedido *K7MPXQ*, mas não conseguimos. 😕\n\nResponda"
    )
    assert render("ready_for_pickup", old) == "Seu pedido *K7MPXQ* está pronto para retirada! 🛍️"
    assert render("expire_pickup", old).startswith("O prazo para retirar seu pedido *K7MPXQ* terminou. ⏰")
    for entry in TRANSITIONS.values():
        assert "*K7MPXQ*" in render(entry.name, old)
        assert "http" not in render(entry.name, old)
