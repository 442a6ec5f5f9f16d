"""Orders made, found and brought on by a program: what is stored, what is told, and what must not happen."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.models import NotificationLog
from orders.desk_models import OrderNote
from orders.erasure import erase
from orders.models import Customer, Order, Store
from orders.services import apply_transition
from tests.api.client import ORDER, Program
from tests.factories import make_instance, make_order
from tests.meetings import another
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db
PAID = {"confirmed": True, "payment": "paid"}


def told() -> list[str]:
    """The kinds of messages there are, in their order."""
    return list(NotificationLog.objects.order_by("pk").values_list("event", flat=True))


def test_an_order_is_made_and_its_customer_told_at_once(program: Program) -> None:
    status, made = program.post("/orders", {**ORDER, "notes": "Presente", "number": "A-7"})
    order = Order.objects.get()
    assert status == 201
    assert made["code"] == order.code
    assert made["customer"] == {"name": "Maria da Silva", "phone": "+5511987654321"}
    assert made["items"] == [{"description": "Camiseta azul", "quantity": "2", "unit_price": "49.90"}]
    assert (made["freight"], made["discount"], made["total"]) == ("15.00", "0.00", "114.80")
    assert made["reference"] == {"source": "api", "id": "", "number": "A-7"}
    assert made["possible"] == ["confirm", "pay", "cancel", "change_address"]
    assert (order.source, order.notes, order.total) == ("api", "Presente", Decimal("114.80"))
    [row] = NotificationLog.objects.all()
    assert (row.event, row.recipient, row.error_code) == ("create", "+5511987654321", "")
    assert row.next_attempt_at <= row.created_at


def test_an_order_by_weight_and_of_a_company(program: Program) -> None:
    items = [{"description": "Queijo", "quantity": "0.750", "unit_price": "80"}]
    customer = {"name": "Empório Lima", "document": "11.222.333/0001-81"}
    status, made = program.post("/orders", {"customer": customer, "items": items, "delivery_method": "pickup"})
    assert (status, made["items"][0]["quantity"], made["total"]) == (201, "0.75", "60.00")
    assert (made["customer"]["phone"], Customer.objects.get().cpf) == ("", "11222333000181")


def test_the_same_reference_is_one_order(program: Program) -> None:
    body = {**ORDER, "reference": {"source": "minha-loja", "id": "1042"}}
    first, second = program.post("/orders", body), program.post("/orders", {**body, "freight": "1.00"})
    assert [first[0], second[0]] == [201, 200]
    assert second[1]["code"] == first[1]["code"]
    assert (second[1]["freight"], told()) == ("15.00", ["create"])


def test_put_makes_the_order_and_tells_its_last_step_alone(program: Program) -> None:
    status, put = program.put("/orders/by-reference/minha-loja/1042", {**ORDER, "state": PAID})
    assert (status, put["result"], put["status"], put["payment_status"]) == (201, "created", "confirmed", "paid")
    assert (put["reference"], put["differs"]) == ({"source": "minha-loja", "id": "1042", "number": ""}, [])
    assert told() == ["pay"]
    status, again = program.put("/orders/by-reference/minha-loja/1042", {**ORDER, "freight": "1", "state": PAID})
    assert (status, again["result"], again["differs"], again["freight"]) == (200, "nothing_new", ["/freight"], "15.00")
    shipped = {**PAID, "delivery": "shipped", "tracking_code": "AA123456785BR"}
    status, put = program.put("/orders/by-reference/minha-loja/1042", {**ORDER, "state": shipped})
    assert (put["result"], put["delivery_status"], put["tracking_code"]) == ("applied", "shipped", "AA123456785BR")
    assert (told(), Order.objects.count()) == (["pay", "ship"], 1)
    assert program.get("/orders/by-reference/minha-loja/1042")[1]["code"] == put["code"]


def test_put_of_a_state_that_says_nothing_new_tells_of_the_order_itself(program: Program) -> None:
    program.put("/orders/by-reference/minha-loja/1", {**ORDER, "state": {"payment": "pending"}})
    program.put("/orders/by-reference/minha-loja/2", {**ORDER, "state": {"cancelled": True, "reason": "Sem estoque"}})
    program.put("/orders/by-reference/minha-loja/3", {**ORDER, "notify": False})
    assert (Order.objects.count(), told()) == (3, ["create"])


def test_what_is_older_than_what_was_said_before_changes_nothing(program: Program) -> None:
    path = "/orders/by-reference/minha-loja/1042"
    program.put(path, {**ORDER, "state": PAID, "changed_at": "2026-11-27T11:05:00-03:00"})
    late = {**ORDER, "state": {"cancelled": True}, "changed_at": "2026-11-27T11:00:00-03:00"}
    assert program.put(path, late)[1]["result"] == "late"
    assert (Order.objects.get().status, told()) == ("confirmed", ["pay"])
    newer = {**late, "changed_at": "2026-11-27T14:06:00Z"}
    assert program.put(path, newer)[1]["result"] == "applied"
    assert Order.objects.get().status == "cancelled"


def test_put_changes_what_may_change_if_it_is_to(program: Program) -> None:
    path, items = (
        "/orders/by-reference/minha-loja/1042",
        [{"description": "Caneca", "quantity": "3", "unit_price": "10"}],
    )
    program.put(path, ORDER)
    changed = {**ORDER, "items": items, "freight": "5.00", "discount": "1.00", "delivery_address": "Rua Nova, 7"}
    # Staff may have changed it here: it stays unless the program says so.
    assert program.put(path, changed)[1]["total"] == "114.80"
    status, put = program.put(path, {**changed, "revise": True})
    assert (status, put["result"], put["differs"]) == (200, "applied", [])
    assert put["items"] == [{"description": "Caneca", "quantity": "3", "unit_price": "10.00"}]
    assert (put["total"], put["delivery_address"], told()) == ("34.00", "Rua Nova, 7", ["create", "change_address"])
    assert program.put(path, {**changed, "revise": True})[1]["result"] == "nothing_new"
    words = "Itens, frete ou desconto foram mudados pelo programa “Minha loja”: R$\xa0114,80 antes, R$\xa034,00 agora."
    assert list(OrderNote.objects.values_list("text", flat=True)) == [words]
    # What was confirmed keeps its amounts, and nothing of the request is done.
    program.put(path, {**changed, "state": PAID})
    wrong = {**changed, "freight": "9.00", "delivery_address": "Rua Velha, 1", "delivery_method": "courier"}
    wrong["customer"] = {"name": "Maria da Silva", "phone": "(11) 98765-0000"}
    shipped = {**PAID, "delivery": "shipped", "tracking_code": "AA123456785BR"}
    status, problem = program.put(path, {**wrong, "revise": True, "state": shipped})
    assert (status, problem["code"]) == (409, "content-not-allowed")
    assert [each["pointer"] for each in problem["errors"]] == ["/customer/phone", "/delivery_method", "/freight"]
    code = Order.objects.get().code
    assert problem["errors"][2]["message"] == (
        f"Itens, frete e desconto do pedido {code} não mudam mais: ele não está pendente."
    )
    order = Order.objects.get()
    assert (order.delivery_address, order.delivery_status, str(order.total)) == ("Rua Nova, 7", "pending", "34.00")
    # Of the address and the step only the step is told.
    put = program.put(path, {**changed, "delivery_address": "Rua Velha, 1", "revise": True, "state": shipped})[1]
    assert (put["result"], put["delivery_address"]) == ("applied", "Rua Velha, 1")
    assert told() == ["create", "change_address", "pay", "ship"]


def test_an_order_does_not_become_what_it_cannot_be(program: Program) -> None:
    path = "/orders/by-reference/minha-loja/1042"
    program.put(path, ORDER)
    status, problem = program.put(path, {**ORDER, "discount": "9999.00", "revise": True})
    assert (status, problem["code"], Order.objects.get().total) == (422, "invalid", Decimal("114.80"))


def test_an_erased_customer_does_not_come_back_by_it(program: Program) -> None:
    path = "/orders/by-reference/minha-loja/1042"
    program.put(path, {**ORDER, "notify": False})
    erase(Customer.objects.get())
    status, problem = program.put(path, {**ORDER, "revise": True})
    assert (status, problem["code"], Order.objects.get().delivery_address) == (409, "content-not-allowed", "")


@pytest.mark.parametrize(
    ("given", "pointer", "code"),
    [
        ({"changed_at": "2098-11-27T11:05:00-03:00"}, "/changed_at", "datetime-ahead"),
        ({"changed_at": "9999-12-31T23:59:59-03:00"}, "/changed_at", "datetime-range"),
        ({"state": {"delivery": "expired"}}, "/state/delivery", "literal-error"),
    ],
)
def test_what_no_program_can_know_is_refused(program: Program, given: Any, pointer: str, code: str) -> None:
    """A time to come would be newer than all that follows; and a pickup expires by our clock alone."""
    status, problem = program.put("/orders/by-reference/minha-loja/1042", {**ORDER, **given})
    assert (status, [(each["pointer"], each["code"]) for each in problem["errors"]]) == (422, [(pointer, code)])
    assert (Order.objects.count(), told()) == (0, [])


def test_a_state_that_cannot_be_reached_changes_nothing(program: Program) -> None:
    path, order = "/orders/by-reference/minha-loja/1042", {**ORDER, "delivery_method": "pickup"}
    status, problem = program.put(path, {**order, "state": {"delivery": "shipped"}})
    assert (status, problem["code"], problem["possible"]) == (409, "state-not-allowed", ["confirm", "pay", "cancel"])
    assert "Retirada na loja" in problem["detail"]
    assert (Order.objects.count(), Customer.objects.count(), told()) == (0, 0, [])


def test_a_state_that_is_reached_in_part_says_why_each_time(program: Program) -> None:
    path, state = "/orders/by-reference/minha-loja/1042", {**PAID, "delivery": "shipped"}
    answers = [program.put(path, {**ORDER, "state": state}) for _time in range(3)]
    assert [(status, put["result"]) for status, put in answers] == [
        (201, "created"), (200, "nothing_new"), (200, "nothing_new"),
    ]  # fmt: skip
    assert {put["payment_status"] + " " + put["delivery_status"] for _status, put in answers} == {"paid pending"}
    reasons = {put["reason"] for _status, put in answers}
    code = Order.objects.get().code
    assert reasons == {f"O pedido {code} vai por Correios PAC: informe o código de rastreio."}
    assert told() == ["pay"]
    reference = {"source": "minha-loja", "id": "1043"}
    status, made = program.post("/orders", {**ORDER, "reference": reference, "state": state})
    assert (status, made["payment_status"], made["reason"]) == (
        201, "paid", f"O pedido {made['code']} vai por Correios PAC: informe o código de rastreio.",
    )  # fmt: skip


def test_another_tracking_code_of_the_staffs_is_no_conflict_again(program: Program) -> None:
    path = "/orders/by-reference/minha-loja/1042"
    program.put(path, {**ORDER, "state": PAID})
    apply_transition(Order.objects.get(), "ship", actor=make_staff("ana"), tracking_code="AA123456785BR")
    state = {**PAID, "delivery": "out_for_delivery", "tracking_code": "BB123456785BR"}
    answers = [program.put(path, {**ORDER, "state": state})[1] for _time in range(2)]
    assert [each["result"] for each in answers] == ["applied", "nothing_new"]
    assert {each["reason"] for each in answers} == {"O pedido tem outro código de rastreio: AA123456785BR."}


def test_what_ended_here_is_a_conflict_each_time(program: Program) -> None:
    """That it is paid, as the shop says, is no part of having it confirmed."""
    path = "/orders/by-reference/minha-loja/1042"
    program.put(path, {**ORDER, "state": PAID})
    apply_transition(Order.objects.get(), "cancel", notify=False)
    answers = [program.put(path, {**ORDER, "state": PAID}) for _time in range(2)]
    assert [(status, problem["code"]) for status, problem in answers] == [(409, "state-not-allowed")] * 2


def test_steps_are_taken_and_refused_with_the_reason(program: Program) -> None:
    code = program.post("/orders", ORDER)[1]["code"]
    steps = f"/orders/{code.lower()}/transitions"
    assert program.post(steps, {"name": "confirm"})[1]["status"] == "confirmed"
    status, problem = program.post(steps, {"name": "ship"})
    assert (status, problem["code"]) == (409, "transition-not-allowed")
    assert problem["detail"] == f"O pedido {code} vai por Correios PAC: informe o código de rastreio."
    status, shipped = program.post(steps, {"name": "ship", "data": {"tracking_code": "aa 123456785 br"}})
    assert (status, shipped["tracking_code"]) == (200, "AA123456785BR")
    status, problem = program.post(steps, {"name": "confirm"})
    words = f"“Confirmar” não é possível para o pedido {code}: a situação está como “confirmado”."
    assert (status, problem["detail"]) == (409, words)
    assert "deliver" in problem["possible"]
    status, problem = program.post(steps, {"name": "deliver", "data": {"reason": "x"}})
    assert (status, problem["errors"][0]["pointer"]) == (422, "/data/reason")
    for name in ("create", "expire_pickup", "undo", "fly"):
        assert program.post(steps, {"name": name})[0] == 422
    program.post(steps, {"name": "deliver", "notify": False})
    assert told() == ["create", "confirm", "ship"]


def test_an_order_is_cancelled(program: Program) -> None:
    code = program.post("/orders", ORDER)[1]["code"]
    status, cancelled = program.post(f"/orders/{code}/cancel", {"reason": "Sem estoque"})
    assert (status, cancelled["status"], cancelled["possible"]) == (200, "cancelled", ["reopen"])
    assert program.post(f"/orders/{code}/cancel", {})[0] == 409
    assert program.get(f"/orders/{code}")[1]["timeline"][-1]["note"] == "Sem estoque"


def test_a_dry_run_says_the_text_and_changes_nothing(program: Program) -> None:
    code = program.post("/orders", {**ORDER, "notify": False})[1]["code"]
    before = [list(model._base_manager.order_by("pk").values()) for model in (Order, Customer, NotificationLog)]
    status, dry = program.post(f"/orders/{code}/transitions", {"name": "confirm"}, dry_run=1)
    assert (status, dry["dry_run"], dry["would_send"], dry["reason"]) == (200, True, True, "")
    assert dry["text"].startswith(f"Maria, seu pedido *{code}* está confirmado!")
    assert dry["order"]["status"] == "confirmed"
    dry = program.post("/orders", {**ORDER, "reference": {"source": "x", "id": "1"}}, dry_run=1)[1]
    assert "recebemos seu pedido" in dry["text"].lower()
    dry = program.put("/orders/by-reference/x/1", {**ORDER, "state": PAID, "notify": False}, dry_run=1)[1]
    assert (dry["would_send"], dry["text"], dry["reason"]) == (False, "", "Nenhum aviso seria escrito.")
    assert program.post(f"/orders/{code}/transitions", {"name": "deliver"}, dry_run=1)[0] == 409
    after = [list(model._base_manager.order_by("pk").values()) for model in (Order, Customer, NotificationLog)]
    assert after == before


def test_a_dry_run_says_why_nothing_would_go(program: Program) -> None:
    Store.objects.update(silent_transitions=["confirm"])
    code = program.post("/orders", ORDER)[1]["code"]
    dry = program.post(f"/orders/{code}/transitions", {"name": "confirm"}, dry_run="true")[1]
    assert (dry["would_send"], dry["reason"]) == (False, "Este tipo de mensagem está desligado nesta loja.")


def test_one_order_has_its_story_and_messages(program: Program) -> None:
    code = program.post("/orders", ORDER)[1]["code"]
    order = Order.objects.get()
    ana = make_staff("ana")
    apply_transition(order, "confirm", actor=ana)
    apply_transition(order, "pay")
    shown = program.get(f"/orders/{code}")[1]
    assert [(each["transition"], each["by"]) for each in shown["timeline"]] == [
        ("create", "Minha loja"), ("confirm", "ana"), ("pay", ""),
    ]  # fmt: skip
    assert [each["label"] for each in shown["timeline"]][:2] == ["Pedido recebido", "Pedido confirmado"]
    assert [(each["event"], each["status"], each["text"]) for each in shown["messages"]] == [
        ("create", "pending", ""), ("confirm", "pending", ""), ("pay", "pending", ""),
    ]  # fmt: skip
    assert program.get(f"/orders/{code}/messages")[1] == {"messages": shown["messages"]}
    blind = Program(scopes=["orders:read"])
    assert blind.get(f"/orders/{code}")[1]["messages"] is None
    assert blind.get(f"/orders/{code}/messages")[0] == 403


def test_lists_go_on_where_they_ended(program: Program) -> None:
    codes = [make_order().code for _ in range(5)]
    found: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    for _ in range(3):
        status, page = program.get("/orders", **query)
        assert status == 200
        found += [order["code"] for order in page["orders"]]
        address = page["next"]
        if address:
            query["cursor"] = address.partition("cursor=")[2].replace("%3D", "=")
            # What is new meanwhile shifts nothing.
            make_order()
    assert (found, address) == (codes[::-1], None)


@pytest.mark.django_db(transaction=True)
def test_what_is_committed_late_is_not_missed() -> None:
    """The one that changed first is committed last: whoever has read the other is not told to go on behind it."""
    make_instance()
    program, orders = Program(), [make_order() for _ in range(3)]
    since = program.get("/orders")[1]["orders"][0]["updated_at"]

    def go_on(address: str) -> tuple[list[str], str]:
        query = dict(parse_qsl(urlsplit(address).query))
        page = program.get("/orders", **query)[1]
        return [each["code"] for each in page["orders"]], page["resume"]

    first, second, third = orders
    codes, resume = go_on(f"?updated_since={quote(since)}")
    assert codes == [third.code]
    with another() as one:
        with one.transaction():
            one.does(lambda: apply_transition(first, "confirm"))
            apply_transition(second, "confirm")
            assert go_on(resume) == ([], resume)
            # It is seen everywhere else.
            assert program.get(f"/orders/{second.code}")[1]["status"] == "confirmed"
            assert go_on(f"?updated_since={quote(since)}")[0] == [third.code]
        codes, resume = go_on(resume)
        assert codes == [first.code, second.code]
        assert go_on(resume) == ([], resume)
        # Who only reads holds nothing up.
        with one.transaction():
            one.does(Order.objects.count)
            apply_transition(third, "confirm")
            assert go_on(resume)[0] == [third.code]


def test_lists_are_filtered(program: Program) -> None:
    one = program.put("/orders/by-reference/minha-loja/1", {**ORDER, "state": PAID})[1]
    two = program.put("/orders/by-reference/outra/1", ORDER)[1]

    def listed(**query: Any) -> list[str]:
        return [order["code"] for order in program.get("/orders", **query)[1]["orders"]]

    assert listed(reference="1") == [two["code"], one["code"]]
    assert listed(reference="1", source="minha-loja") == [one["code"]]
    assert listed(status="pending") == [two["code"]]
    assert listed(payment_status="paid") == [one["code"]]
    assert listed(delivery_status="shipped") == []
    assert listed(updated_since=two["updated_at"]) == [two["code"]]
    program.post(f"/orders/{one['code']}/transitions", {"name": "refund"})
    # What changed comes in the order in which it did.
    assert listed(updated_since=one["updated_at"]) == [two["code"], one["code"]]
    assert program.get("/orders", updated_since=one["updated_at"], limit=1)[1]["next"]
    for wrong in ({"limit": 101}, {"limit": 0}, {"cursor": "x"}, {"statsu": "pending"}, {"updated_since": "ontem"}):
        status, problem = program.get("/orders", **wrong)
        assert (status, problem["errors"][0]["parameter"]) == (422, next(iter(wrong)))


def test_whoever_writes_an_order_moves_its_time(program: Program) -> None:
    made = program.post("/orders", ORDER)[1]
    Order.objects.update(notes="Por fora")
    assert program.get(f"/orders/{made['code']}")[1]["updated_at"] > made["updated_at"]


def test_whose_customer_gets_another_name_counts_as_changed(program: Program) -> None:
    other, made = make_order(customer_phone="+5511987650000"), program.post("/orders", ORDER)[1]
    client, customer = client_of(make_staff("gil", MANAGEMENT_GROUP)), Order.objects.get(code=made["code"]).customer
    before = Order.objects.filter(pk=other.pk).values().get()

    def save(name: str) -> list[str]:
        since = program.get(f"/orders/{made['code']}")[1]["updated_at"]
        values = {"name": name, "phone": "(11) 98765-4321", "cpf": ""}
        assert client.post(f"/admin/orders/customer/{customer.pk}/change/", values).status_code == 302
        told = program.get("/orders", updated_since=since)[1]["orders"]
        return [order["customer"]["name"] for order in told if order["updated_at"] > since]

    assert save("Maria Aparecida") == ["Maria Aparecida"]
    assert save("Maria Aparecida") == []
    assert Order.objects.filter(pk=other.pk).values().get() == before


def test_a_tracking_code_is_taken_as_it_was_pasted(program: Program) -> None:
    made = program.post("/orders", {**ORDER, "state": PAID})[1]
    step = {"name": "ship", "data": {"tracking_code": "x" * 61}}
    status, problem = program.post(f"/orders/{made['code']}/transitions", step)
    [error] = problem["errors"]
    assert (status, error["pointer"], error["message"]) == (
        422,
        "/data/tracking_code",
        "Isto pode ter até 60 caracteres.",
    )
    pasted = "https://rastreamento.correios.com.br/app/index.php?objetos=AA 123 456 785 BR"
    assert len(pasted) > 60
    status, order = program.post(f"/orders/{made['code']}/transitions", {**step, "data": {"tracking_code": pasted}})
    assert (status, order["tracking_code"]) == (200, "AA123456785BR")


def test_another_stores_order_is_not_there(program: Program) -> None:
    other = Store.objects.create(name="Outra")
    order = make_order(store=other, source="minha-loja", external_id="9")
    for status, _body in (
        program.get(f"/orders/{order.code}"),
        program.get(f"/orders/{order.code}/messages"),
        program.get("/orders/by-reference/minha-loja/9"),
        program.post(f"/orders/{order.code}/transitions", {"name": "confirm"}),
        program.post(f"/orders/{order.code}/cancel", {}),
    ):
        assert status == 404
    assert program.get("/orders")[1]["orders"] == []
    # The same reference is another order here.
    assert program.put("/orders/by-reference/minha-loja/9", ORDER)[0] == 201
    order.refresh_from_db()
    assert order.status == "pending"


@pytest.mark.parametrize("code", ["ABC", "A%00B", "..", "%F0%9F%98%80", "x" * 300, "A'B"])
def test_no_such_order(program: Program, code: str) -> None:
    assert program.get(f"/orders/{code}")[0] == 404


def test_orders_of_a_test_token_never_have_a_phone(program: Program) -> None:
    test = Program(is_test=True, name="Teste")
    body = {**ORDER, "reference": {"source": "minha-loja", "id": "1"}}
    assert program.post("/orders", {**body, "notify": False})[0] == 201
    status, made = test.post("/orders", body)
    assert (status, made["test"], made["customer"]["phone"]) == (201, True, "")
    assert made["reference"] == {"source": "minha-loja", "id": "1", "number": ""}
    order = Order.objects.get(code=made["code"])
    assert (order.source, order.customer.phone) == ("test:minha-loja", "")
    assert order.notes == "Pedido de teste da API: o telefone do cliente não foi guardado, e ninguém é avisado de nada."
    dry = test.post(f"/orders/{made['code']}/transitions", {"name": "confirm"}, dry_run=1)[1]
    assert (dry["would_send"], dry["reason"]) == (
        False, "Pedidos de um token de teste não têm telefone: ninguém é avisado.",
    )  # fmt: skip
    assert "confirmado" in dry["text"]
    # Whoever takes it on, there is nobody to tell.
    apply_transition(order, "confirm")
    assert set(NotificationLog.objects.filter(order=order).values_list("recipient", flat=True)) == {""}
    # And neither sees the other's.
    live = Order.objects.exclude(pk=order.pk).get()
    assert [test.get(f"/orders/{live.code}")[0], program.get(f"/orders/{order.code}")[0]] == [404, 404]
    assert [len(each.get("/orders")[1]["orders"]) for each in (test, program)] == [1, 1]
    assert test.put("/orders/by-reference/minha-loja/1", ORDER)[1]["differs"] == []
    status, problem = test.post("/orders", {**ORDER, "customer": {"name": "Ana", "phone": "123"}})
    assert (status, problem["errors"][0]["pointer"]) == (422, "/customer/phone")


def test_an_override_gets_the_messages_of_test_orders(program: Program, settings: Any) -> None:
    settings.NOTIFICATIONS_OVERRIDE_RECIPIENT = "+5511900000000"
    Program(is_test=True).post("/orders", ORDER)
    assert NotificationLog.objects.get().recipient == "+5511900000000"
