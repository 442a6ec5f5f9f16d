"""Orders in the admin: the list, adding, editing, and the page of one order."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrations.models import NotificationLog
from orders.models import Customer, Order, OrderEvent, OrderItem, Store, StoreStaff
from orders.services import apply_transition
from orders.signals import order_status_changed
from tests.factories import make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/orders/order/"
ADD = "/admin/orders/order/add/"


@pytest.fixture
def ana() -> User:
    return make_staff()


@pytest.fixture
def client(ana: User) -> Client:
    return client_of(ana)


def found(client: Client, **query: str) -> set[str]:
    return {order.code for order in client.get(LIST, query).context["cl"].result_list}


def text(response: Any) -> str:
    return unescape(response.content.decode())


def items_form(*items: tuple[str, str, str], existing: list[OrderItem] | None = None) -> dict[str, str]:
    existing = existing or []
    data = {"items-TOTAL_FORMS": str(len(items)), "items-INITIAL_FORMS": str(len(existing))}
    for number, (description, quantity, price) in enumerate(items):
        data[f"items-{number}-description"] = description
        data[f"items-{number}-quantity"] = quantity
        data[f"items-{number}-unit_price"] = price
        if number < len(existing):
            data[f"items-{number}-id"] = str(existing[number].pk)
            data[f"items-{number}-order"] = str(existing[number].order_id)
    return data


def stored() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Order, OrderItem, OrderEvent, NotificationLog))


class TestList:
    def test_shows_money_statuses_and_names_as_text(self, client: Client) -> None:
        make_order(
            customer_name="<script>alert(1)</script>",
            items=[{"description": "Sofá", "quantity": 1, "unit_price": "1234.56"}],
        )
        response = client.get(LIST)
        assert "R$\xa01.234,56" in text(response)
        assert "aguardando pagamento" in text(response)
        assert b"<script>alert(1)" not in response.content

    def test_costs_the_same_whatever_its_length(self, client: Client) -> None:
        counts = []
        for more in (1, 10):
            for number in range(more):
                make_order(customer_phone=f"(11) 98765-{more:02}{number:02}")
            client.get(LIST)
            with CaptureQueriesContext(connection) as queries:
                client.get(LIST)
            counts.append(len(queries))
        # The session, the person, their permissions (twice), their stores, the number of orders, the orders, and for
        # the column of WhatsApp the latest messages and answers; the numbers of the views; and three about the system.
        assert counts == [12, 12]

    @pytest.mark.parametrize(
        "term",
        ["{code}", "souza", "(11) 98765", "98765-4321", "011 98765-4321", "+55 11 98765-4321", "aa1234"],
    )
    def test_search_finds_by(self, client: Client, term: str) -> None:
        wanted = make_order(customer_name="João Souza", until="confirmed", delivery_method="correios_pac")
        apply_transition(wanted, "ship", tracking_code="AA123456785BR", notify=False)
        make_order(customer_name="Maria Lima", customer_phone="(21) 99999-0000")
        assert found(client, q=term.format(code=wanted.code.lower())) == {wanted.code}

    def test_filters(self, client: Client) -> None:
        pending, confirmed = make_order(), make_order(until="ready_for_pickup")
        assert found(client, status__exact="pending") == {pending.code}
        assert found(client, delivery_status__exact="ready_for_pickup") == {confirmed.code}
        assert found(client, delivery_method__exact="courier") == {pending.code}
        assert found(client, payment_status__exact="pending") == {pending.code, confirmed.code}

    def test_offers_no_deletion(self, client: Client) -> None:
        order = make_order()
        assert client.post(f"{LIST}{order.pk}/delete/", {"post": "yes"}).status_code == 403
        assert Order.objects.filter(pk=order.pk).exists()


class TestAdding:
    @pytest.fixture
    def customer(self) -> Customer:
        return Customer.objects.create(store=Store.get_default(), name="João Souza", phone="+5511987654321")

    def values(self, customer: Customer, *items: tuple[str, str, str], **more: str) -> dict[str, str]:
        return {
            "store": str(Store.get_default().pk),
            "customer": str(customer.pk),
            "delivery_method": "pickup",
            "tell_customer": "on",
            **items_form(*(items or [("Caneca", "3", "19,90"), ("Pôster", "1", "R$ 1.045,50")])),
            **more,
        }

    def test_form_starts_with_the_default_store_and_no_delivery_method(self, client: Client) -> None:
        form = client.get(ADD).context["adminform"].form
        assert form["store"].value() == Store.get_default().pk
        assert not form["delivery_method"].value()
        assert b'<option value="" selected>' in client.get(ADD).content

    def test_goes_through_the_service(self, client: Client, ana: User, customer: Customer) -> None:
        client.post(ADD, self.values(customer, delivery_address="Rua A, 1"))
        order = Order.objects.get()
        assert (order.total, order.status, order.customer) == (Decimal("1105.20"), "pending", customer)
        assert [str(item) for item in order.items.all()] == ["3× Caneca", "1× Pôster"]
        event = order.events.get()
        assert (event.transition, event.actor) == ("create", ana)
        assert NotificationLog.objects.get().order_event == event

    def test_freight_discount_and_weight_as_brazilians_write_them(self, client: Client, customer: Customer) -> None:
        items = [("Queijo", "1,5", "R$ 1.039,90"), ("Caneca", "2", "10")]
        client.post(ADD, self.values(customer, *items, freight="R$ 12,30", discount="5,1"))
        order = Order.objects.get()
        assert (order.freight, order.discount, order.total) == (Decimal("12.30"), Decimal("5.10"), Decimal("1587.05"))
        assert [str(item) for item in order.items.all()] == ["1,5× Queijo", "2× Caneca"]
        header = text(client.get(order.get_admin_url()))
        assert "R$\xa01.587,05" in header
        assert "<span>Frete</span><span>R$\xa012,30</span>" in header
        assert "<span>Desconto</span><span>−R$\xa05,10</span>" in header

    @pytest.mark.parametrize("empty", [{}, {"freight": "", "discount": ""}, {"freight": "0,00", "discount": "0"}])
    def test_freight_and_discount_are_mostly_nothing(
        self, client: Client, customer: Customer, empty: dict[str, str]
    ) -> None:
        client.post(ADD, self.values(customer, ("Caneca", "3", "19,90"), **empty))
        order = Order.objects.get()
        assert (order.freight, order.discount, order.total) == (Decimal(0), Decimal(0), Decimal("59.70"))
        assert "<span>Frete</span>" not in text(client.get(order.get_admin_url()))

    def test_a_discount_beyond_goods_and_freight_is_refused(self, client: Client, customer: Customer) -> None:
        values = self.values(customer, ("Caneca", "1", "10"), freight="5")
        response = client.post(ADD, values | {"discount": "15,01"})
        assert "O desconto é maior que o valor do pedido, R$\xa015,00." in text(response)
        assert stored() == (0, 0, 0, 0)
        client.post(ADD, values | {"discount": "15"})
        assert Order.objects.get().total == 0

    @pytest.mark.parametrize(
        "typed",
        ["1.000", "1,000.00", "1 000,00", "1e3", "1.00,00", "1.234.567", "-1", "0x1", "1,2,3", "R$", "dez", "1.5,0"],
    )
    @pytest.mark.parametrize("name", ["freight", "discount", "items-0-unit_price", "items-0-quantity"])
    def test_an_amount_that_may_be_another_is_refused(
        self, client: Client, customer: Customer, name: str, typed: str
    ) -> None:
        assert client.post(ADD, self.values(customer, ("Caneca", "1", "10"), **{name: typed})).status_code == 200
        assert stored() == (0, 0, 0, 0)

    @pytest.mark.parametrize(
        ("typed", "quantity"),
        [("1,5", "1.5"), ("0,335", "0.335"), (",5", "0.5"), ("1.5", "1.5"), ("1.234,5", "1234.5"), ("1,500", "1.5"),
         ("12", "12"), (" 2 ", "2"), ("2,0", "2"), ("1,5\u200b", "1.5"), ("\u202a２,5\u202c", "2.5")],
    )  # fmt: skip
    def test_quantities_are_never_a_thousand_times_off(
        self, client: Client, customer: Customer, typed: str, quantity: str
    ) -> None:
        client.post(ADD, self.values(customer, ("Queijo", typed, "10")))
        assert OrderItem.objects.get().quantity == Decimal(quantity)

    def test_customer_is_not_told_when_the_box_is_not_ticked(self, client: Client, customer: Customer) -> None:
        values = self.values(customer)
        del values["tell_customer"]
        client.post(ADD, values)
        assert stored() == (1, 2, 1, 0)

    def test_without_items_nothing_is_stored(self, client: Client, customer: Customer) -> None:
        response = client.post(ADD, {**self.values(customer), "items-TOTAL_FORMS": "0"})
        assert response.status_code == 200
        assert stored() == (0, 0, 0, 0)

    def test_customer_of_another_store_is_an_error_of_the_form(self, client: Client, customer: Customer) -> None:
        other = Store.objects.create(name="Outra")
        StoreStaff.objects.create(store=other, user=User.objects.get(username="ana"))
        response = client.post(ADD, self.values(customer, store=str(other.pk)))
        assert response.context["adminform"].form.non_field_errors() == ["O cliente é de outra loja."]
        assert stored() == (0, 0, 0, 0)

    def test_refusal_of_an_app_above_rolls_everything_back(self, client: Client, customer: Customer) -> None:
        def refuse(**_kwargs: Any) -> None:
            raise ValidationError("Hoje não.")

        order_status_changed.connect(refuse)
        try:
            response = client.post(ADD, self.values(customer))
        finally:
            order_status_changed.disconnect(refuse)
        assert response.context["adminform"].form.non_field_errors() == ["Hoje não."]
        assert stored() == (0, 0, 0, 0)

    @pytest.mark.parametrize("item", [("Caneca", "0", "10"), ("Caneca", "1", "-1"), ("", "1", "10"), ("X", "1", "x")])
    def test_impossible_items_are_refused(self, client: Client, customer: Customer, item: tuple[str, str, str]) -> None:
        assert client.post(ADD, self.values(customer, item)).status_code == 200
        assert stored() == (0, 0, 0, 0)

    def test_customers_are_searched_not_listed(self, client: Client, customer: Customer) -> None:
        assert b"Jo\xc3\xa3o Souza" not in client.get(ADD).content
        query = {"term": "souza", "app_label": "orders", "model_name": "order", "field_name": "customer"}
        results = client.get("/admin/autocomplete/", query).json()["results"]
        assert results == [{"id": str(customer.pk), "text": "João Souza · (11) 98765-4321"}]


class TestEditing:
    def page(self, order: Order) -> str:
        return f"{LIST}{order.pk}/change/"

    def test_edits_notes_and_address_and_no_status(self, client: Client) -> None:
        order = make_order(until="shipped")
        values = {"delivery_address": "Rua B, 2", "notes": "frágil", "status": "completed", "payment_status": "paid"}
        assert client.post(self.page(order), values).status_code == 302
        order.refresh_from_db()
        assert (order.delivery_address, order.notes) == ("Rua B, 2", "frágil")
        assert (order.status, order.payment_status, order.delivery_status) == ("confirmed", "pending", "shipped")

    def test_only_edited_fields_are_written(self, client: Client) -> None:
        order = make_order(until="shipped")
        with CaptureQueriesContext(connection) as queries:
            client.post(self.page(order), {"notes": "frágil"} | {"tracking_code": "AA123456785BR"})
        [update] = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "orders_order"')]
        assert update.startswith('UPDATE "orders_order" SET "notes" = \'frágil\' WHERE')

    def test_items_change_while_pending_and_the_total_follows(self, client: Client) -> None:
        order = make_order()
        items = list(order.items.all())
        values = items_form(("Camiseta azul", "1", "59,90"), ("Boné", "2", "30"), existing=items)
        client.post(self.page(order), {"delivery_method": "courier", **values})
        order.refresh_from_db()
        assert order.total == Decimal("119.90")
        assert [str(item) for item in order.items.all()] == ["1× Camiseta azul", "2× Boné"]

    def test_freight_and_discount_change_while_pending_and_the_total_follows(self, client: Client) -> None:
        order = make_order(freight="5")
        values = items_form(("Camiseta azul", "1,5", "59,90"), existing=list(order.items.all()))
        values |= {"delivery_method": "courier"}
        assert 'name="freight" value="5,00"' in text(client.get(self.page(order)))
        client.post(self.page(order), {**values, "freight": "12", "discount": "1,85"})
        order.refresh_from_db()
        assert (order.freight, order.discount, order.total) == (Decimal(12), Decimal("1.85"), Decimal("100.00"))
        assert 'value="1,5"' in text(client.get(self.page(order)))
        response = client.post(self.page(order), {**values, "freight": "0", "discount": "89,86"})
        assert "O desconto é maior que o valor do pedido, R$\xa089,85." in text(response)
        order.refresh_from_db()
        assert (order.freight, order.discount, order.total) == (Decimal(12), Decimal("1.85"), Decimal("100.00"))

    def test_freight_stays_as_it_is_where_a_page_does_not_show_it(self, client: Client) -> None:
        order = make_order(freight="5")
        values = items_form(("Camiseta azul", "1", "59,90"), existing=list(order.items.all()))
        client.post(self.page(order), {"delivery_method": "courier", **values})
        order.refresh_from_db()
        assert (order.freight, order.total) == (Decimal(5), Decimal("64.90"))

    def test_freight_changed_after_the_order_was_confirmed_is_refused(self, client: Client) -> None:
        order = make_order(freight="5", until="confirmed")
        assert 'name="freight"' not in text(client.get(self.page(order)))
        page = {"delivery_method": "courier", "notes": "frágil", "discount": ""}
        response = client.post(self.page(order), page | {"freight": "6"})
        assert "O pedido não está mais pendente: o frete e o desconto não podem mudar." in text(response)
        client.post(self.page(order), page | {"freight": "5,00"})
        order.refresh_from_db()
        assert (order.freight, order.total, order.notes) == (Decimal(5), Decimal("124.80"), "frágil")

    def test_last_item_stays(self, client: Client) -> None:
        order = make_order()
        values = items_form(("Camiseta azul", "2", "59,90"), existing=list(order.items.all()))
        response = client.post(self.page(order), {"delivery_method": "courier", "items-0-DELETE": "on", **values})
        assert response.status_code == 200
        assert OrderItem.objects.count() == 1

    def test_items_changed_after_the_order_was_confirmed_are_refused(self, client: Client) -> None:
        order = make_order()
        values = items_form(("Camiseta azul", "9", "59,90"), existing=list(order.items.all()))
        apply_transition(order, "confirm", notify=False)
        response = client.post(self.page(order), {"delivery_method": "courier", "notes": "frágil", **values})
        assert "O pedido não está mais pendente: os itens não podem mudar." in text(response)
        order.refresh_from_db()
        assert (order.status, order.total, order.notes) == ("confirmed", Decimal("119.80"), "")
        assert order.items.get().quantity == 2

    def test_status_changed_meanwhile_is_kept(self, client: Client) -> None:
        order = make_order()
        values = items_form(("Camiseta azul", "2", "59,90"), existing=list(order.items.all()))
        apply_transition(order, "confirm", notify=False)
        client.post(self.page(order), {"delivery_method": "courier", "notes": "frágil", **values})
        order.refresh_from_db()
        assert (order.status, order.notes) == ("confirmed", "frágil")

    def test_delivery_method_changes_before_the_order_has_left(self, client: Client) -> None:
        order = make_order(until="confirmed")
        client.post(self.page(order), {"delivery_method": "pickup"})
        order.refresh_from_db()
        assert order.delivery_method == "pickup"

    def test_delivery_method_of_an_order_that_has_left_is_refused(self, client: Client) -> None:
        order = make_order(until="shipped")
        response = client.post(self.page(order), {"delivery_method": "pickup"})
        assert response.context["adminform"].form.errors == {
            "delivery_method": ["O pedido já saiu nesse meio-tempo: a forma de entrega não pode mais mudar."]
        }
        order.refresh_from_db()
        assert order.delivery_method == "courier"

    def test_shipped_order_keeps_its_tracking_code(self, client: Client) -> None:
        order = make_order(until="shipped", delivery_method="carrier")
        response = client.post(self.page(order), {"tracking_code": ""})
        assert response.context["adminform"].form.non_field_errors() == [
            "Um pedido enviado precisa do código de rastreio."
        ]
        order.refresh_from_db()
        assert order.tracking_code == "AA123456785BR"

    def test_a_code_that_correios_would_not_give_is_asked_about(self, client: Client) -> None:
        order = make_order(until="shipped", delivery_method="correios_pac")
        doubt = "“12345” não parece um código dos Correios (como AA123456785BR)."
        response = client.post(self.page(order), {"tracking_code": "12345", "tell_correction": "on"})
        assert doubt in text(response)
        order.refresh_from_db()
        assert (order.tracking_code, NotificationLog.objects.count()) == ("AA123456785BR", 0)
        client.post(self.page(order), {"tracking_code": "12345", "tell_correction": "on", "sure": doubt})
        order.refresh_from_db()
        assert (order.tracking_code, NotificationLog.objects.count()) == ("12345", 1)
        assert client.post(self.page(order), {"tracking_code": "12345", "notes": "frágil"}).status_code == 302

    def test_a_corrected_code_is_told_once(self, client: Client, ana: User) -> None:
        order = make_order(until="shipped", delivery_method="correios_pac", notify=True)
        assert "Avisar o cliente do código correto" in text(client.get(self.page(order)))
        values = {"tracking_code": "aa 323 456 785 br", "tell_correction": "on", "notes": "frágil"}
        for _ in range(2):
            assert client.post(self.page(order), values).status_code == 302
        order.refresh_from_db()
        assert (order.tracking_code, order.notes, order.delivery_status) == ("AA323456785BR", "frágil", "shipped")
        event = order.events.get(transition="correct_tracking")
        assert (event.actor, event.note) == (ana, "AA323456785BR")
        told = list(NotificationLog.objects.order_by("order_event").values_list("event", flat=True))
        assert told == ["create", "confirm", "ship", "correct_tracking"]
        assert "Código de rastreio corrigido" in text(client.get(self.page(order)))
        client.post(self.page(order), {"tracking_code": "AA523456786BR", "tell_correction": "on"})
        assert NotificationLog.objects.filter(event="correct_tracking").count() == 2

    def test_a_correction_may_stay_untold(self, client: Client) -> None:
        order = make_order(until="shipped", delivery_method="carrier")
        client.post(self.page(order), {"tracking_code": "LOGGI-2"})
        order.refresh_from_db()
        assert (order.tracking_code, NotificationLog.objects.count()) == ("LOGGI-2", 0)
        assert order.events.filter(transition="correct_tracking").count() == 1

    @pytest.mark.parametrize("until", ["confirmed", "delivered"])
    def test_a_code_that_nobody_waits_for_is_only_stored(self, client: Client, until: str) -> None:
        order = make_order(until=until, delivery_method="carrier")
        assert "Avisar o cliente do código correto" not in text(client.get(self.page(order)))
        values = {"tracking_code": "LOGGI-2", "delivery_method": "carrier", "tell_correction": "on"}
        assert client.post(self.page(order), values).status_code == 302
        order.refresh_from_db()
        assert (order.tracking_code, NotificationLog.objects.count()) == ("LOGGI-2", 0)
        assert not order.events.filter(transition="correct_tracking").exists()

    def test_waiting_order_keeps_its_deadline(self, client: Client) -> None:
        order = make_order(until="ready_for_pickup")
        response = client.post(self.page(order), {"pickup_deadline_0": "", "pickup_deadline_1": ""})
        assert response.context["adminform"].form.non_field_errors() == [
            "Um pedido que espera no balcão precisa de um prazo."
        ]

    def test_viewer_sees_everything_and_can_do_nothing(self) -> None:
        bia = make_staff("bia", group="")
        bia.user_permissions.add(Permission.objects.get(codename="view_order"))
        order = make_order(until="shipped", delivery_method="carrier")
        client = client_of(bia)
        response = client.get(self.page(order))
        assert response.status_code == 200
        assert "Avisar o cliente do código correto" not in text(response)
        assert response.context["transitions"] == []
        assert client.post(self.page(order), {"notes": "x"}).status_code == 403

    def test_viewer_reads_the_deadline_by_the_clock_of_the_shop(self) -> None:
        bia = make_staff("bia", group="")
        bia.user_permissions.add(Permission.objects.get(codename="view_order"))
        order = make_order(until="ready_for_pickup", delivery_method="pickup")
        Store.objects.update(time_zone="America/Manaus")
        Order.objects.update(pickup_deadline=datetime(2026, 12, 1, 18, tzinfo=ZoneInfo("America/Manaus")))
        shown = text(client_of(bia).get(self.page(order)))
        assert "01/12/2026 18:00" in shown
        assert "01/12/2026 19:00" not in shown
