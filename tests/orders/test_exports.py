"""Export: what the list shows, for the person who looks, as Excel in Brazil opens it, and no formula of strangers."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from flowlog import publishing
from flowlog.staffpages.groups import MANAGEMENT_GROUP, SERVICE_GROUP
from flowlog.times import moment
from orders import export_jobs
from orders.admin import exports
from orders.export_models import DataExport
from orders.models import Order, Store
from orders.sheet_files import guarded
from tests.factories import make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

ORDERS = "/admin/orders/order/"
CUSTOMERS = "/admin/orders/customer/"
MESSAGES = "/admin/integrations/notificationlog/"


@pytest.fixture
def client() -> Client:
    return client_of(make_staff("gil", MANAGEMENT_GROUP))


def table(client: Client, address: str, **query: Any) -> list[dict[str, str]]:
    answer = client.get(f"{address}export/csv/", query)
    assert answer.status_code == 200
    text = answer.getvalue().decode()
    assert text[0] == "\ufeff"
    return list(csv.DictReader(io.StringIO(text[1:], newline=""), delimiter=";"))


def another(number: int, **values: Any) -> Order:
    return make_order(customer_phone=f"+551198765{number:04}", **values)


def test_orders_as_the_list_shows_them(client: Client) -> None:
    order = make_order(customer_cpf="01234567890", freight="1035.50", source="shopee", external_id="A1")
    another(2, until="confirmed")
    [row] = table(client, ORDERS, view="to_confirm", p="0")
    assert row == {
        "código": order.code, "loja": "Minha loja", "criação": moment(order.created_at), "origem": "shopee",
        "número na origem": "A1", "situação": "pendente", "pagamento": "aguardando pagamento",
        "entrega": "a preparar", "cliente": "Maria da Silva", "em nome de": "",
        "telefone (WhatsApp)": "(11) 98765-4321", "CPF/CNPJ": "012.345.678-90", "itens": "2× Camiseta azul",
        "frete": "1035,50", "desconto": "0,00", "total": "1155,30", "forma de entrega": "Motoboy",
        "endereço de entrega": "", "código de rastreio": "", "retirar até": "", "anotações internas": "",
    }  # fmt: skip
    assert len(table(client, ORDERS)) == 2
    assert len(table(client, ORDERS, q=order.code)) == 1
    entry = LogEntry.objects.latest("pk")
    assert (entry.user.username, entry.object_id, entry.change_message) == ("gil", None, "Exportou 1 linha.")


def test_an_excel_file_has_numbers_times_and_no_formulas(client: Client) -> None:
    make_order(customer_name="=HYPERLINK(1)", notes="\x0bx")
    content = client.get(f"{ORDERS}export/xlsx/").getvalue()
    sheet: Any = openpyxl.load_workbook(io.BytesIO(content)).active
    heads, row = list(sheet.iter_rows())
    cells = {head.value: cell for head, cell in zip(heads, row, strict=True)}
    assert (cells["cliente"].value, cells["cliente"].data_type) == ("=HYPERLINK(1)", "s")
    assert (Decimal(str(cells["total"].value)), cells["criação"].data_type) == (Decimal("119.8"), "d")


def test_a_deadline_is_by_the_clock_of_the_shop(client: Client) -> None:
    make_order(until="ready_for_pickup", delivery_method="pickup")
    Store.objects.update(time_zone="America/Manaus")
    Order.objects.update(pickup_deadline=datetime(2026, 12, 1, 18, tzinfo=ZoneInfo("America/Manaus")))
    assert [row["retirar até"] for row in table(client, ORDERS)] == ["01/12/2026 18:00"]
    content = client.get(f"{ORDERS}export/xlsx/").getvalue()
    sheet: Any = openpyxl.load_workbook(io.BytesIO(content)).active
    heads, row = list(sheet.iter_rows(values_only=True))
    assert dict(zip(heads, row, strict=True))["retirar até"] == datetime(2026, 12, 1, 18)  # noqa: DTZ001 - as in a sheet


def test_no_cell_of_a_csv_file_is_a_formula(client: Client) -> None:
    make_order(customer_name="=1+1", notes="@SUM(A1)")
    [row] = table(client, ORDERS)
    assert (row["cliente"], row["anotações internas"]) == ("'=1+1", "'@SUM(A1)")
    assert [guarded(text) for text in ("+1", "-x", "\tx", "＝1", "a=b", "")] == [
        "'+1", "'-x", "'\tx", "'＝1", "a=b", "",
    ]  # fmt: skip


def test_customers_and_messages(client: Client) -> None:
    order = make_order(notify=True)
    [customer] = table(client, CUSTOMERS)
    assert (customer["nome"], customer["quer mensagens"]) == ("Maria da Silva", "sim")
    [message] = table(client, MESSAGES)
    assert (message["pedido"], message["destinatário"]) == (order.code, "(11) 98765-4321")
    assert order.code in message["mensagem"] or message["mensagem"] == ""


def test_cost_the_same_however_many_rows_there_are(client: Client) -> None:
    for address, expected in ((ORDERS, 13), (CUSTOMERS, 9), (MESSAGES, 9)):
        client.get(f"{address}export/csv/")
        counts = []
        for number in (1, 6):
            for each in range(number):
                another(number * 100 + each, notify=True) if address == MESSAGES else another(number * 100 + each)
            with CaptureQueriesContext(connection) as queries:
                client.get(f"{address}export/csv/").getvalue()
            counts.append(len(queries))
        assert counts == [expected, expected], address


def test_too_many_for_an_excel_file_are_led_to_csv(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_XLSX", 1)
    for number in (1, 2):
        another(number)
    answer = client.get(f"{ORDERS}export/xlsx/", {"view": "to_confirm"}, follow=True)
    assert answer.redirect_chain == [(f"{ORDERS}?view=to_confirm", 302)]
    assert "São 2 linhas; aqui um arquivo do Excel leva 1." in answer.content.decode()


class TestInTheBackground:
    @pytest.fixture
    def many(self, monkeypatch: pytest.MonkeyPatch) -> list[Order]:
        monkeypatch.setattr(exports, "AT_ONCE_XLSX", 1)
        return [another(1), another(2), another(3, until="confirmed")]

    def begin(self, client: Client, callbacks: Any, monkeypatch: pytest.MonkeyPatch, **query: str) -> tuple[str, int]:
        """The page of the file, and which one a worker is woken for."""
        woken: list[Any] = []
        monkeypatch.setattr(publishing, "publish", lambda wake_ups, **_: woken.extend(wake_ups))
        with callbacks(execute=True):
            answer = client.get(f"{ORDERS}export/xlsx/", query)
        [wake_up] = woken
        assert wake_up.task == "orders.tasks.work_off_export"
        return answer["Location"], wake_up.args[0]

    def test_the_page_tells_how_far_it_is_and_has_the_file_for_who_asked(
        self, client: Client, many: list[Order], monkeypatch: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        page, pk = self.begin(client, django_capture_on_commit_callbacks, monkeypatch, view="to_confirm", p="0")
        assert page == f"{ORDERS}export/{pk}/"
        body = client.get(page).content.decode()
        assert "0 linhas de 2." in body
        assert "data-progress" in body
        assert client.get(f"{page}file/").status_code == 404
        assert LogEntry.objects.latest("pk").change_message == "Exportou 2 linhas."
        export_jobs.carry_out(pk)
        body = client.get(page).content.decode()
        assert "O arquivo está pronto." in body
        assert f'href="{ORDERS}?view=to_confirm"' in body
        answer = client.get(f"{page}file/")
        sheet: Any = openpyxl.load_workbook(io.BytesIO(answer.content)).active
        assert {row[0] for row in sheet.iter_rows(min_row=2, values_only=True)} == {many[0].code, many[1].code}
        other = client_of(make_staff("bia", MANAGEMENT_GROUP))
        for address in (page, f"{page}file/", page.replace("orders/order", "orders/customer")):
            assert (client if "customer" in address else other).get(address).status_code == 404

    def test_who_may_not_any_more_gets_none(
        self, client: Client, many: list[Order], monkeypatch: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        page, pk = self.begin(client, django_capture_on_commit_callbacks, monkeypatch)
        User.objects.get(username="gil").groups.clear()
        export_jobs.carry_out(pk)
        assert DataExport.objects.get().content is None
        assert client.get(page).status_code == 403

    def test_only_rows_of_the_own_stores_are_in_it(
        self, many: list[Order], monkeypatch: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        other = Store.objects.create(name="Outra")
        theirs = [make_order(store=other, customer_phone=f"+551198765900{number}") for number in range(2)]
        client = client_of(make_staff("bia", MANAGEMENT_GROUP, stores=[other]))
        page, pk = self.begin(client, django_capture_on_commit_callbacks, monkeypatch)
        export_jobs.carry_out(pk)
        sheet: Any = openpyxl.load_workbook(io.BytesIO(client.get(f"{page}file/").content)).active
        assert {row[0] for row in sheet.iter_rows(min_row=2, values_only=True)} == {each.code for each in theirs}

    def test_is_written_by_one_worker_and_once_more_where_it_died(
        self, client: Client, many: list[Order], monkeypatch: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        page, pk = self.begin(client, django_capture_on_commit_callbacks, monkeypatch)
        DataExport.objects.update(moved_at=Now())
        export_jobs.carry_out(pk)
        assert DataExport.objects.get().finished_at is None
        woken: list[Any] = []
        monkeypatch.setattr(publishing, "publish", lambda wake_ups, **_: woken.extend(wake_ups))
        DataExport.objects.update(moved_at=Now() - timedelta(minutes=2))
        export_jobs.wake_idle()
        assert [each.args for each in woken] == [(pk,)]
        export_jobs.carry_out(pk)
        assert client.get(f"{page}file/").status_code == 200

    def test_is_kept_for_an_hour_and_says_where_it_failed(
        self, client: Client, many: list[Order], monkeypatch: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        page, pk = self.begin(client, django_capture_on_commit_callbacks, monkeypatch)
        with monkeypatch.context() as broken:
            broken.setattr(export_jobs, "xlsx_file", None)
            export_jobs.carry_out(pk)
        assert "Não foi possível escrever o arquivo." in client.get(page).content.decode()
        DataExport.objects.update(finished_at=Now() - timedelta(minutes=61))
        export_jobs.wake_idle()
        assert client.get(page).status_code == 404


def test_each_export_is_a_permission_of_its_own(client: Client) -> None:
    service = client_of(make_staff("eva", SERVICE_GROUP))
    for address in (ORDERS, CUSTOMERS, MESSAGES):
        assert "Exportar" not in service.get(address).content.decode()
        assert f'href="{address}export/xlsx/?q=x"' in client.get(address, {"q": "x"}).content.decode()
        for form in ("csv", "xlsx"):
            assert service.get(f"{address}export/{form}/").status_code == 403
    assert LogEntry.objects.count() == 0


def test_nothing_of_another_store_is_exported() -> None:
    other = Store.objects.create(name="Outra")
    make_order()
    theirs = client_of(make_staff("bia", MANAGEMENT_GROUP, stores=[other]))
    for address in (ORDERS, CUSTOMERS, MESSAGES):
        assert table(theirs, address) == []
        # A filter that they do not have leads back to the list.
        assert theirs.get(f"{address}export/csv/", {"of_store": Store.get_default().pk}).status_code == 302
