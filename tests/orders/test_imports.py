"""Import of orders and customers: a dry run that says everything, then all or nothing, and once."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from openpyxl import Workbook

from flowlog import publishing
from flowlog.staffpages.groups import MANAGEMENT_GROUP, SERVICE_GROUP
from integrations.models import NotificationLog
from orders import spreadsheets
from orders.erasure import erase
from orders.import_models import DataImport
from orders.imports import columns, work
from orders.models import Customer, Order, Store
from tests.factories import make_order
from tests.meetings import another
from tests.orders.sheets import HEADINGS, csv_file, order_line, xlsx
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

ORDERS = "/admin/orders/order/import/"
CUSTOMERS = "/admin/orders/customer/import/"
PEOPLE = ("Nome", "Celular", "CPF", "Aceita mensagens")


@pytest.fixture
def client() -> Client:
    return client_of(make_staff("gil", MANAGEMENT_GROUP))


def send(client: Client, content: bytes, address: str = ORDERS, **values: Any) -> Any:
    """The page that shows what the file would do, or the form with its error."""
    file = SimpleUploadedFile("pedidos.csv", content)
    values = {"store": Store.get_default().pk, "source": "planilha", "file": file} | values
    return client.post(address, values, follow=True)


def said(page: Any, name: str) -> list[tuple[int, str]]:
    return [(each.line, each.words) for each in getattr(page.context["plan"], name)]


def confirm(client: Client, page: Any, **values: Any) -> Any:
    return client.post(page.redirect_chain[-1][0], values, follow=True)


def refusal(page: Any) -> list[str]:
    return list(page.context["form"].errors["file"])


class TestReading:
    @pytest.mark.parametrize(
        ("encoding", "separator"),
        [("cp1252", ";"), ("utf-8-sig", ";"), ("utf-8", ","), ("utf-16", "\t"), ("utf-8-sig", "\t")],
    )
    def test_csv_as_spreadsheets_write_it(self, encoding: str, separator: str) -> None:
        content = csv_file(["João", '"1;2,3"'], headings=("Nome", "Preço"), encoding=encoding, separator=separator)
        table = spreadsheets.read(content)
        assert table.headings == ["Nome", "Preço"]
        assert table.lines == [(2, ["João", "1;2,3"])]

    def test_xlsx_keeps_numbers_dates_and_the_lines_numbers(self) -> None:
        content = xlsx([11987654321, 59.9, date(2026, 12, 1), None], [], ["a", 0.1 + 0.2, True, " b "])
        assert spreadsheets.read(content).lines == [
            (2, [Decimal(11987654321), Decimal("59.9"), datetime(2026, 12, 1)]),  # noqa: DTZ001
            (4, ["a", Decimal("0.3"), "sim", "b"]),
        ]

    def test_what_excel_says_of_the_separator_is_believed(self) -> None:
        assert spreadsheets.read(b"sep=,\r\na;b,c\r\n1,2\r\n").headings == ["a;b", "c"]

    def test_what_separates_nothing_is_no_separator(self) -> None:
        assert spreadsheets.read(b'sep=""\r\na;b\r\n1;2\r\n').headings == ['sep=""']

    @pytest.mark.parametrize("heading", ["Nº do pedido", "N° do pedido", "nº do  PEDIDO", "n do pedido"])
    def test_the_sign_of_a_number_is_no_letter(self, heading: str) -> None:
        assert columns.folded(heading) == "n do pedido"

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "O arquivo está vazio."),
            (b"nome;telefone\r\n", "O arquivo só tem os títulos: depois deles não há nenhuma linha."),
            (b"\xd0\xcf\x11\xe0abc", "Este arquivo é de um Excel antigo ou tem senha."),
            (b"PK\x03\x04abc", "O arquivo não pode ser lido como planilha."),
            (b"a\0b;c\r\nd;e\r\n", "Isto não é uma planilha."),
            (b"a\r\n" + b"x\r\n" * 5001, "O arquivo tem mais de 5.000 linhas."),
            (b"a\r\n" + b"x" * spreadsheets.MOST_BYTES, "O arquivo tem mais de 5 MB."),
        ],
        ids=["empty", "headings alone", "old", "broken", "no text", "long", "large"],
    )
    def test_says_what_is_wrong_with_a_file(self, content: bytes, words: str) -> None:
        with translation.override("pt-br"), pytest.raises(ValidationError) as error:
            spreadsheets.read(content)
        assert error.value.messages[0].startswith(words)

    def test_unpacks_no_bomb(self) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as parts:
            for number in range(7):
                parts.writestr(f"xl/{number}.xml", b" " * 10_000_000)
        with pytest.raises(ValidationError, match=r"unpacked|descompactado"):
            spreadsheets.read(packed.getvalue())


class TestOrders:
    def test_are_shown_first_and_made_once_confirmed(self, client: Client) -> None:
        page = send(
            client,
            csv_file(
                order_line("1001", cpf="529.982.247-25"),
                order_line("1001", name="", phone="", item="Boné", quantity="1,5", price="R$ 1.035,00", method=""),
                order_line("1002", name="João Souza", phone="21 99876-5432", method="retirada"),
            ),
        )
        assert "Nada foi importado ainda." in page.content.decode()
        assert "2 pedidos seriam criados." in page.content.decode()
        assert Order.objects.count() == 0

        done = confirm(client, page)
        assert "2 pedidos importados." in done.content.decode()
        first, second = Order.objects.order_by("external_id")
        assert (first.source, first.external_id, first.external_number) == ("planilha", "1001", "1001")
        assert (first.customer.name, first.customer.phone, first.customer.cpf) == (
            "Maria da Silva", "+5511987654321", "52998224725",
        )  # fmt: skip
        assert [str(item) for item in first.items.all()] == ["2× Camiseta azul", "1,5× Boné"]
        assert (first.total, first.delivery_method) == (Decimal("1672.30"), "correios_pac")
        assert (second.delivery_method, second.status) == ("pickup", "pending")
        assert first.events.get().actor.username == "gil"  # type: ignore[union-attr]
        # Nobody is told unless one asks for it.
        assert NotificationLog.objects.count() == 0
        assert LogEntry.objects.get().change_message == "Importou 2 pedidos de pedidos.csv."
        assert DataImport.objects.get().content is None

    def test_tell_their_customers_if_asked_to(self, client: Client) -> None:
        confirm(client, send(client, csv_file(order_line("1"))), notify="on")
        assert NotificationLog.objects.get().event == "create"

    def test_every_bad_line_is_shown_with_its_reason(self, client: Client) -> None:
        page = send(
            client,
            csv_file(
                order_line("1"),
                order_line(""),
                order_line("3", phone="123", price="muito"),
                order_line("4", method="drone"),
                order_line("5", cpf="111.111.111-11"),
                order_line("6", name=""),
                order_line("7", quantity="0"),
                order_line("8"),
                order_line("8", phone="(21) 98888-7777"),
                order_line("9", phone="+51 98765-0001"),
                order_line("1,2E+10"),
                [*order_line("13"), "Rua A"],
            ),
        )
        problems = said(page, "problems")
        assert [line for line, _words in problems] == [3, 4, 4, 5, 6, 7, 8, 10, 11, 12, 13]
        assert problems[0][1] == "Falta o número do pedido: sem ele não há como saber se ele já está aqui."
        assert problems[4][1] == "Este CPF não é válido: confira os dígitos."
        assert problems[7][1] == "“telefone” é outro que na linha 9, onde o mesmo pedido começa."
        assert "Peru" in problems[8][1]
        body = page.content.decode()
        assert "11 coisas não estão certas" in body
        assert "Linha 4: “123” não é um telefone válido." in body

        confirm(client, page)
        assert Order.objects.count() == 0
        assert DataImport.objects.get().confirmed_at is None

    def test_that_are_here_already_stay_as_they_are(self, client: Client) -> None:
        content = csv_file(order_line("1"), order_line("2"))
        confirm(client, send(client, csv_file(order_line("1", item="Antiga"))))
        page = send(client, content)
        assert said(page, "known") == [(2, "O pedido 1 já está aqui.")]
        assert "1 já estava aqui e fica como estava." in confirm(client, page).content.decode()
        assert Order.objects.count() == 2
        assert Order.objects.get(external_id="1").items.get().description == "Antiga"
        # The same number from elsewhere is another order.
        assert said(send(client, content, source="shopee"), "known") == []
        # And at the end there is nothing to do.
        assert "Não há nada para importar" in send(client, content).content.decode()

    def test_what_the_spreadsheet_ate_is_asked_about(self, client: Client) -> None:
        """012.345.678-90 without its zero."""
        page = send(client, xlsx(["1", "Ana", 11987654321, 1234567890, "Boné", 1, 35, "PAC"]))
        assert said(page, "problems") == []
        assert said(page, "questions") == [(2, "1234567890 tem 10 dígitos. É 012.345.678-90?")]
        assert "Diga o que fazer com estes CPFs e CNPJs." in confirm(client, page).content.decode()
        assert Order.objects.count() == 0
        confirm(client, page, documents="complete")
        assert Customer.objects.get().cpf == "01234567890"

    def test_may_leave_out_what_the_spreadsheet_ate(self, client: Client) -> None:
        page = send(client, xlsx(["1", "Ana", 11987654321, 1234567890, "Boné", 1, 35, "PAC"]))
        confirm(client, page, documents="leave_out")
        assert (Order.objects.get().customer.cpf, Order.objects.get().notes) == ("", "")

    def test_what_the_spreadsheet_made_of_cells_is_refused(self, client: Client) -> None:
        line = [date(2026, 12, 1), "Ana", 11987654321, None, "Boné", 1, 35, "PAC"]
        page = send(client, xlsx(line, [10**15, *line[1:]], ["3", *line[1:6], date(2026, 5, 1), "PAC"]))
        assert [(number, words.partition(".")[0]) for number, words in said(page, "problems")] == [
            (2, "A planilha transformou “número do pedido” em data (01/12/2026)"),
            (3, "A planilha encurtou o número em “número do pedido” (1000000000000000)"),
            (4, "A planilha transformou “preço unitário” em data (01/05/2026)"),
        ]

    def test_are_imported_by_one_of_two_who_press_at_once(self, client: Client) -> None:
        page = send(client, csv_file(order_line("1")))
        wanted = DataImport.objects.get()
        confirm(client, page)
        work.confirm(wanted, notify=True, documents="", count=1)
        assert Order.objects.count() == 1
        assert DataImport.objects.get().notify is False

    def test_all_of_them_or_none(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        page = send(client, csv_file(order_line("1"), order_line("2", phone="21 99876-5432")))
        make = work._ROWS["orders"].make

        def refuse(wanted: DataImport, row: Any) -> Any:
            if row.external_id == "2":
                raise ValidationError("Não dá.")
            return make(wanted, row)

        monkeypatch.setattr(work._ROWS["orders"], "make", refuse)
        body = confirm(client, page).content.decode()
        assert "Nada foi importado." in body
        assert "Linha 3: Não dá." in body
        assert Order.objects.count() == Customer.objects.count() == 0

    def test_go_on_in_the_background_where_there_are_many(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
    ) -> None:
        monkeypatch.setattr(work, "IN_BACKGROUND_FROM", 2)
        woken: list[Any] = []
        monkeypatch.setattr(publishing, "publish", lambda wake_ups, **_: woken.extend(wake_ups))
        page = send(client, csv_file(order_line("1"), order_line("2")))
        with django_capture_on_commit_callbacks(execute=True):
            body = confirm(client, page).content.decode()
        assert '<meta http-equiv="refresh" content="3">' in body
        assert Order.objects.count() == 0
        DataImport.objects.update(confirmed_at=Now() - timedelta(minutes=2))
        work.wake_idle()
        assert [wake_up.task for wake_up in woken] == ["orders.tasks.work_off_import"] * 2
        work.carry_out(DataImport.objects.get().pk)
        work.carry_out(DataImport.objects.get().pk)
        assert Order.objects.count() == 2

    @pytest.mark.parametrize("lost", ["access", "function", "store"])
    def test_in_the_background_make_nothing_for_who_may_not_any_more(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, lost: str
    ) -> None:
        monkeypatch.setattr(work, "IN_BACKGROUND_FROM", 1)
        confirm(client, send(client, csv_file(order_line("1"))))
        gil = User.objects.get(username="gil")
        if lost == "access":
            User.objects.update(is_active=False)
        elif lost == "function":
            gil.groups.clear()
        else:
            Store.objects.create(name="Outra")
            gil.memberships.all().delete()
        work.carry_out(DataImport.objects.get().pk)
        assert Order.objects.count() == 0
        kept = DataImport.objects.get()
        assert kept.refusals == [[0, "Quem confirmou a importação não pode mais importar aqui."]]
        assert kept.content is None

    def test_cost_the_same_to_look_at_however_many_there_are(self, client: Client) -> None:
        counts = []
        for number in (2, 20):
            page = send(client, csv_file(*(order_line(str(each)) for each in range(number))))
            with CaptureQueriesContext(connection) as queries:
                client.get(page.redirect_chain[-1][0])
            counts.append(len(queries))
        assert counts == [9, 9]

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (
                b"a;b\r\n1;2\r\n",
                "Faltam estas colunas: número do pedido, cliente, item, preço unitário, forma de entrega.",
            ),
            (csv_file(order_line("1"), headings=[*"abcdefg", "x"]), "Faltam estas colunas"),
            (csv_file(headings=("Cliente", "Nome")) + b"1;2", "Duas colunas são “cliente”: “Cliente” e “Nome”."),
            (csv_file(*(order_line(str(each)) for each in range(2001))), "O arquivo tem 2001; de uma vez"),
        ],
        ids=["two columns", "no heading known", "twice", "too many"],
    )
    def test_of_another_file_are_refused_at_once(self, client: Client, content: bytes, words: str) -> None:
        assert refusal(send(client, content))[0].startswith(words)
        assert DataImport.objects.count() == 0


STANDING = (*HEADINGS, "Situação", "Pagamento", "Rastreio", "Data do pedido")


def standing(number: str, status: str = "", payment: str = "", code: str = "", made: str = "", **values: str) -> Any:
    return [*order_line(number, **values), status, payment, code, made]


def where(order: Order) -> tuple[str, str, str]:
    return order.status, order.payment_status, order.delivery_status


class TestOrdersThatStandFurther:
    def test_come_in_where_they_are_and_nobody_is_told(self, client: Client) -> None:
        lines = [
            standing("1", "Confirmado", "PAGO", made="01/11/2026 14:30"),
            standing("2", "Enviado", "", "aa123456785br"),
            standing("3", "saiu para entrega", "pendente", method="motoboy"),
            standing("4", "pronto para retirada", method="retirada"),
            standing("5", "Entregue", "pago", method="retirada", made="2026-10-31"),
            standing("6", "concluído", "sim", "AA123456785BR"),
            standing("7", "cancelado", "reembolsado"),
            standing("8", "devolvido", method="motoboy"),
            standing("9"),
        ]
        page = send(client, csv_file(*lines, headings=STANDING))
        assert said(page, "problems") == []
        assert "8 deles entram onde já estão: os clientes não são avisados disso." in page.content.decode()
        assert Order.objects.count() == 0
        confirm(client, page, notify="on")
        found = {order.external_id: order for order in Order.objects.all()}
        assert {number: where(order) for number, order in found.items()} == {
            "1": ("confirmed", "paid", "pending"),
            "2": ("confirmed", "pending", "shipped"),
            "3": ("confirmed", "pending", "out_for_delivery"),
            "4": ("confirmed", "pending", "ready_for_pickup"),
            "5": ("completed", "paid", "picked_up"),
            "6": ("completed", "paid", "delivered"),
            "7": ("cancelled", "refunded", "pending"),
            "8": ("returned", "pending", "delivered"),
            "9": ("pending", "pending", "pending"),
        }
        assert found["2"].tracking_code == "AA123456785BR"
        local = [timezone.localtime(found[number].created_at) for number in ("1", "5")]
        assert [f"{each:%Y-%m-%d %H:%M}" for each in local] == ["2026-11-01 14:30", "2026-10-31 00:00"]
        # With the tick those that have only come in are told so, and the others nothing.
        assert [row.order for row in NotificationLog.objects.all()] == [found["9"]]
        steps = found["1"].events.order_by("pk").values_list("transition", "actor__username")
        assert list(steps) == [("create", "gil"), ("pay", "gil"), ("confirm", "gil")]

    def test_words_that_are_not_known_are_shown_with_those_that_are(self, client: Client) -> None:
        lines = [
            standing("1", "perdido"),
            standing("2", "", "talvez"),
            standing("3", made="amanhã"),
            standing("4", made="31/12/2999"),
            standing("5", "enviado"),
            standing("6", "pronto para retirada"),
            standing("7", "confirmado", code="AA123456785BR"),
            standing("8", "enviado", code="x" * 70),
            standing("9", "confirmado"),
            standing("9", "enviado"),
        ]
        page = send(client, csv_file(*lines, headings=STANDING))
        words = "pendente, confirmado, enviado, saiu para entrega, pronto para retirada, entregue, cancelado, devolvido"
        assert said(page, "problems") == [
            (2, f"“situação”: “perdido” não é conhecido. Escreva um destes: {words}."),
            (3, "“pagamento”: “talvez” não é conhecido. Escreva um destes: pendente, pago, reembolsado."),
            (4, "“amanhã” não é uma data: escreva como 31/12/2026 ou 31/12/2026 14:30."),
            (5, "“31/12/2999 00:00”: um pedido não pode ter sido feito nessa data."),
            (6, "O pedido 5 vai por Correios PAC: informe o código de rastreio."),
            (7, "“Pronto para retirada” não é possível para o pedido 6: a forma de entrega está como “Correios PAC”."),
            (8, "O código de rastreio só é lido de um pedido que foi enviado: veja a “situação”."),
            (9, f"“{'x' * 30}…” é longo demais: no máximo 60 caracteres."),
            (11, "“situação” é outro que na linha 10, onde o mesmo pedido começa."),
        ]  # fmt: skip
        confirm(client, page)
        assert Order.objects.count() == 0

    def test_dates_as_a_spreadsheet_has_them(self, client: Client) -> None:
        line = ["1", "Ana", 11987654321, None, "Boné", 1, 35, "PAC", datetime(2026, 11, 1, 9, 15)]  # noqa: DTZ001
        confirm(client, send(client, xlsx(line, headings=[*HEADINGS, "Data"])))
        assert f"{timezone.localtime(Order.objects.get().created_at):%Y-%m-%d %H:%M}" == "2026-11-01 09:15"

    def test_one_that_came_meanwhile_is_left_where_it_is(self, client: Client) -> None:
        page = send(client, csv_file(standing("1", "cancelado"), headings=STANDING))
        order = make_order(source="planilha", external_id="1")
        confirm(client, page)
        order.refresh_from_db()
        assert where(order) == ("pending", "pending", "pending")


class TestCustomers:
    def test_are_recognised_by_account_or_document(self, client: Client) -> None:
        make_order(customer_phone="+551187654321", customer_name="Bia")
        Customer.objects.create(store=Store.get_default(), name="Sem telefone", cpf="52998224725")
        lines = [
            ["Bia Souza", "11 98765-4321", "", ""],
            ["Outro nome", "", "529.982.247-25", ""],
            ["Nova", "(21) 99876-5432", "", "sim"],
            ["Nova de novo", "21 9876-5432", "", ""],
            ["Quieta", "(31) 99876-5432", "", "não"],
        ]
        page = send(client, csv_file(*lines, headings=PEOPLE), CUSTOMERS)
        assert said(page, "known") == [
            (2, "Bia Souza já está aqui."), (3, "Outro nome já está aqui."),
            (5, "O mesmo cliente da linha 4: fica de fora."),
        ]  # fmt: skip
        assert "2 clientes importados." in confirm(client, page).content.decode()
        assert set(Customer.objects.values_list("name", flat=True)) == {"Bia", "Sem telefone", "Nova", "Quieta"}
        quiet = Customer.objects.exclude(opted_out_at=None).get()
        assert (quiet.name, quiet.opted_out_how) == ("Quieta", "na importação feita pela equipe (gil)")

    def test_who_wants_none_is_heard_though_known(self, client: Client) -> None:
        order = make_order()
        content = csv_file(["Maria", "11 98765-4321", "", "não"], headings=PEOPLE)
        confirm(client, send(client, content, CUSTOMERS))
        order.customer.refresh_from_db()
        assert order.customer.opted_out_at is not None

    def test_who_was_erased_refusing_is_not_told(self, client: Client) -> None:
        customer = make_order().customer
        confirm(client, send(client, csv_file(["M", "11 98765-4321", "", "não"], headings=PEOPLE), CUSTOMERS))
        erase(customer)
        confirm(client, send(client, csv_file(["Maria", "11 98765-4321", "", ""], headings=PEOPLE), CUSTOMERS))
        assert Customer.objects.get(name="Maria").opted_out_at is not None

    def test_need_a_phone_or_a_document(self, client: Client) -> None:
        page = send(client, csv_file(["Maria", "", "", ""], ["Ana", "", "", "talvez"], headings=PEOPLE), CUSTOMERS)
        assert [line for line, _words in said(page, "problems")] == [2, 3]
        assert said(page, "problems")[1][1] == "“aceita mensagens”: escreva “sim” ou “não”."


class TestAccess:
    def test_is_a_permission_of_its_own(self) -> None:
        client = client_of(make_staff("eva", SERVICE_GROUP))
        for address in (ORDERS, CUSTOMERS, f"{ORDERS}model.csv", f"{CUSTOMERS}model.xlsx"):
            assert client.get(address).status_code == 403
        assert "Importar" not in client.get("/admin/orders/order/").content.decode()

    def test_is_offered_above_the_lists(self, client: Client) -> None:
        for address in (ORDERS, CUSTOMERS):
            body = client.get(address.removesuffix("import/")).content.decode()
            assert f'<a class="text-link" href="{address}">Importar</a>' in body

    def test_is_into_ones_own_stores_and_of_ones_own_file(self, client: Client) -> None:
        other = Store.objects.create(name="Outra")
        page = send(client, csv_file(order_line("1")), store=other.pk)
        assert "store" in page.context["form"].errors
        page = send(client, csv_file(order_line("1")))
        theirs = client_of(make_staff("bia", MANAGEMENT_GROUP, stores=[other]))
        assert theirs.get(page.redirect_chain[-1][0]).status_code == 404
        assert theirs.post(page.redirect_chain[-1][0]).status_code == 404

    def test_a_file_is_forgotten_after_its_time(self, client: Client) -> None:
        page = send(client, csv_file(order_line("1")))
        DataImport.objects.update(created_at=Now() - timedelta(minutes=61))
        work.wake_idle()
        assert client.get(page.redirect_chain[-1][0]).status_code == 404

    @pytest.mark.parametrize("address", [ORDERS, CUSTOMERS])
    @pytest.mark.parametrize("form", ["xlsx", "csv"])
    def test_the_file_to_fill_in_can_be_imported(self, client: Client, address: str, form: str) -> None:
        page = send(client, client.get(f"{address}model.{form}").getvalue(), address)
        assert said(page, "problems") == []
        assert len(page.context["plan"].rows) == (1 if address == ORDERS else 2)


def test_a_line_far_below_is_not_waited_for() -> None:
    book = Workbook()
    assert book.active is not None
    book.active.append(HEADINGS)
    book.active.cell(row=1_000_000, column=1, value="1")
    content = io.BytesIO()
    book.save(content)
    with pytest.raises(ValidationError, match=r"mais de 5\.000 linhas"), translation.override("pt-br"):
        spreadsheets.read(content.getvalue())


@pytest.mark.django_db(transaction=True)
def test_neither_waits_for_the_other_that_waits_for_it() -> None:
    """An import in its request, which has its own row, and an erasure of a customer whom it is to find."""
    customer = make_order().customer
    gil = make_staff("gil", MANAGEMENT_GROUP)
    wanted = work.upload(
        DataImport.Kind.ORDERS, customer.store, gil,
        file_name="a.csv", content=csv_file(order_line("1001")), source="planilha",
    )  # fmt: skip
    with another() as other:
        with transaction.atomic():
            # What `confirm` does before it carries out.
            DataImport.objects.filter(pk=wanted.pk).update(confirmed_at=Now())
            erasing = other.begins(lambda: erase(customer))
            other.waits_or_ends(erasing)
            work.carry_out(wanted.pk)
        erasing.result()
    wanted.refresh_from_db()
    assert (wanted.made, wanted.refusals, wanted.content) == (1, [], None)
    assert list(Customer.objects.order_by("pk").values_list("name", flat=True)) == ["Cliente apagado", "Maria da Silva"]
