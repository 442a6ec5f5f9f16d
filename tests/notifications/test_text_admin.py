"""Message texts in the admin: checked, previewed, tested, kept, by those who may."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from integrations.models import EvolutionInstance, NotificationLog
from notifications import claims, own_texts, texts
from notifications.actions import resend
from notifications.models import MessageText
from orders import consent
from orders.models import Order, Store
from tests.factories import PHONE, make_order
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

LIST = "/admin/notifications/messagetext/"
OWN = "Oi, {nome}: o *{código}* chegou."


@pytest.fixture
def store() -> Store:
    return Store.get_default()


@pytest.fixture
def client(store: Store) -> Client:
    """A browser of Bia's, who may change texts."""
    return client_of(make_staff("bia", MANAGEMENT_GROUP))


@pytest.fixture
def attendant(store: Store) -> Client:
    return client_of(make_staff())


def page(store: Store, event: str = "create", rest: str = "") -> str:
    return f"{LIST}{store.pk}/{event}/{rest}"


def text(response: Any) -> str:
    return unescape(response.content.decode())


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def save(client: Client, store: Store, written: str, event: str = "create", **values: Any) -> Any:
    newest = own_texts.current(store, [event]).get(event)
    values = {"text": written, "seen": newest.pk if newest else 0, "action": "save", **values}
    return client.post(page(store, event), values, follow=True)


class TestList:
    def test_shows_each_kind_as_customers_read_it(self, client: Client, store: Store) -> None:
        own_texts.write(store, "pay", "Pago, {nome}: *{código}*", actor=None)
        own_texts.switch(store, "refund", on=False)
        found = text(client.get(LIST))
        assert "Pago, Ana: <strong>K7MPXQ</strong>" in found
        assert "Olá, Ana! 😊 Recebemos seu pedido <strong>K7MPXQ</strong>:" in found
        assert found.count(">texto próprio") + found.count("texto próprio\n") == 1
        assert len(re.findall(r">\s*desligada\s*<", found)) == 1
        assert "Mensagem de teste" not in found

    def test_one_store_at_a_time(self, client: Client, store: Store) -> None:
        other = Store.objects.create(name="Filial")
        own_texts.write(other, "pay", "Da filial: {código}", actor=None)
        assert client.get(f"{LIST}?store={other.pk}").status_code == 404
        client = client_of(make_staff("dois", MANAGEMENT_GROUP, stores=Store.objects.all()))
        assert "Da filial" not in text(client.get(LIST))
        assert "Da filial: K7MPXQ" in text(client.get(f"{LIST}?store={other.pk}"))
        assert client.get(f"{LIST}?store=0").status_code == 404

    def test_costs_the_same_however_many_texts_there_are(
        self, client: Client, store: Store, django_assert_num_queries: Any
    ) -> None:
        client.get(LIST)
        for number in range(6):
            with django_assert_num_queries(9):
                client.get(LIST)
            own_texts.write(store, "pay", f"{number}: {{código}}", actor=None)
            own_texts.write(store, "ship", f"{number}: {{código}}", actor=None)

    def test_a_kind_is_switched_off_and_on_by_who_may_change_the_store(
        self, client: Client, attendant: Client, store: Store
    ) -> None:
        assert attendant.post(page(store, "pay", "switch/"), {"on": "0"}).status_code == 403
        response = client.post(page(store, "pay", "switch/"), {"on": "0"}, follow=True)
        assert said(response) == ["“Pagamento recebido” não será mais avisado."]
        store.refresh_from_db()
        assert store.silent_transitions == ["pay"]
        client.get(page(store, "pay", "switch/"))
        client.post(page(store, "pay", "switch/"), {"on": "1"})
        store.refresh_from_db()
        assert store.silent_transitions == []
        assert client.post(page(store, "opt_out", "switch/"), {"on": "0"}).status_code == 404


class TestEditor:
    def test_begins_with_the_default_as_it_is_written(self, client: Client, store: Store) -> None:
        response = client.get(page(store, "ship"))
        assert response.context["form"]["text"].value() == texts.default("ship")
        found = text(response)
        assert 'data-insert="{rastreios}"' in found
        assert 'data-condition="página do pedido"' in found
        assert 'data-insert="{motivo}"' not in found
        assert "Nunca foi mudado" in found

    def test_saves_what_is_right_with_who_and_when(self, client: Client, store: Store) -> None:
        response = save(client, store, "Oi, {nome}:\r\no *{código}* chegou.\r\n")
        assert said(response) == ["Texto salvo."]
        [version] = MessageText.objects.all()
        assert (version.event, version.text, version.author_name) == (
            "create", "Oi, {nome}:\no *{código}* chegou.", "bia",
        )  # fmt: skip
        assert LogEntry.objects.get().object_id == str(version.pk)
        assert client.get(f"{LIST}{version.pk}/change/").headers["location"] == page(store)
        assert said(save(client, store, version.text)) == ["O texto já era este: nada mudou."]

    def test_saves_nothing_wrong_and_keeps_what_was_typed(self, client: Client, store: Store) -> None:
        response = save(client, store, "Oi, {cliente}\n<b>{")
        found = text(response)
        assert "Nada foi salvo: o texto tem erros." in found
        assert "Linha 1: Não existe a variável “cliente”." in found
        assert "Linha 2: Um “{” sozinho: uma variável fica entre { e }." in found
        assert "Oi, {cliente}\n&lt;b&gt;{</textarea>" in response.content.decode()
        assert not MessageText.objects.exists()

    @pytest.mark.parametrize("written", ["", "x" * 20_000, "{codigo} \x00"])
    def test_bad_input_is_refused_on_the_page(self, client: Client, store: Store, written: str) -> None:
        assert save(client, store, written).status_code == 200
        assert not MessageText.objects.exists()

    def test_two_people_do_not_overwrite_each_other_unseen(self, client: Client, store: Store) -> None:
        own_texts.write(store, "create", "Da Ana: {código}", actor=None)
        response = save(client, store, OWN, seen=0)
        assert "Outra pessoa mudou este texto enquanto isso" in text(response)
        assert own_texts.current(store)["create"].text == "Da Ana: {código}"
        save(client, store, OWN, seen=response.context["form"]["seen"].value())
        assert own_texts.current(store)["create"].text == OWN

    def test_goes_back_to_a_version_and_to_the_default(self, client: Client, store: Store) -> None:
        save(client, store, "Um: {código}")
        first = own_texts.current(store)["create"]
        save(client, store, "Dois: {código}")
        assert client.get(page(store, rest=f"restore/{first.pk}/")).status_code == 302
        assert own_texts.current(store)["create"].text == "Dois: {código}"
        client.post(page(store, rest=f"restore/{first.pk}/"))
        assert own_texts.current(store)["create"].text == "Um: {código}"
        assert said(client.post(page(store, rest="default/"), follow=True))[-1:] == ["De volta ao texto padrão."]
        assert own_texts.current(store)["create"].text == ""
        assert [each.text for each in own_texts.history(store, "create")] == [
            "", "Um: {código}", "Dois: {código}", "Um: {código}",
        ]  # fmt: skip
        assert client.post(page(store, "ship", f"restore/{first.pk}/")).status_code == 404

    def test_a_version_that_can_no_longer_be_said_is_refused(self, client: Client, store: Store) -> None:
        old = MessageText.objects.create(store=store, event="create", text="{gone} {código}")
        save(client, store, OWN)
        response = client.post(page(store, rest=f"restore/{old.pk}/"), follow=True)
        assert said(response) == ["Não existe a variável “gone”."]
        assert own_texts.current(store)["create"].text == OWN

    def test_says_which_messages_that_wait_it_will_not_touch(self, client: Client, store: Store) -> None:
        for number in range(3):
            make_order(notify=True, customer_phone=f"+551198765000{number}")
        row = NotificationLog.objects.latest("pk")
        NotificationLog.objects.filter(pk=row.pk).update(message="Já escrita")
        words = (
            "2 mensagens deste tipo esperam na fila e saem com o texto que valer na hora do envio. "
            "1 já foi tentada e fica com o texto da primeira tentativa."
        )
        assert words in text(client.get(page(store)))
        assert said(save(client, store, OWN)) == [f"Texto salvo. {words}"]
        assert "esperam na fila" not in text(client.get(page(store, "ship")))

    def test_costs_the_same_whatever_the_shop_holds(
        self, client: Client, store: Store, django_assert_num_queries: Any
    ) -> None:
        client.get(page(store))
        for number in range(3):
            make_order(customer_phone=f"+551198765000{number}")
            own_texts.write(store, "create", f"{number}: {{código}}", actor=None)
            with django_assert_num_queries(13):
                client.get(page(store))

    def test_who_may_only_look_changes_nothing(self, attendant: Client, store: Store) -> None:
        found = text(attendant.get(page(store)))
        assert "Salvar texto" not in found
        assert "Enviar um teste" not in found
        version = own_texts.write(store, "create", OWN, actor=None)
        assert version is not None
        for action in ("save", "test"):
            data = {"text": "x {código}", "seen": version.pk, "action": action, "phone": PHONE}
            assert attendant.post(page(store), data).status_code == 403
        for rest in ("default/", f"restore/{version.pk}/"):
            assert attendant.post(page(store, rest=rest)).status_code == 403
        assert MessageText.objects.get() == version
        assert not NotificationLog.objects.exists()

    def test_strangers_get_nothing(self, store: Store) -> None:
        stranger = client_of(make_staff("eva", group=""))
        version = MessageText.objects.create(store=store, event="create", text=OWN)
        for address in (LIST, page(store), page(store, rest="preview/"), f"{LIST}{version.pk}/change/"):
            assert stranger.get(address).status_code == 403

    @pytest.mark.parametrize("event", ["nothing", "test", "__class__"])
    def test_there_are_no_other_kinds(self, client: Client, store: Store, event: str) -> None:
        assert client.get(page(store, event)).status_code == 404
        assert client.get(f"{LIST}0/create/").status_code == 404


class TestPreview:
    def preview(self, client: Client, store: Store, written: str, event: str = "create", **values: Any) -> Any:
        response = client.post(page(store, event, "preview/"), {"text": written, **values})
        assert response.status_code == 200
        return response.json()

    def test_shows_a_real_order_and_the_hardest_as_the_phone_does(self, client: Client, store: Store) -> None:
        order = make_order(customer_name="Zé *Souza*", delivery_method="correios_pac", until="shipped")
        found = self.preview(client, store, "*{nome}*, _{código}_: {loja}{se rastreios}\n{rastreios}{fim}", "ship")
        assert found["mistakes"] == []
        real, hardest = found["samples"]
        assert (real["name"], real["title"]) == ("real", f"Pedido {order.code}")
        assert real["html"].startswith(f"<strong>Zé</strong>, <em>{order.code}</em>: Minha loja\nCódigo de rastreio: ")
        assert hardest["html"] == "<strong>Maria-Fernanda</strong>, <em>K7MPXQ</em>: Minha loja"
        assert hardest["counted"] == "38 de 4096 caracteres"

    def test_on_the_order_that_was_chosen_of_this_store_alone(self, client: Client, store: Store) -> None:
        first = make_order(customer_name="Primeira Cliente")
        make_order(customer_name="Segunda Cliente", customer_phone="+5511987650001")
        other = make_order(store=Store.objects.create(name="Filial"), customer_name="Alheia")
        titles = [
            self.preview(client, store, OWN, preview_order=chosen)["samples"][0]["title"]
            for chosen in (first.pk, other.pk, "x")
        ]
        assert titles[0] == f"Pedido {first.code}"
        assert f"Pedido {other.code}" not in titles

    def test_tells_the_mistakes_with_their_places_and_saves_nothing(self, client: Client, store: Store) -> None:
        found = self.preview(client, store, "Oi\r\n{codigo} {x}")
        assert found == {
            "mistakes": [{"words": "Linha 2: Não existe a variável “x”.", "start": 12, "end": 15}], "samples": None,
        }  # fmt: skip
        assert not MessageText.objects.exists()

    def test_what_people_typed_is_escaped(self, client: Client, store: Store) -> None:
        make_order(customer_name="<script>alert(1)</script> Ana", items=[
            {"description": "<img src=x>", "quantity": 1, "unit_price": "1.00"}
        ])  # fmt: skip
        [real, _hardest] = self.preview(client, store, "{código} {nome} {itens} <i>")["samples"]
        assert "<script" not in real["html"]
        assert "&lt;img src=x&gt;" in real["html"]
        assert "&lt;i&gt;" in real["html"]

    def test_who_may_see_no_orders_sees_an_example(self, store: Store) -> None:
        order = make_order()
        eva = make_staff("eva", group="")
        from django.contrib.auth.models import Permission

        eva.user_permissions.add(Permission.objects.get(codename="view_messagetext"))
        found = self.preview(client_of(eva), store, OWN)
        assert found["samples"][0]["title"] == "Um exemplo"
        assert order.code not in str(found)

    def test_asking_is_not_enough(self, client: Client, store: Store) -> None:
        assert client.get(page(store, rest="preview/")).status_code == 405


class TestOnAPhone:
    def send(self, client: Client, store: Store, **values: Any) -> Any:
        data = {"text": OWN, "seen": "0", "action": "test", "phone": "(11) 98765-4321", **values}
        return client.post(page(store), data)

    def test_sends_what_is_typed_through_the_outbox(self, client: Client, store: Store) -> None:
        instance = EvolutionInstance.objects.get()
        order = make_order()
        response = self.send(client, store)
        assert said(response) == ["Um teste está a caminho de (11) 98765-4321."]
        row = NotificationLog.objects.get()
        assert (row.event, row.order, row.instance, row.recipient) == ("test", None, instance, PHONE)
        claim = claims.claim(row.pk)
        assert claim is not None
        assert claim.notification.message == f"Oi, Maria: o *{order.code}* chegou."
        assert OWN in text(response)
        assert not MessageText.objects.exists()
        assert LogEntry.objects.get().change_message == "Teste do texto “Pedido recebido”."

    def test_few_times_in_a_minute(self, client: Client, store: Store) -> None:
        for number in range(6):
            response = self.send(client, store, _once=f"k{number}")
        assert "Foram muitos testes em um minuto" in text(response)
        assert NotificationLog.objects.count() == 5

    def test_once_for_each_form(self, client: Client, store: Store) -> None:
        for _time in range(2):
            self.send(client, store, _once="k1")
        assert NotificationLog.objects.count() == 1
        self.send(client, store, _once="k2")
        assert NotificationLog.objects.count() == 2

    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ({"phone": ""}, "Que número deve receber o teste?"),
            ({"phone": "123"}, "“123” não é um telefone válido."),
            ({"phone": "0800 123 4567"}, "0800 123 4567 é um número de serviço"),
            ({"text": "{x} {código}"}, "Não existe a variável “x”."),
        ],
    )
    def test_nothing_is_sent_of_what_is_wrong(
        self, client: Client, store: Store, values: dict[str, str], words: str
    ) -> None:
        assert words in text(self.send(client, store, **values))
        assert not NotificationLog.objects.exists()

    def test_nothing_is_sent_to_who_wants_nothing(self, client: Client, store: Store) -> None:
        consent.opt_out([make_order().customer], "SAIR")
        assert "Este é o número de um cliente que não quer mensagens" in text(self.send(client, store))
        assert not NotificationLog.objects.exists()

    def test_a_store_without_a_number_says_so(self, client: Client, store: Store) -> None:
        EvolutionInstance.objects.all().delete()
        assert "A loja ainda não tem um número de WhatsApp por onde enviar." in text(self.send(client, store))

    def test_sent_again_it_says_the_same(self, client: Client, store: Store) -> None:
        self.send(client, store)
        NotificationLog.objects.update(status="sent", sent_at="2026-11-27T12:00:00Z")
        row = NotificationLog.objects.get()
        assert resend.resend(row).message == row.message


def test_no_text_of_a_shop_reaches_into_anything(client: Client, store: Store) -> None:
    make_order()
    for written in ("{código} {loja.pk}", "{código} {loja|upper}", "{código} {% include 'x' %}", "{código} {0}"):
        found = client.post(page(store, rest="preview/"), {"text": written}).json()
        assert found["mistakes"], written
    assert Order.objects.count() == 1


def test_of_a_text_that_is_far_too_long_nothing_more_is_read(client: Client, store: Store) -> None:
    response = client.post(page(store, "confirm"), {"text": "{se" + " " * 500_000 + "x", "seen": "0"})
    assert response.status_code == 200
    assert not MessageText.objects.exists()
    assert "text" in response.context["form"].errors


class TestLeavingThemAsTheyAre:
    def test_is_noted_once_and_changes_no_text(self, client: Client, store: Store) -> None:
        assert "Estão bons assim" in text(client.get(LIST))
        for _ in range(2):
            shown = client.post(f"{LIST}approve/{store.pk}/", follow=True)
        [version] = MessageText.objects.all()
        assert (version.event, version.text, version.author_name) == ("create", "", "bia")
        assert "texto próprio" not in text(shown)
        assert "Estão bons assim" not in text(shown)
        [entry] = LogEntry.objects.all()
        assert entry.change_message.startswith("Os textos ficam como o Flowlog os escreve.")

    def test_is_not_asked_of_who_has_written_one(self, client: Client, store: Store) -> None:
        own_texts.write(store, "pay", "Pago: *{código}*", actor=None)
        assert "Estão bons assim" not in text(client.get(LIST))
        client.post(f"{LIST}approve/{store.pk}/")
        assert MessageText.objects.get().text == "Pago: *{código}*"

    def test_is_for_who_may_change_them(self, attendant: Client, client: Client, store: Store) -> None:
        assert "Estão bons assim" not in text(attendant.get(LIST))
        assert attendant.post(f"{LIST}approve/{store.pk}/").status_code == 403
        client.get(f"{LIST}approve/{store.pk}/")
        assert not MessageText.objects.exists()
