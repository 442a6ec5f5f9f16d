"""What the shops' systems say, read without a database: who signed it, which order it is, and what it comes to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from integrations.shops.news import Hint, Item, Nothing, OrderNews
from integrations.shops.sources import generic, nuvemshop, woocommerce, yampi
from integrations.shops.sources.reading import text
from integrations.sources import RefusedError

SECRET = 'segredo & "aspas" ção'
SOURCES = {"woocommerce": woocommerce, "yampi": yampi, "nuvemshop": nuvemshop, "generic": generic}
NUVEMSHOP = {"secret": SECRET, "store_id": "123", "token": "t0k3n", "mail": "ana@example.com"}
MEANINGS = {
    "ignored", "silent", "placed", "confirmed", "paid", "ready", "shipped", "shipped_if_tracked", "out_for_delivery",
    "delivered", "failed_attempt", "returned", "cancelled", "refunded", "staff",
}  # fmt: skip

WOO: dict[str, Any] = {
    "id": 11,
    "number": "1011",
    "status": "processing",
    "currency": "BRL",
    "date_created_gmt": "2026-11-27T10:58:40",
    "date_modified": "2026-11-27T07:58:42",
    "date_modified_gmt": "2026-11-27T10:58:42",
    "date_paid_gmt": "2026-11-27T10:58:42",
    "discount_total": "0.00",
    "shipping_total": "15.00",
    "total": "114.80",
    "payment_method": "pix",
    "customer_note": "Tocar a campainha",
    "billing": {
        "first_name": "Maria", "last_name": "São José", "company": "", "address_1": "Rua das Flores",
        "address_2": "ap 3", "city": "São Paulo", "state": "SP", "postcode": "01001-000", "phone": "(11) 3333-4444",
    },
    "shipping": {"first_name": "Maria", "address_1": "", "phone": "(11) 2222-3333"},
    "line_items": [{"name": "Camiseta azul", "quantity": 2, "subtotal": "99.80", "total": "99.80", "price": 49.9}],
    "shipping_lines": [{"method_id": "flat_rate", "method_title": "PAC", "total": "15.00"}],
    "meta_data": [
        {"id": 1, "key": "_billing_cpf", "value": "529.982.247-25"},
        {"id": 2, "key": "_billing_number", "value": "12"},
        {"id": 3, "key": "_billing_cellphone", "value": "(11) 98765-4321"},
    ],
}  # fmt: skip
YAMPI: dict[str, Any] = {
    "event": "order.paid",
    "time": "2026-11-27T08:00:00-03:00",
    "resource": {
        "id": 900,
        "number": 12345678,
        "status": {"data": {"id": 4, "alias": "paid", "name": "Pagamento aprovado"}},
        "updated_at": {"date": "2026-11-27 07:58:42.000000", "timezone_type": 3, "timezone": "America/Sao_Paulo"},
        "value_total": 114.8,
        "value_shipment": 15,
        "value_discount": 0,
        "shipment_service": "ME_SEDEX_CENTRALIZADO_29",
        "track_code": None,
        "track_url": None,
        "customer": {"data": {"first_name": "Maria", "last_name": "São José", "cpf": "52998224725", "cnpj": None,
                              "phone": {"full_number": "11987654321"}}},
        "shipping_address": {"data": {"street": "Rua das Flores", "number": "12", "complement": None,
                                      "neighborhood": "Centro", "city": "São Paulo", "uf": "SP",
                                      "zipcode": "01001000"}},
        "items": {"data": [{"quantity": 2, "price": 49.9, "sku": {"data": {"title": "Camiseta azul"}}}]},
    },
}  # fmt: skip
NUVEM_ORDER: dict[str, Any] = {
    "id": 4567890123,
    "number": 101,
    "status": "open",
    "payment_status": "paid",
    "shipping_status": "unpacked",
    "shipping_pickup_type": "ship",
    "shipping_option": "Correios - SEDEX",
    "shipping_tracking_number": None,
    "shipping_tracking_url": None,
    "updated_at": "2026-11-27T07:58:42-0300",
    "contact_name": "Maria São José",
    "contact_phone": "+5511987654321",
    "contact_identification": "52998224725",
    "total": "114.80",
    "discount": "0.00",
    "shipping_cost_customer": "15.00",
    "shipping_address": {"address": "Rua das Flores", "number": "12", "floor": "Não informado", "locality": "Centro",
                         "city": "São Paulo", "province": "SP", "zipcode": "01001000", "phone": "Não informado"},
    "products": [{"name": "Camiseta azul", "price": "49.90", "quantity": 2}],
}  # fmt: skip
OWN: dict[str, Any] = {
    "id": "1011",
    "status": ["paid", "shipped"],
    "changed_at": "2026-11-27T07:58:42-03:00",
    "customer": {"name": "Maria São José", "phone": "(11) 98765-4321", "document": "529.982.247-25"},
    "delivery": {"method": "correios_pac", "address": "Rua das Flores, 12"},
    "items": [{"description": "Camiseta azul", "quantity": 2, "unit_price": "49.90"}],
    "freight": "15.00",
    "tracking_code": "AA123456785BR",
}
BODIES: dict[str, dict[str, Any]] = {
    "woocommerce": WOO,
    "yampi": YAMPI,
    "nuvemshop": {"store_id": 123, "event": "order/paid", "id": 456},
    "generic": OWN,
}


def sent(values: Any) -> bytes:
    """As PHP writes it: slashes and letters of other alphabets escaped."""
    return json.dumps(values).replace("/", r"\/").encode()


def base64_of(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


def headers_of(source: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
    """What each source signs with, by what its makers say and not by our code."""
    if source == "woocommerce":
        return {"X-WC-Webhook-Topic": "order.updated", "X-WC-Webhook-Signature": base64_of(body, secret)}
    if source == "yampi":
        return {"X-Yampi-Hmac-SHA256": base64_of(body, secret)}
    if source == "nuvemshop":
        return {"x-linkedstore-hmac-sha256": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}
    now = str(int(time.time()))
    signature = hmac.new(secret.encode(), now.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Flowlog-Timestamp": now, "X-Flowlog-Signature": f"sha256={signature}"}


def verifies(source: str, headers: Mapping[str, str], body: bytes, **credentials: str) -> bool:
    refused = None
    try:
        SOURCES[source].verify(headers, body, NUVEMSHOP | credentials)
    except RefusedError as refusal:
        refused = refusal.status
    assert refused in {None, HTTPStatus.FORBIDDEN}
    return refused is None


def woo(topic: str = "order.updated", **values: Any) -> Any:
    return woocommerce.read({"X-WC-Webhook-Topic": topic}, sent(WOO | values))


class TestWhoSigned:
    @pytest.mark.parametrize("source", SOURCES)
    def test_the_raw_body_counts_and_nothing_else(self, source: str) -> None:
        body = sent({**BODIES[source], "note": "https://loja.example.com/São"})
        assert rb"\/" in body
        assert rb"\u00e3" in body
        headers = headers_of(source, body)
        assert verifies(source, headers, body)
        # Proxies write names as they like.
        assert verifies(source, {name.lower(): value for name, value in headers.items()}, body)
        assert not verifies(source, headers, body.replace(b"1", b"2", 1))
        assert not verifies(source, headers, json.dumps(json.loads(body), ensure_ascii=False).encode())
        assert not verifies(source, headers, body + b" ")

    @pytest.mark.parametrize("source", SOURCES)
    @pytest.mark.parametrize("secret", ["", " "])
    def test_an_empty_secret_signs_nothing(self, source: str, secret: str) -> None:
        body = sent(BODIES[source])
        assert not verifies(source, headers_of(source, body, secret), body, secret=secret)
        with pytest.raises(RefusedError):
            SOURCES[source].verify(headers_of(source, body, ""), body, {})

    @pytest.mark.parametrize("source", SOURCES)
    def test_a_signature_that_is_missing_or_of_another_make_is_refused(self, source: str) -> None:
        body = sent(BODIES[source])
        headers = headers_of(source, body)
        name = next(each for each in headers if re.search("signature|hmac", each.lower()))
        hexed = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        of_another_make = base64_of(body) if source == "nuvemshop" else hexed
        for wrong in ("", of_another_make, headers[name][:-1], headers[name] + "=", "ção", "\udcff"):
            assert not verifies(source, headers | {name: wrong}, body), wrong
        assert not verifies(source, {}, body)
        assert not verifies(source, headers_of(source, body, "outro"), body)

    def test_our_own_is_not_taken_again_later(self) -> None:
        body = sent(OWN)
        before = str(int(time.time()) - 301)
        signature = hmac.new(SECRET.encode(), before.encode() + b"." + body, hashlib.sha256).hexdigest()
        headers = {"X-Flowlog-Timestamp": before, "X-Flowlog-Signature": f"sha256={signature}"}
        assert not verifies("generic", headers, body)

    def test_an_apps_secret_does_not_speak_for_another_shop(self) -> None:
        body = sent({"store_id": 124, "event": "order/paid", "id": 456})
        assert not verifies("nuvemshop", headers_of("nuvemshop", body), body)
        assert verifies("nuvemshop", headers_of("nuvemshop", body), body, store_id=" 124 ")


class TestWhoOnlyLooks:
    @pytest.mark.parametrize("source", SOURCES)
    def test_a_look_is_no_news_and_news_is_no_look(self, source: str) -> None:
        body = sent(BODIES[source])
        for method in ("GET", "HEAD"):
            assert SOURCES[source].is_probe(method, {}, b"")
        assert not SOURCES[source].is_probe("POST", headers_of(source, body), body)
        assert not SOURCES[source].is_probe("POST", {}, body)

    def test_woocommerces_ping_is_an_unsigned_form(self) -> None:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert woocommerce.is_probe("POST", form, b"webhook_id=7")
        assert not woocommerce.is_probe("POST", form | {"X-WC-Webhook-Signature": "x"}, b"webhook_id=7")
        assert not woocommerce.is_probe("POST", form, b"webhook_id=7&id=8")


class TestWooCommerce:
    def test_reads_the_whole_order(self) -> None:
        news = woo()
        assert (news.external_id, news.external_number, news.statuses) == ("11", "1011", ("processing",))
        assert news.changed_at == datetime(2026, 11, 27, 10, 58, 42, tzinfo=UTC)
        placed = news.placed
        assert placed.customer_name == "Maria São José"
        assert placed.phones == ("(11) 98765-4321", "(11) 3333-4444", "(11) 2222-3333")
        assert (placed.document, placed.delivery_method) == ("529.982.247-25", "correios_pac")
        assert placed.address == "Rua das Flores, 12, ap 3, São Paulo/SP, 01001-000"
        assert placed.items == (Item("Camiseta azul", Decimal(2), Decimal("49.90")),)
        assert (placed.freight, placed.discount, placed.notes) == (Decimal("15.00"), Decimal(0), "Tocar a campainha")

    @pytest.mark.parametrize(
        ("values", "statuses", "means"),
        [
            ({"status": "checkout-draft"}, ("checkout-draft",), ["ignored"]),
            ({"status": "trash"}, ("trash",), ["ignored"]),
            ({"status": "pending"}, ("pending",), ["silent"]),
            ({"status": "failed"}, ("failed",), ["silent"]),
            ({"status": "on-hold"}, ("on-hold",), ["placed"]),
            ({"payment_method": "cod"}, ("processing/cod",), ["confirmed"]),
            ({"status": "completed"}, ("completed", "paid"), ["shipped_if_tracked", "paid"]),
            ({"status": "completed", "date_paid_gmt": None}, ("completed",), ["shipped_if_tracked"]),
            ({"status": "cancelled"}, ("cancelled", "paid"), ["cancelled", "paid"]),
            ({"status": "refunded"}, ("refunded",), ["refunded"]),
            ({"status": "enviado-parcial"}, ("enviado-parcial",), [None]),
        ],
    )
    def test_says_where_the_order_is(
        self, values: dict[str, Any], statuses: tuple[str, ...], means: list[str | None]
    ) -> None:
        news = woo(**values)
        assert news.statuses == statuses
        assert [woocommerce.MEANINGS.get(each) for each in statuses] == means

    @pytest.mark.parametrize(
        ("topic", "values", "words", "trouble"),
        [
            ("order.deleted", {"id": 11}, "A loja excluiu o pedido.", False),
            ("", {"id": 11}, "A loja excluiu o pedido.", False),
            ("product.updated", WOO, "Não é sobre um pedido: product.updated.", False),
            (
                "order.restored",
                {"code": "woocommerce_rest_shop_order_invalid_id", "message": "Invalid ID.", "data": {"status": 404}},
                "O pedido não existe mais na loja.",
                False,
            ),
            (
                "order.updated",
                {"code": "woocommerce_rest_cannot_view", "message": "Sorry", "data": {"status": 401}},
                "Em vez do pedido, a loja manda um erro: salve o webhook de novo com um usuário que possa ler pedidos.",
                True,
            ),
            ("order.updated", {"id": 11, "status": "processing"}, "O que chegou não diz quando o pedido mudou.", True),
            ("order.updated", {"status": "processing"}, "Falta “id” no que chegou.", True),
            ("order.updated", WOO | {"total": ""}, "“total” não é um valor: “”.", True),
        ],
    )
    def test_what_is_signed_and_no_order_says_why(
        self, topic: str, values: dict[str, Any], words: str, trouble: bool
    ) -> None:
        assert woocommerce.read({"x-wc-webhook-topic": topic}, sent(values)) == Nothing(words, trouble=trouble)

    def test_finds_the_code_where_plug_ins_put_it(self) -> None:
        one = {"key": "_correios_tracking_code", "value": "AA123456785BR"}
        two = {"key": "_wc_shipment_tracking_items", "value": [{"tracking_number": "AA987654325BR"}, 7, {}]}
        assert woo(meta_data=[one]).tracking_code == "AA123456785BR"
        assert woo(meta_data=[two, one, one]).tracking_code == "AA123456785BR, AA987654325BR"
        assert woo(meta_data="x").tracking_code == ""

    @pytest.mark.parametrize(
        ("way", "method"),
        [
            ([{"method_id": "local_pickup", "method_title": "Retirada"}], "pickup"),
            ([{"method_id": "pickup_location:2", "method_title": "Sedex"}], "pickup"),
            ([{"method_id": "x", "method_title": "Correios SEDEX (3 dias)"}], "correios_sedex"),
            ([{"method_id": "x", "method_title": "Entrega por motoboy"}], "courier"),
            ([{"method_id": "free_shipping", "method_title": "Frete grátis no pacote"}], "carrier"),
            ([], "carrier"),
        ],
    )
    def test_goes_by_the_way_that_was_chosen(self, way: list[dict[str, str]], method: str) -> None:
        assert woo(shipping_lines=way).placed.delivery_method == method

    @pytest.mark.parametrize(
        ("values", "items", "freight", "discount"),
        [
            # A third has no price in cents: the line's sum counts, not the float.
            (
                {"total": "100.00", "shipping_total": "0", "line_items": [
                    {"name": "Vela", "quantity": 3, "subtotal": "100.00", "price": 33.333333333333336}]},
                [("3× Vela", 1, "100.00")], "0.00", "0.00",
            ),
            ({"total": "104.80", "discount_total": "10.00"}, [("Camiseta azul", 2, "49.90")], "15.00", "10.00"),
            # What a plug-in took off without saying so, and what one put on.
            ({"total": "110.00"}, [("Camiseta azul", 2, "49.90")], "15.00", "4.80"),
            ({"total": "120.00"}, [("Camiseta azul", 2, "49.90"), ("Impostos e outras taxas", 1, "5.20")],
             "15.00", "0.00"),
            ({"total": "20.00", "line_items": []}, [("Pedido na loja", 1, "5.00")], "15.00", "0.00"),
            ({"total": "15.00", "line_items": [{"name": "Brinde", "quantity": 0.5, "subtotal": "0"}]},
             [("Brinde", "0.5", "0.00")], "15.00", "0.00"),
        ],
    )  # fmt: skip
    def test_comes_to_what_the_customer_paid(
        self, values: dict[str, Any], items: list[tuple[str, Any, str]], freight: str, discount: str
    ) -> None:
        placed = woo(**values).placed
        expected = [Item(words, Decimal(quantity), Decimal(price)) for words, quantity, price in items]
        assert list(placed.items) == expected
        assert (placed.freight, placed.discount) == (Decimal(freight), Decimal(discount))
        goods = sum(item.quantity * item.unit_price for item in placed.items)
        assert goods + placed.freight - placed.discount == Decimal(values["total"])

    def test_two_orders_of_one_second_are_two(self) -> None:
        """Their delivery has the same id: nothing of it counts."""
        same = {"X-WC-Webhook-Topic": "order.updated", "X-WC-Webhook-Delivery-ID": "5f0c"}
        found = [woocommerce.read(same, sent(WOO | {"id": pk})) for pk in (11, 12)]
        assert [each.external_id for each in found if isinstance(each, OrderNews)] == ["11", "12"]


class TestAskingWooCommerce:
    CREDENTIALS = {"address": "https://loja.example.com/", "consumer_key": "ck_1", "consumer_secret": "cs_2"}
    SINCE = datetime.fromisoformat("2026-11-27T07:58:42.5-03:00")

    def test_reads_page_after_page_what_changed_since(self) -> None:
        calls: list[tuple[Any, ...]] = []
        pages = [[WOO | {"id": number} for number in range(1, 101)], [WOO | {"id": 101}, {"id": 102}, 7]]

        def call(*asked: Any) -> tuple[int, dict[str, str], Any]:
            calls.append(asked)
            return 200, {}, pages[len(calls) - 1]

        found = list(woocommerce.poll(self.CREDENTIALS, self.SINCE, call))
        assert [news.external_id for news in found] == [str(number) for number in range(1, 102)]
        url = "https://loja.example.com/wp-json/wc/v3/orders"
        key = {"Authorization": f"Basic {base64.b64encode(b'ck_1:cs_2').decode()}"}
        asked = {"modified_after": "2026-11-27T10:58:42", "dates_are_gmt": "true", "per_page": 100}
        asked |= {"orderby": "modified", "order": "asc"}
        assert calls == [("GET", url, key, asked | {"page": page}) for page in (1, 2)]

    @pytest.mark.parametrize(("status", "answer"), [(401, {"code": "x"}), (200, None), (404, [])])
    def test_a_shop_that_gives_none_is_told_of(self, status: int, answer: Any) -> None:
        with pytest.raises(RefusedError, match=rf"A loja não entrega os pedidos \({status}\)"):
            list(woocommerce.poll(self.CREDENTIALS, self.SINCE, lambda *_asked: (status, {}, answer)))


class TestYampi:
    def test_reads_the_whole_order(self) -> None:
        news = yampi.read({}, sent(YAMPI))
        assert isinstance(news, OrderNews)
        assert (news.external_id, news.external_number, news.statuses) == ("900", "12345678", ("paid",))
        assert news.changed_at == datetime(2026, 11, 27, 10, 58, 42, tzinfo=UTC)
        placed = news.placed
        assert (placed.customer_name, placed.phones, placed.document) == (
            "Maria São José", ("11987654321",), "52998224725",
        )  # fmt: skip
        assert placed.address == "Rua das Flores, 12, Centro, São Paulo/SP, 01001000"
        assert placed.delivery_method == "correios_sedex"
        assert placed.items == (Item("Camiseta azul", Decimal(2), Decimal("49.90")),)
        assert (placed.freight, placed.discount) == (Decimal(15), Decimal(0))

    def test_amounts_are_no_floats(self) -> None:
        body = sent(YAMPI).replace(b"114.8,", b"114.80499999999999999999,")
        news = yampi.read({}, body)
        assert isinstance(news, OrderNews)
        # As a float it would be half a cent more.
        assert [item.unit_price for item in news.placed.items] == [Decimal("49.90")]

    def test_carts_and_invoices_are_no_orders(self) -> None:
        for event in ("cart.reminder", "order.invoice.created", "customer.created"):
            said = yampi.read({}, sent(YAMPI | {"event": event}))
            assert said == Nothing(f"Não é sobre um pedido: {event}.")
        assert yampi.read({}, sent({"event": "order.paid"})) == Nothing("Falta “id” no que chegou.", trouble=True)

    def test_a_zone_that_is_none_is_told_of(self) -> None:
        for zone in ("../etc", "Terra/Média", "America"):
            resource = YAMPI["resource"] | {"updated_at": {"date": "2026-11-27 07:58:42", "timezone": zone}}
            said = yampi.read({}, sent(YAMPI | {"resource": resource}))
            assert said == Nothing(f"“{zone}” não é um fuso horário.", trouble=True)


class TestNuvemshop:
    @pytest.mark.parametrize(
        ("values", "told"),
        [
            ({"event": "order/paid", "id": 456}, Hint("456", "order/paid")),
            ({"event": "fulfillment_order/status_updated", "order_id": 9, "fulfillment_id": "01H"},
             Hint("9", "fulfillment_order/status_updated")),
            ({"event": "order/paid", "id": "../me"}, Nothing("“../me” não é número de pedido.", trouble=True)),
            ({"event": "app/uninstalled"},
             Nothing("A Nuvemshop avisa que o aplicativo não está mais ativo na loja.", trouble=True)),
            ({"event": "product/updated", "id": 1}, Nothing("Não é sobre um pedido: product/updated.")),
            ({"customer": {"id": 1}, "orders_to_redact": [9]}, Nothing(
                "A Nuvemshop repassa o pedido de um cliente sobre os dados dele (LGPD): providencie.", trouble=True)),
        ],
    )  # fmt: skip
    def test_only_hints_at_orders(self, values: dict[str, Any], told: Any) -> None:
        assert nuvemshop.read({}, sent({"store_id": 123} | values)) == told

    @staticmethod
    def fetched(status: int = 200, answer: Any = None, **credentials: str) -> tuple[Any, list[Any]]:
        calls: list[Any] = []

        def call(*asked: Any) -> tuple[int, dict[str, str], Any]:
            calls.append(asked)
            return status, {}, answer

        return nuvemshop.fetch(Hint("456", "order/paid"), NUVEMSHOP | credentials, call), calls

    def test_reads_what_it_fetched(self) -> None:
        news, calls = self.fetched(answer=NUVEM_ORDER)
        agent = {"User-Agent": "Flowlog (ana@example.com)"}
        assert calls == [
            ("GET", "https://api.nuvemshop.com.br/v1/123/orders/456", {"Authentication": "bearer t0k3n"} | agent)
        ]
        assert (news.external_id, news.external_number) == ("4567890123", "101")
        assert news.statuses == ("open", "paid", "unpacked")
        assert news.changed_at == datetime(2026, 11, 27, 10, 58, 42, tzinfo=UTC)
        placed = news.placed
        assert (placed.customer_name, placed.phones, placed.document) == (
            "Maria São José", ("+5511987654321",), "52998224725",
        )  # fmt: skip
        assert placed.address == "Rua das Flores, 12, Centro, São Paulo/SP, 01001000"
        assert (placed.delivery_method, placed.freight) == ("correios_sedex", Decimal(15))
        assert placed.items == (Item("Camiseta azul", Decimal(2), Decimal("49.90")),)

    def test_what_is_not_confirmed_can_be_set(self) -> None:
        _news, calls = self.fetched(answer=NUVEM_ORDER, header="Authorization", version="2025-03")
        assert calls[0][1] == "https://api.nuvemshop.com.br/2025-03/123/orders/456"
        assert calls[0][2]["Authorization"] == "Bearer t0k3n"

    @pytest.mark.parametrize(
        ("values", "means"),
        [
            ({"payment_status": "authorized"}, {"placed", "ignored"}),
            ({"payment_status": "abandoned"}, {"placed", "silent", "ignored"}),
            ({"shipping_status": "fulfilled"}, {"placed", "paid", "shipped"}),
            ({"shipping_status": "unfulfilled"}, {"placed", "paid", "ignored"}),
            ({"shipping_status": "unfulfilled", "shipping_pickup_type": "pickup"}, {"placed", "paid", "ready"}),
            ({"shipping_status": "fulfilled", "shipping_pickup_type": "pickup"}, {"placed", "paid", "staff"}),
            ({"status": "cancelled", "payment_status": "refunded"}, {"cancelled", "refunded", "ignored"}),
            ({"shipping_status": "fulfilled", "fulfillments": [{"status": "DELIVERED"}]},
             {"placed", "paid", "shipped", "delivered"}),
            ({"shipping_status": "fulfilled", "fulfillments": [{"status": "DELIVERED"}, {"status": "DISPATCHED"}]},
             {"placed", "paid", "shipped"}),
        ],
    )  # fmt: skip
    def test_says_of_three_kinds_where_the_order_is(self, values: dict[str, Any], means: set[str]) -> None:
        news, _calls = self.fetched(answer=NUVEM_ORDER | values)
        assert {nuvemshop.MEANINGS[each] for each in news.statuses} == means

    def test_a_reason_is_said_as_a_customer_may_read_it(self) -> None:
        said = {"customer": "a seu pedido", "inventory": "falta de estoque", "fraud": "", "other": "", "x": ""}
        for reason, words in said.items():
            news, _calls = self.fetched(answer=NUVEM_ORDER | {"status": "cancelled", "cancel_reason": reason})
            assert news.cancel_reason == words
        assert self.fetched(answer=NUVEM_ORDER | {"cancel_reason": "customer"})[0].cancel_reason == ""

    def test_an_answer_that_is_no_order_says_why(self) -> None:
        assert self.fetched(404)[0] == Nothing("O pedido não existe mais na loja.")
        for status, answer in ((401, {"code": 401}), (200, []), (200, None)):
            words = f"A Nuvemshop não entrega o pedido ({status}): confira o número da loja e o token."
            assert self.fetched(status, answer)[0] == Nothing(words, trouble=True)
        assert self.fetched(answer={"id": 1})[0] == Nothing("Falta “status” no que chegou.", trouble=True)


class TestOurOwn:
    def test_reads_the_whole_order(self) -> None:
        news = generic.read({}, sent(OWN | {"reason": "x", "notes": "frágil", "tracking_url": "https://example.com/1"}))
        assert isinstance(news, OrderNews)
        assert (news.external_id, news.external_number, news.statuses) == ("1011", "1011", ("paid", "shipped"))
        assert news.changed_at == datetime(2026, 11, 27, 10, 58, 42, tzinfo=UTC)
        assert (news.tracking_code, news.tracking_url) == ("AA123456785BR", "https://example.com/1")
        assert news.cancel_reason == "x"
        placed = news.placed
        assert (placed.customer_name, placed.phones) == ("Maria São José", ("(11) 98765-4321",))
        assert (placed.delivery_method, placed.address, placed.notes) == (
            "correios_pac",
            "Rua das Flores, 12",
            "frágil",
        )
        assert placed.items == (Item("Camiseta azul", Decimal(2), Decimal("49.90")),)
        assert (placed.freight, placed.discount) == (Decimal("15.00"), Decimal(0))

    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ({"id": None}, "Falta “id” no que chegou."),
            ({"status": []}, "Falta “status” no que chegou."),
            ({"changed_at": "ontem"}, "“ontem” não é data e hora."),
            ({"changed_at": "0001-01-01T00:00:00+14:00"}, "“0001-01-01T00:00:00+14:00” não é data e hora."),
            ({"delivery": {}}, "Falta “method” no que chegou."),
            ({"delivery": {"method": "drone"}}, "“drone” não é uma forma de entrega."),
            ({"items": [{"unit_price": "1"}]}, "Falta “description” no que chegou."),
            ({"items": [{"description": "x", "unit_price": "1,50"}]}, "“unit_price” não é um valor: “1,50”."),
            ({"freight": True}, "“freight” não é um valor: “True”."),
            ({"freight": "1e11"}, "“freight” não é um valor: “1e11”."),
        ],
    )
    def test_names_the_field_that_is_wrong(self, values: dict[str, Any], words: str) -> None:
        assert generic.read({}, sent(OWN | values)) == Nothing(words, trouble=True)

    def test_the_documented_example_works_as_it_stands(self) -> None:
        """What it would send is what we take."""
        document = (settings.BASE_DIR / "integrations" / "SHOPS.md").read_text()
        (example,) = re.findall(r"```sh\n(.*?)```", document, re.DOTALL)
        record = """curl() { printf '%s\\0' "$@"; }\n"""
        variables = {"ADDRESS": "https://example.com/webhooks/orders/generic/x/", "SECRET": SECRET}
        ran = subprocess.run(
            ["bash", "-euc", record + example], env=os.environ | variables, capture_output=True, check=True
        )
        given = ran.stdout.decode().split("\0")
        headers = dict(each.split(": ", 1) for name, each in pairwise(given) if name == "--header")
        body = given[given.index("--data-binary") + 1].encode()
        assert verifies("generic", headers, body)
        news = generic.read(headers, body)
        assert isinstance(news, OrderNews)
        assert (news.external_id, news.statuses, news.placed.items[0].unit_price) == (
            "1011",
            ("paid",),
            Decimal("49.90"),
        )
        assert given[3] == variables["ADDRESS"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["1e9", "-1", "0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn, values: Any) -> Any:
    """The same with something else in some places."""
    if draw(st.integers(0, 9)) == 0:
        return draw(JSON)
    if isinstance(values, dict):
        return {name: draw(mutated(value)) for name, value in values.items()}
    if isinstance(values, list):
        return [draw(mutated(value)) for value in values]
    return values


@pytest.mark.parametrize("source", SOURCES)
@given(data=st.data())
def test_no_body_whatever_raises(source: str, data: st.DataObject) -> None:
    shop: ModuleType = SOURCES[source]
    of_an_order = NUVEM_ORDER if source == "nuvemshop" else BODIES[source]
    values = data.draw(mutated(of_an_order) | mutated(BODIES[source]) | JSON)
    body = data.draw(st.just(sent(values)) | st.binary(max_size=40))
    told = shop.read({"X-WC-Webhook-Topic": data.draw(st.sampled_from(["order.updated", "", "order.deleted"]))}, body)
    assert isinstance(told, OrderNews | Hint | Nothing)
    shop.is_probe("POST", {}, body)
    shop.verify(headers_of(source, body), body, NUVEMSHOP | {"store_id": _store_of(body)})
    if source == "nuvemshop":
        told = shop.fetch(Hint("1", "order/paid"), NUVEMSHOP, lambda *_asked: (200, {}, values))
        assert isinstance(told, OrderNews | Nothing)
    if isinstance(told, OrderNews):
        assert told.changed_at.tzinfo is not None
        assert told.placed.freight.is_finite()
    elif isinstance(told, Nothing):
        assert told.reason


def _store_of(body: bytes) -> str:
    try:
        values = json.loads(body)
    except ValueError:
        return ""
    return text(values, "store_id") if isinstance(values, dict) else ""


@pytest.mark.parametrize("source", SOURCES)
def test_bodies_that_break_readers_break_nothing(source: str) -> None:
    deep = b"[" * 100_000
    for body in (b"", b"\xff\xfe", b"null", b"[]", deep, b'{"id":' + b"9" * 5000 + b"}", b'{"id":1e999999999999}'):
        assert isinstance(SOURCES[source].read({}, body), Nothing), body[:20]


@pytest.mark.parametrize("source", SOURCES)
def test_each_word_of_a_source_has_a_meaning_that_there_is(source: str) -> None:
    shop = SOURCES[source]
    assert set(shop.MEANINGS.values()) <= MEANINGS
    assert shop.TITLE
    assert [each.name for each in shop.CREDENTIALS if each.required and each.secret][:1] == ["secret"]


def test_the_sources_are_pure() -> None:
    """No model is loaded with them, and no setting is asked for."""
    script = """
import sys
from integrations.shops.sources import generic, nuvemshop, woocommerce, yampi
print(sorted({"orders.models", "integrations.models", "flowlog.settings"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env={})
    assert done.stdout == "[]\n"
