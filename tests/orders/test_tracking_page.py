"""The customer's page: what it shows in each state, what it keeps to itself, and who may ask how often."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders.models import Order, OrderEvent, Store
from orders.services import apply_transition
from orders.throttle import RequestCounter, client_address, client_network
from orders.wording import spoken_moment
from tests.factories import TRACKING_CODE, make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

REFUND_PROMISE = "A loja vai cuidar do reembolso e avisar você."
HEADERS = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "X-Frame-Options": "DENY",
}


def get(client: Client, order: Order, **extra: Any) -> Any:
    return client.get(f"/rastreio/{order.tracking_token}/", **extra)


def body(response: Any) -> str:
    return unescape(response.content.decode())


def steps(response: Any) -> list[tuple[str, str]]:
    """Each step's classes and words."""
    found = re.findall(r'<li class="([a-z ]+)"[^>]*>\s*<p class="words">(.*?)</p>', body(response), re.DOTALL)
    return [(classes, re.sub(r"<[^>]+>", "", words)) for classes, words in found]


def heading(response: Any) -> str:
    (found,) = re.findall(r"<h1>(.*?)</h1>", body(response))
    return str(found)


class TestStates:
    def test_pending(self, client: Client) -> None:
        response = get(client, make_order())
        assert response.status_code == 200
        assert heading(response) == "Recebemos seu pedido"
        assert steps(response) == [
            ("current", "Pedido recebido"),
            ("next", "Próxima etapa: Confirmação da loja"),
            ("next", "Próxima etapa: Envio"),
            ("next", "Próxima etapa: Saída para entrega"),
            ("next", "Próxima etapa: Entrega"),
        ]
        assert body(response).count('aria-current="step"') == 1
        assert "<dt>Pagamento</dt><dd>Aguardando</dd>" in body(response)
        assert "<dt>Forma de entrega</dt><dd>Motoboy</dd>" in body(response)

    def test_shows_freight_discount_and_goods_by_weight(self, client: Client) -> None:
        item = {"description": "Queijo", "quantity": "1.5", "unit_price": "40.00"}
        page = body(get(client, make_order(items=[item], freight="12.50", discount="2")))
        for words, amount in (
            ("1,5× Queijo", "R$\xa060,00"), ("Frete", "R$\xa012,50"), ("Desconto", "−R$\xa02,00"),
            ("Total", "R$\xa070,50"),
        ):  # fmt: skip
            assert f'<span>{words}</span><span class="amount">{amount}</span>' in page
        plain = body(get(client, make_order()))
        assert "Frete" not in plain
        assert "Desconto" not in plain

    def test_ready_for_pickup_gives_code_address_and_deadline(self, client: Client) -> None:
        Store.objects.update_or_create(is_default=True, defaults={"name": "Loja", "pickup_address": "Rua A, 1"})
        order = make_order(until="ready_for_pickup")
        Order.objects.update(pickup_deadline=datetime(2026, 11, 28, 21, 0, tzinfo=UTC))
        apply_transition(order, "pay", notify=False)
        response = get(client, order)
        assert heading(response) == "Seu pedido está pronto para retirada"
        assert f'<p class="pickup-code">{order.pickup_code}</p>' in body(response)
        assert "<dd>sábado, 28/11, às 18h</dd>" in body(response)
        assert "<dd>Rua A, 1</dd>" in body(response)
        assert steps(response)[2:] == [("current", "Pronto para retirada"), ("next", "Próxima etapa: Retirada")]

    @pytest.mark.parametrize("name", ["pick_up", "expire_pickup", "cancel"])
    def test_the_pickup_code_is_shown_only_while_it_is_of_use(self, client: Client, name: str) -> None:
        order = make_order(until="ready_for_pickup")
        apply_transition(order, name, notify=False)
        response = get(client, order)
        assert order.pickup_code not in body(response).replace(order.code, "")
        ways = {"pick_up": ["current done"], "cancel": ["setback current"]}
        # The store may agree on a new date.
        assert [kind for kind, _words in steps(response)[3:]] == ways.get(name, ["setback current", "next", "next"])

    def test_shipped_gives_tracking_code_and_link(self, client: Client) -> None:
        response = get(client, make_order(until="shipped", delivery_method="correios_pac"))
        link = f"https://rastreamento.correios.com.br/app/index.php?objetos={TRACKING_CODE}"
        assert f'<p class="tracking-code">{TRACKING_CODE}</p>' in body(response)
        assert f'class="button" href="{link}"' in body(response)
        assert steps(response)[2] == ("current", "Pedido enviado")

    def test_each_of_several_parcels_has_its_code_and_link(self, client: Client) -> None:
        order = make_order(until="confirmed", delivery_method="correios_pac")
        apply_transition(order, "ship", tracking_code="AA523456787BR e AA523456795BR", notify=False)
        page = body(get(client, order))
        for code in ("AA523456787BR", "AA523456795BR"):
            assert f'<p class="tracking-code">{code}</p>' in page
            assert f'href="https://rastreamento.correios.com.br/app/index.php?objetos={code}"' in page

    def test_a_correction_leaves_the_order_where_it_is(self, client: Client) -> None:
        order = make_order(until="shipped", delivery_method="correios_pac")
        apply_transition(order, "correct_tracking", tracking_code="AA323456785BR", notify=False)
        page = body(get(client, order))
        assert '<p class="tracking-code">AA323456785BR</p>' in page
        assert TRACKING_CODE not in page
        assert "Seu pedido está a caminho" in page
        assert "Código de rastreio corrigido" not in page

    def test_of_a_delivered_order_the_tracking_is_no_button_any_more(self, client: Client) -> None:
        response = get(client, make_order(until="delivered", delivery_method="correios_pac"))
        assert re.findall(r'class="(\w+)" href="https://rastreamento', body(response)) == ["link"]

    def test_a_failed_attempt_is_no_end(self, client: Client) -> None:
        order = make_order(until="out_for_delivery")
        apply_transition(order, "fail_delivery", reason="Maria da Silva saiu", notify=False)
        response = get(client, order)
        assert heading(response) == "Não conseguimos entregar"
        assert steps(response)[3:] == [
            ("done", "Saiu para entrega"),
            ("setback current", "Tentativa de entrega sem sucesso"),
            ("next", "Próxima etapa: Saída para entrega"),
            ("next", "Próxima etapa: Entrega"),
        ]
        assert "saiu</p>" not in body(response)
        apply_transition(order, "deliver", notify=False)
        assert steps(get(client, order))[-2:] == [
            ("setback done", "Tentativa de entrega sem sucesso"),
            ("current done", "Pedido entregue"),
        ]

    def test_a_refund_does_not_hide_that_the_order_was_cancelled(self, client: Client) -> None:
        order = make_order(until="confirmed")
        for name in ("pay", "cancel", "refund"):
            apply_transition(order, name, notify=False)
        response = get(client, order)
        assert heading(response) == "Seu pedido foi cancelado"
        assert "<dd>Reembolsado</dd>" in body(response)
        assert REFUND_PROMISE not in body(response)

    @pytest.mark.parametrize(("paid", "promised"), [(True, 1), (False, 0)])
    def test_a_cancelled_order_that_was_paid_promises_the_refund(
        self, client: Client, paid: bool, promised: int
    ) -> None:
        order = make_order(until="confirmed")
        for name in ("pay", "cancel") if paid else ("cancel",):
            apply_transition(order, name, notify=False)
        assert body(get(client, order)).count(REFUND_PROMISE) == promised
        assert "fale com" in body(get(client, order))

    def test_a_cancelled_order_asks_for_no_payment(self, client: Client) -> None:
        order = make_order(until="shipped")
        apply_transition(order, "cancel", notify=False)
        assert "<dt>Pagamento</dt>" not in body(get(client, order))
        assert TRACKING_CODE not in body(get(client, order))

    def test_returned(self, client: Client) -> None:
        order = make_order(until="delivered")
        apply_transition(order, "return_order", notify=False)
        response = get(client, order)
        assert heading(response) == "Seu pedido foi devolvido"
        assert steps(response)[-1] == ("setback current", "Pedido devolvido")

    def test_a_transition_of_a_later_release_breaks_nothing(self, client: Client) -> None:
        order = make_order(until="confirmed")
        OrderEvent.objects.filter(transition="confirm").update(transition="gift_wrap")
        assert heading(get(client, order)) == "gift_wrap"


class TestPrivacy:
    def test_shows_nothing_of_the_customer_but_the_first_name(self, client: Client) -> None:
        order = make_order(
            until="shipped", customer_cpf="390.533.447-05", delivery_address="Rua Secreta, 7", notes="anotação interna"
        )
        text = body(get(client, order))
        assert "Olá, Maria!" in text
        for secret in ("Silva", "98765", "4321", "39053344705", "390.533", "Secreta", "anotação"):
            assert secret not in text

    def test_names_the_shop_and_how_to_talk_to_it(self, client: Client) -> None:
        Store.objects.update_or_create(is_default=True, defaults={"name": "Ateliê <b>", "phone": "+5511912345678"})
        order = make_order()
        response = get(client, order)
        link = f"https://wa.me/5511912345678?text=Ol%C3%A1%21%20%C3%89%20sobre%20o%20meu%20pedido%20{order.code}."
        assert f'href="{link}"' in body(response)
        assert "(11) 91234-5678" in body(response)
        assert b"Ateli\xc3\xaa &lt;b&gt;" in response.content

    @pytest.mark.parametrize("name", ["fail_delivery", "cancel", "return_order", "expire_pickup"])
    def test_after_a_setback_the_store_is_at_hand_where_it_says_so(self, client: Client, name: str) -> None:
        Store.objects.update_or_create(is_default=True, defaults={"name": "Loja", "phone": "+5511912345678"})
        until = {"return_order": "delivered", "expire_pickup": "ready_for_pickup"}.get(name, "shipped")
        order = make_order(until=until)
        before, _hero, rest = body(get(client, order)).partition("</section>")
        assert ("wa.me" in before, "wa.me" in rest) == (False, True)
        apply_transition(order, name, notify=False)
        hero, _end, rest = body(get(client, order)).partition("</section>")
        assert ("wa.me" in hero, "wa.me" in rest) == (True, False)
        assert "(11) 91234-5678" in rest

    def test_a_setback_without_a_phone_of_the_store_has_no_button(self, client: Client) -> None:
        order = make_order()
        apply_transition(order, "cancel", notify=False)
        assert "Falar pelo WhatsApp" not in body(get(client, order))

    def test_every_answer_is_private_strict_and_sets_no_cookie(self, client: Client) -> None:
        order = make_order()
        page = f"/rastreio/{order.tracking_token}/"
        for response in (client.get(page), client.head(page), client.post(page), client.get("/rastreio/nada/")):
            for name, value in HEADERS.items():
                assert response.headers[name] == value
            assert not response.cookies
            policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
            assert policy.pop("style-src", "").startswith("'nonce-") or response.status_code == 405
            assert policy == {
                "default-src": "'none'",
                "img-src": "data:",
                "base-uri": "'none'",
                "form-action": "'none'",
                "frame-ancestors": "'none'",
            }

    def test_only_the_style_of_this_answer_is_allowed(self, client: Client) -> None:
        order = make_order()
        nonces = set()
        for _ in range(2):
            response = get(client, order)
            (nonce,) = re.findall(r'<style nonce="([^"]{20,})">', response.content.decode())
            assert f"style-src 'nonce-{nonce}'" in response.headers["Content-Security-Policy"]
            nonces.add(nonce)
            assert b"<script" not in response.content
            assert b'style="' not in response.content
        assert len(nonces) == 2

    def test_is_light_however_long_the_order_is(self, client: Client) -> None:
        items = [{"description": "Ç" * 200, "quantity": 1, "unit_price": "1.00"} for _ in range(300)]
        order = make_order(until="shipped", items=items)
        for _ in range(60):
            apply_transition(order, "fail_delivery", notify=False)
            apply_transition(order, "out_for_delivery", notify=False)
        with CaptureQueriesContext(connection) as queries:
            response = get(client, order)
        assert len(response.content) < 50_000
        assert "… e mais 280 itens" in body(response)
        assert len(queries) == 4

    @pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
    def test_only_looks(self, method: str) -> None:
        order = make_order()
        response: HttpResponse = getattr(Client(enforce_csrf_checks=True), method)(f"/rastreio/{order.tracking_token}/")
        assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")


class TestWrongTokens:
    def test_all_look_the_same(self, client: Client) -> None:
        token = make_order().tracking_token
        wrong = ("nada", token[:-1], token.swapcase(), f"{token}x", "%00", "%ff", "é", "a" * 999)
        pages = set()
        for tail in ("", *(f"{text}/" for text in wrong)):
            response = client.get(f"/rastreio/{tail}")
            assert response.status_code == 404
            assert heading(response) == "Não encontramos este pedido"
            pages.add(re.sub(r'nonce="[^"]+"', "", response.content.decode()))
        assert len(pages) == 1
        assert "/admin/" not in pages.pop()


class TestLimit:
    @pytest.fixture(autouse=True)
    def limit(self, settings: Any) -> None:
        settings.TRACKING_PAGE_REQUESTS_PER_MINUTE = 3

    def test_an_address_that_asks_too_often_waits(self, client: Client) -> None:
        order = make_order()
        codes = [get(client, order, REMOTE_ADDR="192.0.2.1").status_code for _ in range(4)]
        assert codes == [200, 200, 200, 429]
        response = get(client, order, REMOTE_ADDR="192.0.2.1")
        assert (response.headers["Retry-After"], heading(response)) == ("60", "Um momento, por favor")
        assert order.code not in body(response)
        assert get(client, order, REMOTE_ADDR="192.0.2.2").status_code == 200

    def test_wrong_tokens_count_and_the_next_minute_is_free(self, client: Client) -> None:
        for _ in range(3):
            assert client.get("/rastreio/nada/").status_code == 404
        assert client.get("/rastreio/nada/").status_code == 429
        RequestCounter.objects.update(minute=timezone.now() - timedelta(minutes=2))
        assert client.get("/rastreio/nada/").status_code == 404
        assert RequestCounter.objects.get().requests == 1

    def test_an_ipv6_network_is_one_address(self, client: Client) -> None:
        order = make_order()
        codes = [get(client, order, REMOTE_ADDR=f"2001:db8::{number}").status_code for number in range(4)]
        assert codes[-1] == 429
        assert get(client, order, REMOTE_ADDR="2001:db8:1::1").status_code == 200

    @pytest.mark.parametrize(
        ("proxies", "forwarded", "expected"),
        [
            (0, "203.0.113.9", "192.0.2.1"),
            (1, "203.0.113.9", "203.0.113.9"),
            (1, "6.6.6.6, 203.0.113.9", "203.0.113.9"),
            (2, "6.6.6.6, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
            (2, "203.0.113.9", "192.0.2.1"),
            (1, "", "192.0.2.1"),
        ],
    )
    def test_a_forged_header_counts_for_nothing(
        self, settings: Any, proxies: int, forwarded: str, expected: str
    ) -> None:
        settings.TRUSTED_PROXIES = proxies
        request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", headers={"X-Forwarded-For": forwarded})
        assert client_address(request) == expected


def test_staff_may_look_at_the_page() -> None:
    order = make_order()
    page = body(client_of(make_staff()).get(f"/admin/orders/order/{order.pk}/change/"))
    assert re.search(rf'href="/rastreio/{order.tracking_token}/"[^>]*>Ver a página do cliente</a>', page)


def test_moments_are_written_as_they_are_said() -> None:
    def at(hour: int, minute: int = 0) -> str:
        return spoken_moment(timezone.make_aware(datetime(2026, 11, 28, hour, minute)))  # noqa: DTZ001

    assert at(18) == "sábado, 28/11, às 18h"
    assert at(1, 5) == "sábado, 28/11, à 1h05"


@pytest.mark.parametrize(
    ("address", "network"),
    [("203.0.113.7", "203.0.113.7"), ("2001:db8:1:2:3::9", "2001:db8:1:2::"), ("2001:db8:1:2::1", "2001:db8:1:2::")],
)
def test_whoever_has_one_address_of_ipv6_has_its_network(address: str, network: str) -> None:
    assert client_network(RequestFactory().get("/", REMOTE_ADDR=address)) == network
