"""What people type at the counter and on the phone finds what they mean, whatever the size of the shop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model, Q, TextField
from django.db.models.functions import Cast
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from integrations.models import NotificationLog
from orders import search, terms
from orders.models import Customer, Order, OrderItem, Store
from orders.services import apply_transition
from orders.words import Words, words_of
from tests.factories import make_instance, make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

CPF = "39053344705"
PHONE_0005 = (
    "11987650005", "tel 11987650005", "Tel.: (11) 98765-0005", "+55 11 98765-0005", "011 98765-0005", "0005",
    "98765-0005", "98765", "(11) 98765", "https://wa.me/5511987650005", "WhatsApp 5511987650005", "11 98765 0005",
    "tel:+5511987650005", "１１９８７６５０００５", "0055 11 98765-0005", "\u202a+55 11 98765-0005\u202c",
    "9 8765-0005", "11 8765-0005", "+55 11 8765 0005", "8765-0005", "98765\u22120005", "\ufeff11987650005",
)  # fmt: skip
NAMES = (
    "joão", "joao", "JOAO", "João Ávila", "avila", "ÁVILA joao", "ávi", "joa\u0303o", "A\u0301vila", "  joao   avila ",
    "d'ávila", "davila",
)  # fmt: skip


@pytest.fixture
def wanted() -> Order:
    """João's, among others that no term of these tests means."""
    order = make_order(
        customer_name="João Ávila D'Ávila Davila", customer_phone="+5511987650005", customer_cpf=CPF,
        delivery_method="correios_pac", until="confirmed",
        items=[{"description": "Pão de queijo (congelado)", "quantity": "1.5", "unit_price": "40.00"}],
    )  # fmt: skip
    apply_transition(order, "ship", tracking_code="AA 123 456 785 BR", notify=False)
    other = make_order(customer_name="Maria Lima", customer_phone="(21) 99999-4321", customer_cpf="52998224725")
    # By chance one would begin with the Z that one of the terms is.
    for each, code in ((order, "KPWQ7R"), (other, "H3MTNX")):
        each.code = code
        each.save(update_fields=["code"])
    return order


def codes(term: str) -> list[str]:
    """By all ways in which orders are looked for: they mean the same."""
    found = sorted(Order.objects.filter(pk__in=search.orders(term)).values_list("code", flat=True))
    one_by_one = Order.objects.filter(search._is_meant(term) if terms.read(term) else Q(pk__in=()))
    wanted = search.Wanted.by_orders(term)
    ways = [wanted.found] if wanted.looked_at is None else [wanted.found, wanted.looked_at]
    for rows in (one_by_one, *map(Order.objects.filter, ways)):
        assert sorted(rows.values_list("code", flat=True)) == found
    return found


class TestOrders:
    @pytest.mark.parametrize(
        "term",
        [
            *NAMES, *PHONE_0005, CPF, "390.533.447-05", "CPF 390.533.447-05", "390.533", "pao", "PÃO de QUEIJO",
            "queijo joao", "joao 0005", "aa123456785br", "AA 123 456 785 BR", "AA-123-456-785-BR", "aa1234",
            "rastreio: AA123456785BR", "Objeto AA123456785BR", "joao aa123", "AA123456785BR\u200b", "joao &", "!joao",
        ],
    )  # fmt: skip
    def test_are_found_by(self, wanted: Order, term: str) -> None:
        assert codes(term) == [wanted.code]

    @pytest.mark.parametrize("written", ["{0}", "#{0}", "pedido {0}", "Pedido: #{0}", "PEDIDO Nº {0}", "código {0}"])
    @pytest.mark.parametrize("lower", [False, True])
    def test_are_found_by_their_code(self, wanted: Order, written: str, *, lower: bool) -> None:
        code = wanted.code.lower() if lower else wanted.code
        assert codes(written.format(code)) == [wanted.code]
        assert codes(written.format(code[:4])) == [wanted.code]

    @pytest.mark.parametrize("written", ["{0}", "código de retirada {0}", "retirada: {0}"])
    def test_that_are_picked_up_are_found_by_what_the_customer_holds_up(self, wanted: Order, written: str) -> None:
        Order.objects.update(pickup_code="VKTQ")
        pickup = make_order(until="ready_for_pickup", customer_phone="(31) 98888-7777")
        Order.objects.filter(pk=pickup.pk).update(pickup_code="VKTQ")
        assert codes(written.format("VKTQ")) == codes(written.format("vktq")) == [pickup.code]

    @pytest.mark.parametrize(
        "term",
        ["joao maria", "xavila", "005", "2345", "%", "_", "' OR 1=1", "a\0b", "\ud800", "':*", "tel", "pedido", "\\",
         "<->", "x" * 5000, "z " * 3000],
    )  # fmt: skip
    def test_are_not_found_by(self, wanted: Order, term: str) -> None:
        assert codes(term) == []

    def test_of_several_words_each_may_be_in_another_place(self, wanted: Order) -> None:
        in_one_place = make_order(customer_name="João Kpwq Queijo", customer_phone="(31) 98888-7777")
        make_order(customer_name="Maria Kpwq", customer_phone="(31) 98888-6666")
        # The name and the code, the name and the item, all three; one of them has each in the name.
        for term in ("joao kpwq", "kpwq joão", "joao queijo", "queijo joao kpwq"):
            assert codes(term) == sorted([wanted.code, in_one_place.code]), term
            page = client_of(make_staff(f"s{term}")).get("/admin/orders/order/", {"q": term})
            assert len(page.context["cl"].result_list) == 2, term
        assert codes("joao kpwq 0005") == [wanted.code]
        assert codes("maria queijo") == []

    def test_what_very_many_have_is_found_as_what_few_have(
        self, wanted: Order, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(search, "_FEW", 1)
        others = [make_order(customer_name="João Lima", customer_phone=f"(31) 98888-77{n}7") for n in range(3)]
        assert codes("joao") == sorted(each.code for each in (wanted, *others))
        assert codes("joao queijo") == codes("joao avila") == [wanted.code]
        assert codes("joao lima camiseta") == sorted(each.code for each in others)

    def test_with_a_short_word_by_which_many_are_called(self, monkeypatch: pytest.MonkeyPatch) -> None:
        called = [make_order(customer_name=f"Ana Lima {n}", customer_phone="") for n in range(4)]
        for number, order in enumerate(called):
            Order.objects.filter(pk=order.pk).update(code=f"DA{number}XYZ")
        named = [make_order(customer_name=f"Rosa da Lima {n}", customer_phone="") for n in range(2)]
        Order.objects.filter(pk=named[0].pk).update(code="KPWQ7R")
        Order.objects.filter(pk=named[1].pk).update(code="H3MTNX")
        for few in (3, 2, 1000):
            monkeypatch.setattr(search, "_FEW", few)
            assert codes("rosa da lima") == ["H3MTNX", "KPWQ7R"], few
            assert codes("ana da lima") == ["DA0XYZ", "DA1XYZ", "DA2XYZ", "DA3XYZ"], few
            assert codes("da lima") == sorted([*codes("ana da lima"), *codes("rosa da lima")]), few

    def test_that_have_a_word_in_several_items_are_no_fewer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        items = [{"description": f"Queijo {n}", "quantity": 1, "unit_price": "9.00"} for n in range(2)]
        all_of_them = sorted(make_order(customer_phone="", items=items).code for _ in range(3))
        for few in range(1, 7):
            monkeypatch.setattr(search, "_FEW", few)
            assert codes("queijo") == codes("queijo maria") == all_of_them, few

    @pytest.mark.parametrize("usual", [0, 1, 20])
    @pytest.mark.parametrize("few", [0, 2, 1000])
    def test_are_the_same_in_any_way_of_looking(
        self, wanted: Order, monkeypatch: pytest.MonkeyPatch, few: int, usual: int
    ) -> None:
        monkeypatch.setattr(search, "_FEW", few)
        monkeypatch.setattr(search, "_ITEMS", usual)
        cake = [{"description": "Bolo de milho", "quantity": 1, "unit_price": "9.00"}]
        cakes = [make_order(customer_name=f"João Rocha {n}", customer_phone="", items=cake) for n in range(3)]
        cheese = make_order(customer_name="Queijo Rocha", items=cake)
        for term, found in {
            "rocha": [*cakes, cheese], "joao": [wanted, *cakes], "bolo": [*cakes, cheese], "queijo": [wanted, cheese],
            "joao bolo": cakes, "bolo rocha queijo": [cheese], "joao queijo": [wanted], "pao bolo": [],
            wanted.code: [wanted], f"joao {wanted.code}": [wanted],
        }.items():  # fmt: skip
            assert codes(term) == sorted(each.code for each in found), term
            page = client_of(make_staff(term)).get("/admin/orders/order/", {"q": term})
            assert {row.code for row in page.context["cl"].result_list} == {each.code for each in found}, term

    def test_the_list_counts_them_as_it_finds_them(self, wanted: Order) -> None:
        client = client_of(make_staff())
        client.get("/admin/orders/order/")
        counts = []
        for query in ({}, {"q": "joao"}, {"q": "joao avila"}, {"q": "joao queijo"}):
            with CaptureQueriesContext(connection) as queries:
                client.get("/admin/orders/order/", query)
            counts.append(len(queries))
        # Of several words each order that may be meant is looked at.
        assert counts == [12, 13, 14, 14]
        for term in ("joao", "#" + wanted.code, "0005", "pao queijo"):
            page = client.get("/admin/orders/order/", {"q": term})
            assert [row.code for row in page.context["cl"].result_list] == [wanted.code], term
        assert len(client.get("/admin/orders/order/", {"q": "  "}).context["cl"].result_list) == 2


class TestCustomers:
    @pytest.mark.parametrize("term", [*NAMES, *PHONE_0005, CPF, "390.533.447-05", "cpf: 390.533", "joao 0005"])
    def test_are_found_by(self, wanted: Order, term: str) -> None:
        assert list(Customer.objects.filter(pk__in=search.customers(term))) == [wanted.customer]

    @pytest.mark.parametrize(
        "term", ["12.ABC.345/01DE-35", "12abc34501de35", "CNPJ 12.ABC.345/01DE-35", "12.abc.345", "12.ABC"]
    )
    def test_are_found_by_a_cnpj_with_letters(self, wanted: Order, term: str) -> None:
        order = make_order(customer_name="Comercial", customer_phone="", customer_cpf="12ABC34501DE35")
        assert list(Customer.objects.filter(pk__in=search.customers(term))) == [order.customer]
        assert codes(term) == [order.code]

    def test_a_number_from_before_the_ninth_digit_is_found_by_what_it_is_now(self) -> None:
        Customer.objects.create(store=Store.get_default(), name="Rui", phone="+551187650005")
        for term in ("98765-0005", "8765-0005", "11 98765-0005"):
            assert [each.name for each in Customer.objects.filter(pk__in=search.customers(term))] == ["Rui"], term

    def test_the_list_and_the_form_of_an_order_find_them(self, wanted: Order) -> None:
        client = client_of(make_staff())
        query = {"app_label": "orders", "model_name": "order", "field_name": "customer"}
        for term in ("joao avila", "0005", "tel 11987650005"):
            page = client.get("/admin/orders/customer/", {"q": term})
            assert list(page.context["cl"].result_list) == [wanted.customer], term
            found = client.get("/admin/autocomplete/", {**query, "term": term}).json()["results"]
            assert [each["id"] for each in found] == [str(wanted.customer_id)], term


class TestMessages:
    @pytest.fixture
    def client(self) -> Client:
        return client_of(make_staff())

    def found(self, client: Client, term: str) -> list[int]:
        page = client.get("/admin/integrations/notificationlog/", {"q": term})
        return [row.pk for row in page.context["cl"].result_list]

    def test_are_found_like_their_orders(self, client: Client) -> None:
        row = NotificationLog.objects.get(order=make_order(customer_name="João Ávila", notify=True))
        make_order(customer_name="Maria Lima", customer_phone="(21) 99999-0000", notify=True)
        assert row.order
        for term in (
            "joao",
            "AVILA",
            f"#{row.order.code}",
            f"pedido {row.order.code}",
            "tel 11 98765-4321",
            "camiseta joao",
        ):
            assert self.found(client, term) == [row.pk], term

    def test_are_found_by_the_number_that_they_went_to(self, client: Client) -> None:
        make_order(notify=True)
        NotificationLog.objects.update(recipient="+5531988880007")
        for term in ("0007", "98888-0007", "31 98888-0007", "+55 31 98888-0007"):
            assert len(self.found(client, term)) == 1, term
        assert self.found(client, "8888-000") == []

    def test_without_an_order_are_found_too(self, client: Client) -> None:
        row = NotificationLog.objects.get(order=make_order(notify=True))
        NotificationLog.objects.update(order=None, order_event=None, recipient="+5531988880007")
        assert self.found(client, "0007") == [row.pk]


@pytest.mark.parametrize(
    "text",
    ["João Ávila", "ÇÃÉ ñandú Ø ß ﬁ", "2E4KMP", "4E5 1e10 3.14", "d'Ávila-Souza_x", "½ kg ²", "José\u0301", "1ª nº 2º",
     "a\u200bb\u00a0c\tD\u2060e", "日本 Ελλάδα", "🌸 Ana 🌸", "", " - "],
)  # fmt: skip
def test_python_and_postgresql_mean_the_same_words(text: str) -> None:
    Customer.objects.create(store=Store.get_default(), name=text)
    [found] = Customer.objects.values_list(Cast(Words("name"), TextField()), flat=True)
    assert sorted(found.replace("'", "").split()) == sorted(set(words_of(text)))


class TestSize:
    """Some thousand orders: what is looked at does not grow with the tables."""

    FILL = """
        INSERT INTO orders_customer (store_id, name, phone, cpf, opted_out_how)
            SELECT %(store)s, 'Cliente ' || md5(n::text), '+55119' || 80000000 + n, '', ''
            FROM generate_series(1, 6000) n;
        INSERT INTO orders_order (store_id, customer_id, code, status, payment_status, delivery_status, delivery_method,
                delivery_address, delivery_attempts, tracking_code, tracking_url, tracking_token, pickup_code, total,
                notes)
            SELECT store_id, id, 'Z' || id, 'pending', 'pending', 'pending', 'pickup', '', 0, '', '', 'token' || id,
                'Z' || id, 1, '' FROM orders_customer WHERE name LIKE 'Cliente %%';
        INSERT INTO orders_orderitem (order_id, description, quantity, unit_price)
            SELECT id, 'Produto ' || md5(id::text), 1, 1 FROM orders_order;
        INSERT INTO integrations_notificationlog (status, event, order_id, dedupe_key, recipient, snapshot, message,
                provider_message_id, attempts, expires_at, error_code, error_message, celery_task_id)
            SELECT 'cancelled', 'create', orders_order.id, orders_order.id, phone, '{}', '', '', 0, now(), '', '', ''
            FROM orders_order JOIN orders_customer ON orders_customer.id = customer_id;
        ANALYZE orders_customer, orders_order, orders_orderitem, integrations_notificationlog;
    """

    @pytest.fixture
    def shop(self, new_tables: None, wanted: Order) -> None:
        make_instance()
        with connection.cursor() as cursor:
            for statement in self.FILL.split(";\n"):
                if statement.strip():
                    cursor.execute(statement, {"store": wanted.store_id})

    def scanned(self, model: type[Model], term: str) -> set[str]:
        """The tables that the list's statements for the term read from one end to the other."""
        request = RequestFactory().get("/")
        model_admin = admin.site._registry[model]
        with CaptureQueriesContext(connection) as asked:
            rows, _duplicates = model_admin.get_search_results(request, model._default_manager.all(), term)
            list(rows[:50])
        return {name for each in list(asked) for name in _scanned(_plan(each["sql"]))}

    def all_scanned(self, models: Iterable[type[Model]], terms: Iterable[str]) -> dict[tuple[str, str], set[str]]:
        """The same of all of these, by model and term, where there is any."""
        found = {(model.__name__, term): self.scanned(model, term) for model in models for term in terms}
        return {asked: tables for asked, tables in found.items() if tables}

    def test_more_than_a_list_counts_is_found_as_well(self, shop: None) -> None:
        page = client_of(make_staff()).get("/admin/orders/order/", {"q": "cliente"})
        newest = Order.objects.values_list("pk", flat=True)[:50]
        assert [row.pk for row in page.context["cl"].result_list] == list(newest)
        assert "mais de 1.000" in page.content.decode()
        with CaptureQueriesContext(connection) as asked:
            client_of(make_staff("bia")).get("/admin/orders/order/", {"q": "cliente", "o": "4"})
        counts = [each["sql"] for each in list(asked) if "array_to_tsvector" in each["sql"]]
        # Whether they are few, whether they are very many, the newest; none of them for the rows of the page.
        assert len(counts) == 3

    def test_a_short_list_is_looked_through_however_many_others_have(self, shop: None) -> None:
        other = Store.objects.create(name="Outra")
        order = make_order(store=other, customer_name="Cliente Ana")
        client = client_of(make_staff(stores=[other]))
        with CaptureQueriesContext(connection) as asked:
            page = client.get("/admin/orders/order/", {"q": "cliente"})
        assert [row.code for row in page.context["cl"].result_list] == [order.code]
        # Whether they are few, and the look.
        assert len([each for each in list(asked) if "array_to_tsvector" in each["sql"]]) == 2

    def test_of_messages_the_newest_come_first(self, shop: None) -> None:
        page = client_of(make_staff()).get("/admin/integrations/notificationlog/", {"q": "cliente", "p": "2"})
        assert [row.pk for row in page.context["cl"].result_list] == list(
            NotificationLog.objects.values_list("pk", flat=True)[50:100]
        )

    def test_no_table_is_read_from_end_to_end(self, shop: None) -> None:
        terms = ("joao", "joao avila", "0005", "pao queijo joao", "AA 123 456 785 BR", "390.533.447-05")
        assert self.all_scanned((Order, Customer, NotificationLog), terms) == {}

    def test_nor_for_what_is_nowhere(self, shop: None, monkeypatch: pytest.MonkeyPatch) -> None:
        # A shop of so few words that PostgreSQL expects each word to be in many items; more than are looked for.
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE orders_orderitem SET description = 'Produto azul' WHERE description LIKE 'Produto %'"
            )
            cursor.execute("ANALYZE orders_orderitem")
        monkeypatch.setattr(search, "_FEW", 5)
        assert self.all_scanned((Order, NotificationLog), ("xyzzy", "joao xyzzy", "cliente xyzzy")) == {}

    def test_a_search_without_these_indexes_would_be_noticed(self, shop: None) -> None:
        rows = OrderItem.objects.filter(description__icontains="queijo")
        with CaptureQueriesContext(connection) as asked:
            assert len(rows) == 1
        assert set(_scanned(_plan(asked[0]["sql"]))) == {"orders_orderitem"}


def _plan(statement: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT json) {statement}")
        [[plan]] = cursor.fetchone()
    found: dict[str, Any] = plan["Plan"]
    return found


def _scanned(node: dict[str, Any]) -> list[str]:
    here = [node["Relation Name"]] if node["Node Type"] == "Seq Scan" else []
    return here + [name for part in node.get("Plans", []) for name in _scanned(part)]
