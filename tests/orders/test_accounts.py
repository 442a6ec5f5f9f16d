"""One WhatsApp account is one customer with one consent, in whichever form the number is written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from integrations.evolution import jids
from integrations.models import NotificationLog
from notifications import claims
from orders import consent, customers
from orders.accounts import account_key, numbers_of_account
from orders.models import Customer, Store
from tests.factories import make_instance, make_order

pytestmark = pytest.mark.django_db

WITH, WITHOUT = "+5511987650713", "+551187650713"
BRAZILIAN = st.from_regex(r"\A\+55[1-9][1-9]9?[6-9][0-9]{7}\Z")
ANY = BRAZILIAN | st.from_regex(r"\A\+(55[1-9][1-9][2-5][0-9]{7}|549?[1-3][0-9]{9}|521?[2-9][0-9]{9}|351[0-9]{9})\Z")


@pytest.mark.parametrize(
    ("number", "key"),
    [
        (WITH, WITH),
        (WITHOUT, WITH),
        ("+553177654321", "+5531977654321"),
        ("+5531977654321", "+5531977654321"),
        ("+551133334444", "+551133334444"),  # a landline
        ("+5511933334444", "+5511933334444"),  # a mobile that never had eight digits
        ("+541123456789", "+5491123456789"),
        ("+5491123456789", "+5491123456789"),
        ("+5215512345678", "+525512345678"),
        ("+525512345678", "+525512345678"),
        ("+351912345678", "+351912345678"),
        ("", ""),
    ],
)
def test_the_key_of_an_account(number: str, key: str) -> None:
    assert account_key(number) == key


@given(ANY)
def test_every_form_of_a_number_has_its_key(number: str) -> None:
    forms = numbers_of_account(number)
    assert forms[0] == number
    assert {account_key(form) for form in forms} == {account_key(number)}
    assert {numbers_of_account(form)[0] for form in forms} == set(forms)
    assert set(jids.numbers_of(number)) == set(forms)
    assert {each.removesuffix(jids.USER) for each in jids.addresses(number)} >= {form[1:] for form in forms}


@given(ANY, ANY)
def test_two_accounts_share_no_form(one: str, other: str) -> None:
    shared = set(numbers_of_account(one)) & set(numbers_of_account(other))
    assert bool(shared) is (account_key(one) == account_key(other))


@given(st.lists(ANY, min_size=1, max_size=20))
def test_postgresql_has_the_same_key(numbers: list[str]) -> None:
    store = Store.get_default()
    Customer.objects.all().delete()
    Customer.objects.bulk_create(Customer(store=store, name="Ana", phone=number) for number in set(numbers))
    found = dict(Customer.objects.values_list("phone", "account"))
    assert found == {number: account_key(number) for number in numbers}


@pytest.mark.parametrize(("first", "second"), [(WITH, WITHOUT), (WITHOUT, WITH)])
def test_an_order_with_the_other_form_is_the_same_customers(first: str, second: str) -> None:
    orders = [make_order(customer_phone=phone) for phone in (first, second)]
    assert Customer.objects.get().phone == first
    assert orders[0].customer == orders[1].customer


def test_of_two_from_earlier_times_the_very_number_is_taken() -> None:
    store = Store.get_default()
    older, newer = (Customer.objects.create(store=store, name="Ana", phone=phone) for phone in (WITH, WITHOUT))
    assert customers.holder(store, WITH) == older
    assert customers.holder(store, WITHOUT) == newer


@pytest.mark.django_db(transaction=True)
def test_two_orders_at_the_same_moment_make_one_customer() -> None:
    store = Store.get_default()
    barrier = Barrier(2)

    def order(phone: str) -> None:
        with transaction.atomic():
            assert customers.holder(store, phone) is None
            barrier.wait()
            make_order(store=store, customer_phone=phone)
        connection.close()

    with ThreadPoolExecutor() as together:
        for each in [together.submit(order, phone) for phone in (WITH, WITHOUT)]:
            each.result()
    assert Customer.objects.count() == 1


def test_the_refusal_of_one_form_counts_for_an_order_with_the_other() -> None:
    make_instance()
    consent.opt_out([make_order(customer_phone=WITH).customer], "SAIR")
    make_order(customer_phone=WITHOUT, notify=True)
    row = NotificationLog.objects.get()
    claims.claim(row.pk)
    row.refresh_from_db()
    assert (row.status, row.error_code) == ("skipped", "opted_out")


class TestTwoFromEarlierTimes:
    """What a release that knew no accounts has left: two customers with the two forms of one number."""

    @pytest.fixture
    def pair(self) -> list[Customer]:
        store = Store.get_default()
        return [
            Customer.objects.create(store=store, name=name, phone=p) for name, p in (("Ana", WITH), ("Bia", WITHOUT))
        ]

    def test_the_refusal_of_one_counts_for_both(self, pair: list[Customer]) -> None:
        make_instance()
        Customer.objects.filter(pk=pair[0].pk).update(opted_out_at="2026-01-01T12:00Z", opted_out_how="SAIR")
        order = make_order(customer_name="Bia", customer_phone=WITHOUT, notify=True)
        assert order.customer == pair[1]
        row = NotificationLog.objects.get()
        claims.claim(row.pk)
        row.refresh_from_db()
        assert (row.status, row.error_code) == ("skipped", "opted_out")

    def test_what_one_says_is_recorded_of_both(self, pair: list[Customer]) -> None:
        assert consent.opt_out(pair[:1], "SAIR") == pair
        assert consent.opt_in(pair[1:], "VOLTAR") == pair
        assert [customer.consent_changes.count() for customer in pair] == [2, 2]

    def test_another_stores_customer_is_another(self, pair: list[Customer]) -> None:
        other = Customer.objects.create(store=Store.objects.create(name="Filial"), name="Ana", phone=WITH)
        consent.opt_out(pair, "SAIR")
        other.refresh_from_db()
        assert other.opted_out_at is None

    def test_who_has_no_phone_is_nobody_else(self) -> None:
        one, other = (Customer.objects.create(store=Store.get_default(), name="Sem telefone") for _ in range(2))
        assert consent.opt_out([one], "loja") == [one]
        other.refresh_from_db()
        assert other.opted_out_at is None

    def test_the_page_of_one_names_the_other(self, pair: list[Customer], admin_client: Client) -> None:
        page = admin_client.get(reverse("admin:orders_customer_change", args=[pair[0].pk])).content.decode()
        assert "A loja tem esta conta de WhatsApp duas vezes." in page
        assert reverse("admin:orders_customer_change", args=[pair[1].pk]) in page


def test_the_admin_makes_no_second_customer_of_an_account(admin_client: Client) -> None:
    known = make_order(customer_phone=WITH).customer
    form = {"store": known.store_id, "name": "Ana", "phone": "(11) 8765-0713", "cpf": ""}
    answer = admin_client.post(reverse("admin:orders_customer_add"), form)
    assert "Este número é a conta de WhatsApp de Maria da Silva · (11) 98765-0713" in answer.content.decode()
    assert Customer.objects.get() == known


class TestNames:
    def test_an_order_in_another_name_renames_nobody(self) -> None:
        make_instance()
        make_order(customer_cpf="529.982.247-25")
        order = make_order(customer_name="João Souza", customer_cpf="111.444.777-35", notes="Presente", notify=True)
        customer = Customer.objects.get()
        assert (customer.name, customer.cpf) == ("Maria da Silva", "52998224725")
        assert (order.ordered_as, order.addressee) == ("João Souza", "João Souza")
        assert order.notes == "Presente\nCPF/CNPJ informado neste pedido: 111.444.777-35"
        assert NotificationLog.objects.get().snapshot["customer"]["name"] == "João Souza"

    @pytest.mark.parametrize("spelling", ["MARIA DA SILVA", "maria  da silva", "María da Silva"])
    def test_another_spelling_is_taken_over(self, spelling: str) -> None:
        make_order()
        order = make_order(customer_name=spelling, customer_cpf="529.982.247-25")
        customer = Customer.objects.get()
        assert (customer.name, customer.cpf) == (" ".join(spelling.split()), "52998224725")
        assert (order.ordered_as, order.notes) == ("", "")
