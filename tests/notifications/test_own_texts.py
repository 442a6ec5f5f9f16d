"""The stores' own texts: which one a message says, and what none may be."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from integrations.messages.kinds import FREE_ANSWER, KINDS
from integrations.messages.snapshot import Snapshot
from integrations.models import CustomerReply, NotificationLog
from notifications import claims, outbox, own_texts, samples, texts
from notifications.models import MessageText
from notifications.own_texts import Mistake, mistakes
from notifications.variables import VARIABLES, variables_of
from orders.models import Customer, Order, Store
from orders.services import apply_transition
from tests.factories import PHONE, make_instance, make_order
from tests.snapshots import WRITTEN
from tests.staff import client_of, make_staff

# Of what a person writes there is nothing to be looked at before.
EVENTS = [event for event in KINDS if event != FREE_ANSWER]
OWN = "Oi, {nome}: o *{código}* chegou aqui."


def write(text: str, event: str = "create", store: Store | None = None) -> MessageText | None:
    return own_texts.write(store or Store.get_default(), event, text, actor=None)


def row_of(order: Order) -> NotificationLog:
    return NotificationLog.objects.get(order=order)


def said(row: NotificationLog) -> str:
    """What it says, claimed now."""
    NotificationLog.objects.filter(pk=row.pk).update(status="pending", lease_until=None)
    NotificationLog.objects.exclude(pk=row.pk).update(status="cancelled", lease_until=None)
    claim = claims.claim(row.pk)
    assert claim is not None
    claims.release_slot(claim)
    return claim.notification.message


# Ours and theirs are read alike.


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("name", [name for name in WRITTEN if name != "anonymised_without_order"])
def test_a_store_that_says_the_default_says_what_the_default_says(event: str, name: str) -> None:
    snapshot = Snapshot.from_json(WRITTEN[name])
    assert texts.render(event, snapshot, texts.default(event)) == texts.render(event, snapshot)


@pytest.mark.parametrize("event", EVENTS)
def test_no_default_has_a_mistake(event: str) -> None:
    assert mistakes(event, texts.default(event)) == []


@pytest.mark.parametrize("event", EVENTS)
def test_each_variable_that_is_offered_may_be_used(event: str) -> None:
    for variable in variables_of(event):
        use = f"{{se {variable.name}}}x{{fim}}" + ("" if variable.only_asked else f"{{{variable.name}}}")
        assert mistakes(event, f"{texts.default(event)}\n{use}") == []


def test_a_text_that_cannot_be_read_any_more_gives_way_to_the_default(caplog: pytest.LogCaptureFixture) -> None:
    snapshot = Snapshot.from_json(WRITTEN["order"])
    assert texts.render("pay", snapshot, "{se nome}sem fim") == texts.render("pay", snapshot)
    assert texts.render("pay", snapshot, "{motivo}") == texts.render("pay", snapshot)
    assert "The own text of store 1 for pay cannot be used" in caplog.text


# Mistakes.


@pytest.mark.parametrize(
    ("event", "text", "found"),
    [
        ("create", "", "O texto está vazio."),
        ("create", "Oi {nome}!", "Falta o código do pedido: escreva {código} onde ele sempre apareça"),
        ("create", "Oi!{se nome} {código}{fim}", "Falta o código do pedido"),
        ("create", "{codigo} {nomme}", "Não existe a variável “nomme”. Você quis dizer {nome}?"),
        ("create", "{codigo} {xyz}", "Não existe a variável “xyz”."),
        ("create", "{codigo} {motivo}", "“motivo” não existe nesta mensagem."),
        ("create", "{codigo} {se motivo}x{fim}", "“motivo” não existe nesta mensagem."),
        ("create", "{codigo} {rastreios}", "“rastreios” não existe nesta mensagem."),
        ("ship", "{codigo} {prazo}", "“prazo” não existe nesta mensagem."),
        ("ready_for_pickup", "{codigo} {envio}", "“envio” não existe nesta mensagem."),
        ("opt_out", "VOLTAR {código}", "“código” não existe nesta mensagem."),
        ("opt_out", "Tchau, {nome}!", "Diga ao cliente com que palavra responder: VOLTAR."),
        ("opt_in", "Oi, {nome}!", "Diga ao cliente com que palavra responder: SAIR."),
        ("create", "{codigo} {pago}", "“pago” não é um texto: só serve de condição, como {se pago}…{fim}."),
        ("create", "{codigo} {se nome}oi", "“{se nome}” não tem um {fim} depois dele."),
        ("create", "{codigo} {", "Um “{” sozinho: uma variável fica entre { e }."),
        ("create", "{codigo} " + "x" * 4100, "Longo demais: com os nomes e endereços mais compridos chega a 4107"),
        ("create", "{codigo} {se nome}a{senão}" + "x" * 4100 + "{fim}", "Longo demais: com os nomes e endereços mais"),
        ("create", "{codigo} {% now 'Y' %}{{ settings }}", "Um “{” sozinho"),
    ],
)
def test_what_no_text_may_be_is_said(event: str, text: str, found: str) -> None:
    assert any(mistake.words.startswith(found) for mistake in mistakes(event, text)), mistakes(event, text)


def test_a_text_that_became_too_long_gives_way_to_the_default(caplog: pytest.LogCaptureFixture) -> None:
    """Saved before its longer branch was measured."""
    snapshot = Snapshot.from_json(WRITTEN[next(iter(WRITTEN))])
    own = "{codigo}" + "{se motivo}a{senão}" + "x" * 4100 + "{fim}"
    assert texts.render("create", snapshot, own) == texts.render("create", snapshot)
    assert "the default is sent" in caplog.text


def test_a_mistake_knows_its_place() -> None:
    text = "Oi {nome},\npedido {codigo} {xyz}"
    assert mistakes("create", text) == [Mistake("Não existe a variável “xyz”.", 27, 32)]
    assert text[27:32] == "{xyz}"


@pytest.mark.parametrize("event", EVENTS)
def test_the_longest_of_all_orders_fits_into_the_default(event: str) -> None:
    assert texts.length(texts.render(event, samples.longest(event))) <= texts.LONGEST


def test_every_variable_has_a_kind_that_knows_it() -> None:
    assert {variable.name for event in KINDS for variable in variables_of(event)} == {
        variable.name for variable in VARIABLES.values()
    }


# Which one a message says.


@pytest.mark.django_db
class TestAtTheClaim:
    def test_it_is_the_stores_newest_for_the_kind(self) -> None:
        make_instance()
        write("Antes: {código}")
        write(OWN)
        write("Outro tipo: {código}", "confirm")
        write("Outra loja: {código}", store=Store.objects.create(name="Outra"))
        order = make_order(notify=True)
        assert said(row_of(order)) == f"Oi, Maria: o *{order.code}* chegou aqui."

    def test_back_to_the_default_is_the_default(self) -> None:
        make_instance()
        write(OWN)
        write("")
        assert said(row_of(make_order(notify=True))).startswith("Olá, Maria! 😊 Recebemos seu pedido")

    def test_what_waits_says_what_counts_when_it_goes_and_then_never_another(self) -> None:
        make_instance()
        order = make_order(notify=True)
        write("Primeiro: {código}")
        claim = claims.claim(row_of(order).pk)
        assert claim is not None
        assert claims.begin_attempt(claim)
        claims.give_back(claim)
        claims.release_slot(claim)
        write("Segundo: {código}")
        assert said(row_of(order)) == f"Primeiro: {order.code}"
        later = make_order(notify=True, customer_phone="+5511987650001")
        assert said(row_of(later)) == f"Segundo: {later.code}"

    def test_what_is_about_no_order_has_the_words_of_the_customers_store(self) -> None:
        instance = make_instance()
        other = Store.objects.create(name="Outra")
        write("Da outra: VOLTAR", "opt_out", store=other)
        customer = Customer.objects.create(store=other, name="Ana", phone=PHONE)
        reply = CustomerReply.objects.create(
            instance=instance, customer=customer, provider_message_id="A", kind="text", text="SAIR", received_at=Now()
        )
        reply.refresh_from_db()
        row = outbox.confirm_consent(customer, reply, opted_out=True)
        assert said(row) == "Da outra: VOLTAR"

    def test_a_row_of_no_store_says_the_default(self) -> None:
        make_instance()
        write(OWN)
        row = row_of(make_order(notify=True))
        NotificationLog.objects.filter(pk=row.pk).update(snapshot={"order": {"code": "ABC123"}, "store": {"id": "x"}})
        assert said(row).startswith("Olá! 😊 Recebemos seu pedido *ABC123*")

    def test_signature_and_hours_are_those_of_when_it_happened(self) -> None:
        make_instance()
        Store.objects.update_or_create(
            is_default=True, defaults={"name": "Loja", "signature": "*Equipe Ana* 💚", "opening_hours": "9h às 18h"}
        )
        write("{código}: {horário}\n{assinatura}")
        order = make_order(notify=True)
        Store.objects.update(signature="Outra", opening_hours="nunca")
        assert said(row_of(order)) == f"{order.code}: 9h às 18h\n*Equipe Ana* 💚"

    def test_it_costs_no_statement(self) -> None:
        make_instance()
        counts: list[list[str]] = []
        for text in ("", OWN):
            write(text)
            row = row_of(make_order(notify=True, customer_phone=f"+551198765{len(counts):04}"))
            NotificationLog.objects.exclude(pk=row.pk).update(status="cancelled", lease_until=None)
            with CaptureQueriesContext(connection) as queries:
                claim = claims.claim(row.pk)
            assert claim is not None
            claims.release_slot(claim)
            counts.append([query["sql"].split()[0] for query in queries if "SAVEPOINT" not in query["sql"]])
        assert counts == [["UPDATE", "SELECT", "UPDATE"]] * 2


# Changing it.


@pytest.mark.django_db
def test_versions_are_kept_with_who_wrote_them() -> None:
    ana, store = make_staff(), Store.get_default()
    ana.first_name = "Ana"
    ana.save()
    first = own_texts.write(store, "create", "Um {código}", actor=ana)
    assert own_texts.write(store, "create", "Um {código}", actor=ana) is None
    own_texts.write(store, "create", texts.default("create"), actor=None)
    assert [(each.text, each.author_name) for each in own_texts.history(store, "create")] == [
        ("", ""),
        ("Um {código}", "Ana"),
    ]
    ana.delete()
    assert first is not None
    first.refresh_from_db()
    assert (first.author, first.author_name) == (None, "Ana")


@pytest.mark.django_db
def test_a_default_that_never_was_left_is_not_written() -> None:
    assert write(texts.default("create")) is None
    assert write("") is None
    assert not MessageText.objects.exists()


@pytest.mark.django_db
def test_a_kind_is_switched_in_the_stores_own_list() -> None:
    store = Store.get_default()
    assert own_texts.switch(store, "pay", on=False)
    assert not own_texts.switch(store, "pay", on=False)
    own_texts.switch(store, "ship", on=False)
    store.refresh_from_db()
    assert store.silent_transitions == ["pay", "ship"]
    assert own_texts.switch(store, "pay", on=True)
    store.refresh_from_db()
    assert store.silent_transitions == ["ship"]


# What it is looked at on.


@pytest.mark.django_db
def test_a_real_order_is_looked_at_as_it_would_be_told_and_is_not_changed() -> None:
    order = make_order(until="confirmed", delivery_method="pickup")
    [offered] = samples.orders_for(order.store, "ready_for_pickup")
    before = {field.attname: getattr(offered, field.attname) for field in Order._meta.concrete_fields}
    text = texts.render("ready_for_pickup", samples.of_order("ready_for_pickup", offered))
    assert f"*{order.code}* está pronto para retirada!" in text
    assert "Retire até " in text
    assert {field.attname: getattr(offered, field.attname) for field in Order._meta.concrete_fields} == before
    assert samples.orders_for(order.store, "ship") == []


@pytest.mark.django_db
@pytest.mark.parametrize("event", [event for event in EVENTS if KINDS[event].needs_order])
@pytest.mark.parametrize("method", ["courier", "correios_pac", "pickup"])
def test_every_kind_can_be_looked_at_on_orders_that_never_had_it(event: str, method: str) -> None:
    store = make_order(delivery_method=method, delivery_address="Rua Um, 1").store
    for order in samples.orders_for(store, event):
        assert order.code in texts.render(event, samples.of_order(event, order))
    taken = samples.orders_for(store, "change_address")
    assert ["Rua das Flores, 120" in texts.render("change_address", samples.of_order("change_address", each))
            for each in taken] == [True] * len(taken)  # fmt: skip


@pytest.mark.django_db
def test_a_reason_is_the_one_that_was_told_else_an_example() -> None:
    order = make_order(until="out_for_delivery")
    [offered] = samples.orders_for(order.store, "fail_delivery")
    assert "Motivo: Ninguém em casa." in texts.render("fail_delivery", samples.of_order("fail_delivery", offered))
    apply_transition(order, "fail_delivery", reason="Portão fechado")
    [offered] = samples.orders_for(order.store, "fail_delivery")
    assert "Motivo: Portão fechado." in texts.render("fail_delivery", samples.of_order("fail_delivery", offered))


@pytest.mark.django_db
@pytest.mark.parametrize("event", EVENTS)
def test_every_kind_can_be_looked_at_in_an_empty_shop(event: str, django_assert_num_queries: Any) -> None:
    store = Store.get_default()
    with django_assert_num_queries(0):
        found = [samples.example(store, event), samples.hardest(store, event), samples.longest(event)]
    for text in [texts.render(event, snapshot) for snapshot in found]:
        assert text
        assert "{" not in text


@pytest.mark.django_db
def test_the_page_of_a_message_that_waits_shows_what_it_would_say() -> None:
    client = client_of(make_staff())
    order = make_order(notify=True)
    address = f"/admin/integrations/notificationlog/{row_of(order).pk}/change/"
    assert f"Recebemos seu pedido <strong>{order.code}</strong>:" in client.get(address).content.decode()
    write("Agora *{código}* <b>")
    page = client.get(address).content.decode()
    assert "O texto é escrito na hora do envio." in page
    assert f'flowlog-unsent">Agora <strong>{order.code}</strong> &lt;b&gt;</div>' in page
    NotificationLog.objects.update(event="dropped_by_a_later_release")
    assert client.get(address).status_code == 200
