"""Customers and stores in the admin."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from orders import consent
from orders.models import Customer, Store
from tests.factories import make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/orders/customer/"
ADD = "/admin/orders/customer/add/"
SURE = re.compile(r'name="sure" value="([^"]*)"')


@pytest.fixture
def ana() -> User:
    return make_staff()


@pytest.fixture
def client(ana: User) -> Client:
    return client_of(ana)


def make_customer(**values: Any) -> Customer:
    return Customer.objects.create(
        **{"store": Store.get_default(), "name": "João Souza", "phone": "+5511987654321"} | values
    )


def add(client: Client, **values: str) -> Any:
    return client.post(ADD, {"store": str(Store.get_default().pk), "name": "João", **values}, follow=True)


def change(client: Client, customer: Customer, **values: str) -> Any:
    values = {"name": customer.name, "phone": customer.phone, "cpf": customer.cpf} | values
    return client.post(f"{LIST}{customer.pk}/change/", values, follow=True)


def found(client: Client, term: str) -> list[str]:
    return [customer.name for customer in client.get(LIST, {"q": term}).context["cl"].result_list]


class TestPhoneAndCpf:
    @pytest.mark.parametrize(
        "typed",
        [
            "(11) 98765-4321",
            "11987654321",
            "+55 (11) 98765-4321",
            "55 11 98765 4321",
            "011 98765-4321",
            " +5511987654321 ",
        ],
    )
    def test_phone_is_stored_in_one_form(self, client: Client, typed: str) -> None:
        add(client, phone=typed)
        assert Customer.objects.get().phone == "+5511987654321"

    def test_phone_and_cpf_may_be_missing(self, client: Client) -> None:
        add(client)
        assert (Customer.objects.get().phone, Customer.objects.get().cpf) == ("", "")

    @pytest.mark.parametrize("typed", ["123", "abc", "(11) 98765"])
    def test_what_is_no_phone_is_refused(self, client: Client, typed: str) -> None:
        response = add(client, phone=typed)
        assert typed in response.context["adminform"].form.errors["phone"][0]
        assert Customer.objects.count() == 0

    def test_missing_ninth_digit_is_warned_about_not_refused(self, client: Client) -> None:
        response = add(client, phone="(11) 8765-4321")
        assert Customer.objects.get().phone == "+551187654321"
        assert "O celular (11) 8765-4321 está sem o nono dígito; o WhatsApp pode não encontrá-lo." in [
            str(message) for message in response.context["messages"]
        ]

    @pytest.mark.parametrize(
        ("typed", "e164", "doubt"),
        [
            ("+51 98765-0001", "+51987650001", "Brasil ou Peru? Com o sinal de mais, +51 987 650 001"),
            ("+351 912 345 678", "+351912345678", "+351 912 345 678 é um número de outro país: Portugal."),
            ("0800 123 4567", "+558001234567", "0800 123 4567 é um número de serviço"),
        ],
    )
    def test_a_number_that_may_be_anothers_is_asked_about(
        self, client: Client, typed: str, e164: str, doubt: str
    ) -> None:
        response = add(client, phone=typed)
        [asked] = response.context["adminform"].form.errors["phone"]
        assert doubt in unescape(asked)
        assert Customer.objects.count() == 0
        sure = unescape(SURE.findall(response.content.decode())[0])
        assert add(client, phone="+1 415 555 2671", sure=sure).context["adminform"].form.errors["phone"]
        assert Customer.objects.count() == 0
        add(client, phone=typed, sure=sure)
        customer = Customer.objects.get()
        assert customer.phone == e164
        # What was confirmed once is not asked about with every other change.
        change(client, customer, name="José")
        assert Customer.objects.get().name == "José"

    def test_the_stores_own_number_is_asked_about_and_warned_of(self, client: Client) -> None:
        boss = client_of(make_staff("bia", group=MANAGEMENT_GROUP))
        store = Store.get_default()
        values = {"name": store.name, "pickup_days": "7", "pickup_until": "18:00", "on_unknown_outcome": "resend"}
        page = f"/admin/orders/store/{store.pk}/change/"
        response = boss.post(page, {**values, "phone": "0800 123 4567", "is_default": "on"})
        assert "é um número de serviço" in response.context["adminform"].form.errors["phone"][0]
        response = boss.post(page, {**values, "phone": "(11) 3333-4444", "is_default": "on"}, follow=True)
        assert "(11) 3333-4444 é um telefone fixo; poucos têm WhatsApp." in [
            str(message) for message in response.context["messages"]
        ]
        assert Store.get_default().phone == "+551133334444"

    def test_phone_is_shown_as_people_write_it(self, client: Client) -> None:
        customer = make_customer()
        assert b'value="(11) 98765-4321"' in client.get(f"{LIST}{customer.pk}/change/").content
        assert b"(11) 98765-4321" in client.get(LIST).content

    def test_cpf_is_checked_and_stored_as_digits(self, client: Client) -> None:
        assert add(client, cpf="390.533.447-06").context["adminform"].form.errors == {
            "cpf": ["Este CPF não é válido: confira os dígitos."]
        }
        add(client, cpf="390.533.447-05")
        assert Customer.objects.get().cpf == "39053344705"

    def test_a_name_has_nothing_invisible(self, client: Client) -> None:
        add(client, name="\u202eAna\u200b  Souza\ufeff", phone="(11) 98765-4321")
        assert Customer.objects.get().name == "Ana Souza"
        order = make_order(customer_name="A\u200bna \u2066Lima", customer_phone="(21) 98765-4321")
        assert order.customer.name == "Ana Lima"

    def test_a_company_has_its_cnpj(self, client: Client) -> None:
        assert add(client, cpf="12.ABC.345/01DE-36").context["adminform"].form.errors == {
            "cpf": ["Este CNPJ não é válido: confira os números e as letras."]
        }
        add(client, cpf="12.abc.345/01de-35")
        customer = Customer.objects.get()
        assert customer.cpf == "12ABC34501DE35"
        page = client.get(f"{LIST}{customer.pk}/change/").content.decode()
        assert 'value="12.ABC.345/01DE-35"' in page
        assert "CPF/CNPJ" in page

    def test_a_refused_form_points_at_its_fields(self, client: Client) -> None:
        body = add(client, cpf="390.533.447-06").content.decode()
        assert "Corrija os campos marcados abaixo." in body
        assert "corrija o erro" not in body

    def test_phone_of_another_customer_is_refused(self, client: Client) -> None:
        first = make_customer()
        other = make_customer(name="Maria", phone="")
        for response in (add(client, phone="(11) 98765-4321"), change(client, other, phone="(11) 98765-4321")):
            words = f"Este número é a conta de WhatsApp de {first}, que já é cliente desta loja."
            assert response.context["adminform"].form.errors == {"phone": [words]}
        other.refresh_from_db()
        assert other.phone == ""


class TestOptOut:
    def test_is_recorded_with_when_and_by_whom(self, client: Client) -> None:
        customer = make_customer()
        change(client, customer, opted_out="on")
        customer.refresh_from_db()
        assert customer.opted_out_how == "pela equipe (ana)"
        assert customer.opted_out_at is not None
        assert timezone.now() - customer.opted_out_at < timedelta(minutes=1)

    def test_is_cleared(self, client: Client) -> None:
        customer = make_customer(opted_out_at=timezone.now(), opted_out_how="SAIR")
        response = client.get(f"{LIST}{customer.pk}/change/")
        assert b"SAIR" in response.content
        change(client, customer)
        customer.refresh_from_db()
        assert (customer.opted_out_at, customer.opted_out_how) == (None, "")

    def test_each_change_is_shown_the_newest_first(self, client: Client) -> None:
        customer = make_customer()
        change(client, customer, opted_out="on")
        change(client, customer)
        body = " ".join(client.get(f"{LIST}{customer.pk}/change/").content.decode().split())
        wanted, unwanted = "quer mensagens <span", "não quer mensagens <span"
        assert body.index(f"· {wanted}") < body.index(f"· {unwanted}")
        assert body.count('<span class="flowlog-quiet">· pela equipe (ana)</span>') == 2

    def test_a_customer_about_whom_nothing_was_said_has_no_such_list(self, client: Client) -> None:
        assert b"Quer receber mensagens?" not in client.get(f"{LIST}{make_customer().pk}/change/").content

    def test_by_the_customer_is_not_undone_by_a_page_that_was_opened_before(self, client: Client) -> None:
        customer = make_customer()
        page = client.get(f"{LIST}{customer.pk}/change/").content.decode()
        [hidden] = re.findall(r'<input type="hidden" name="initial-opted_out" value="(\w+)"', page)
        consent.opt_out([customer], "SAIR")
        change(client, customer, **{"name": "João S.", "initial-opted_out": hidden})
        customer.refresh_from_db()
        assert (customer.name, customer.opted_out_how) == ("João S.", "SAIR")
        change(client, customer, **{"initial-opted_out": "True"})
        customer.refresh_from_db()
        assert customer.opted_out_how == ""

    def test_stays_as_recorded_when_something_else_is_edited(self, client: Client) -> None:
        when = timezone.now() - timedelta(days=3)
        customer = make_customer(opted_out_at=when, opted_out_how="SAIR")
        change(client, customer, name="João S.", opted_out="on")
        customer.refresh_from_db()
        assert (customer.name, customer.opted_out_at, customer.opted_out_how) == ("João S.", when, "SAIR")

    def test_that_came_meanwhile_is_not_overwritten(self, client: Client) -> None:
        customer = make_customer()
        with CaptureQueriesContext(connection) as queries:
            change(client, customer, name="João S.")
        [update] = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "orders_customer"')]
        assert update.startswith('UPDATE "orders_customer" SET "name" = \'João S.\' WHERE')


class TestList:
    @pytest.mark.parametrize("term", ["souza", "98765-4321", "(11) 98765", "390.533.447-05", "39053344705"])
    def test_search_finds_by(self, client: Client, term: str) -> None:
        make_customer(cpf="39053344705")
        make_customer(name="Maria", phone="+5521999990000")
        assert found(client, term) == ["João Souza"]

    def test_costs_the_same_whatever_its_length(self, client: Client) -> None:
        counts = []
        for more in (1, 10):
            for number in range(more):
                make_customer(phone=f"+55119876{more:02}{number:02}0")
            client.get(LIST)
            with CaptureQueriesContext(connection) as queries:
                client.get(LIST)
            counts.append(len(queries))
        assert counts == [9, 9]

    def test_leads_to_the_customers_orders(self, client: Client) -> None:
        order = make_order()
        make_order(customer_phone="(21) 99999-0000")
        address = f"/admin/orders/order/?customer__id__exact={order.customer_id}"
        assert address in client.get(f"{LIST}{order.customer_id}/change/").content.decode()
        assert [row.code for row in client.get(address).context["cl"].result_list] == [order.code]

    def test_customer_with_orders_cannot_be_deleted(self) -> None:
        order = make_order()
        client = client_of(make_staff("gil", MANAGEMENT_GROUP))
        client.post(f"{LIST}{order.customer_id}/delete/", {"post": "yes"})
        assert Customer.objects.filter(pk=order.customer_id).exists()


def test_store_is_edited_by_the_management_only(client: Client) -> None:
    store = Store.get_default()
    address = f"/admin/orders/store/{store.pk}/change/"
    values = {
        "name": "Loja da Ana",
        "phone": "(11) 3333-4444",
        "pickup_days": "5",
        "pickup_until": "18:30",
        "tells_customers": "on",
        "silent_transitions": ["pay", "refund"],
        "on_unknown_outcome": "ask_staff",
        "is_default": "on",
    }
    assert client.post(address, values).status_code == 403
    assert client_of(make_staff("gil", MANAGEMENT_GROUP)).post(address, values).status_code == 302
    store.refresh_from_db()
    assert (store.name, store.phone, store.pickup_days) == ("Loja da Ana", "+551133334444", 5)
    assert (store.tells_customers, store.silent_transitions) == (True, ["pay", "refund"])


def test_only_who_has_no_orders_can_be_deleted(admin_client: Client) -> None:
    """Django would say of a customer with orders that the person may not delete them: nobody may."""
    buyer = make_order().customer
    other = Customer.objects.create(store=buyer.store, name="Sem pedidos")
    pages = [reverse("admin:orders_customer_delete", args=[customer.pk]) for customer in (buyer, other)]
    shown = [admin_client.get(page.replace("delete", "change")).content.decode() for page in pages]
    assert [page in html for page, html in zip(pages, shown, strict=True)] == [False, True]
    assert [admin_client.post(page, {"post": "yes"}).status_code for page in pages] == [403, 302]
    assert list(Customer.objects.all()) == [buyer]
    assert "delete_selected" not in admin_client.get(reverse("admin:orders_customer_changelist")).content.decode()
