"""A carrier in the admin: connected in two steps, its words given a meaning, and what it told looked at."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core import serializers
from django.db import connection as database
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flowlog.staffpages.groups import MANAGEMENT_GROUP, OPERATION_GROUP, SERVICE_GROUP
from integrations import retention
from integrations.carriers import CARRIERS, guides, health, intake
from integrations.carriers.meanings import Meaning
from integrations.models import CarrierConnection, CarrierNews
from orders import disclosure, erasure
from orders.models import Order, Store
from tests.factories import TRACKING_CODE, make_instance, make_order
from tests.integrations.parcels import SECRET, label, make_connection, send
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

PAGE = "/admin/integrations/carrierconnection/"
NEWS = "/admin/integrations/carriernews/"


@pytest.fixture(autouse=True)
def without_an_instance(settings: Any) -> None:
    """`bootstrap`, which makes the groups, makes none."""
    settings.EVOLUTION_INSTANCE = ""


@pytest.fixture
def client() -> Client:
    return client_of(make_staff(group=MANAGEMENT_GROUP))


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def tell(connection: CarrierConnection, event: str = "order.delivered", **data: Any) -> CarrierNews:
    """What it told, worked off."""
    assert send(connection, label(event, **data)) == 200
    intake.process()
    return CarrierNews.objects.latest("pk")


def parcel(**values: Any) -> Order:
    make_instance()
    return make_order(until="shipped", delivery_method="correios_pac", **values)


class TestConnecting:
    def test_it_takes_two_steps_and_says_what_to_paste(self, client: Client, settings: Any) -> None:
        settings.SITE_URL = "https://pedidos.example.com"
        shown = page(client, f"{PAGE}add/")
        assert [each for each in ("Melhor Envio", "Correios", "SuperFrete") if each not in shown] == []
        values = {"store": Store.get_default().pk, "source": "melhorenvio", "name": "Etiquetas"}
        answer = client.post(f"{PAGE}add/", values, follow=True)
        connection = CarrierConnection.objects.get()
        assert answer.redirect_chain == [(f"{PAGE}{connection.pk}/credentials/", 302)]
        assert "Faltam credenciais" in page(client, f"{PAGE}{connection.pk}/change/")
        answer = client.post(f"{PAGE}{connection.pk}/credentials/", {"secret": SECRET}, follow=True)
        assert answer.redirect_chain == [(f"{PAGE}{connection.pk}/change/", 302)]
        shown = unescape(answer.content.decode())
        address = f"https://pedidos.example.com/webhooks/tracking/melhorenvio/{connection.token}/"
        assert f'<code class="flowlog-file">{address}</code>' in shown
        assert "No Melhor Envio abra Integrações > Área Dev." in shown
        assert "O token vence em cerca de 30 dias." in shown
        assert "Faltam credenciais" not in shown
        parcel()
        connection.refresh_from_db()
        assert tell(connection).result == "applied"
        assert "avisos chegando" in page(client, f"{PAGE}{connection.pk}/change/")

    def test_who_is_only_asked_has_no_address(self, client: Client) -> None:
        connection = make_connection("correios")
        shown = page(client, f"{PAGE}{connection.pk}/change/")
        assert connection.token not in shown
        assert "cws.correios.com.br" in shown

    def test_a_secret_is_shown_never_again(self, client: Client) -> None:
        connection = make_connection()
        for address in ("", f"{connection.pk}/change/", f"{connection.pk}/credentials/", f"{connection.pk}/history/"):
            assert SECRET not in page(client, f"{PAGE}{address}")
        assert SECRET not in repr(CarrierConnection.objects.values_list("credentials").get())
        assert SECRET not in serializers.serialize("json", CarrierConnection.objects.all())

    @pytest.mark.parametrize("former", ["https://a.example", ""])
    def test_stored_keys_go_to_no_other_address(self, client: Client, former: str) -> None:
        """The carrier's own address is stored as none."""
        kept = {"user": "loja", "code": SECRET, "card": "1"}
        connection = make_connection("correios", credentials=kept | {"address": former} if former else kept)
        values = {"user": "loja", "code": "", "card": "1", "address": "https://b.example"}
        answer = client.post(f"{PAGE}{connection.pk}/credentials/", values)
        assert set(answer.context["form"].errors) == {"code"}

    def test_a_token_is_taken_only_with_all_that_asking_needs(self, client: Client) -> None:
        connection = make_connection()
        answer = client.post(f"{PAGE}{connection.pk}/credentials/", {"secret": "", "token": "t", "mail": ""})
        assert set(answer.context["form"].errors) == {"mail"}
        connection.refresh_from_db()
        assert "token" not in connection.reveal()

    def test_a_new_address_ends_the_old_one(self, client: Client) -> None:
        connection = make_connection()
        old = connection.token
        client.post(f"{PAGE}{connection.pk}/token/")
        assert Client().post(f"/webhooks/tracking/melhorenvio/{old}/").status_code == 404

    def test_the_test_asks_or_says_what_was_heard(self, client: Client) -> None:
        heard, asked = make_connection(), make_connection("correios", credentials={
            "user": "loja", "code": "x", "card": "1", "address": "http://127.0.0.1:9"
        })  # fmt: skip
        answer = client.post(f"{PAGE}{heard.pk}/test/", follow=True)
        assert "Nada chegou ainda." in answer.content.decode()
        answer = client.post(f"{PAGE}{asked.pk}/test/", follow=True)
        assert "O sistema não responde." in answer.content.decode()
        assert client.get(f"{PAGE}{asked.pk}/test/").status_code == 405

    def test_attendance_looks_and_does_not_touch(self) -> None:
        connection = make_connection()
        client = client_of(make_staff(group=SERVICE_GROUP))
        assert connection.token not in page(client, f"{PAGE}{connection.pk}/change/")
        for name in ("credentials", "mapping", "token", "test"):
            assert client.post(f"{PAGE}{connection.pk}/{name}/").status_code == 403
        assert client.get(f"{PAGE}add/").status_code == 403
        assert client_of(make_staff("rui", OPERATION_GROUP)).get(f"{PAGE}{connection.pk}/token/").status_code == 200

    @pytest.mark.parametrize("source", CARRIERS)
    def test_each_source_has_its_pages(self, client: Client, source: str) -> None:
        connection = make_connection(source)
        steps = [str(each) for each in guides.steps(source)]
        shown = page(client, f"{PAGE}{connection.pk}/change/")
        assert [step for step in steps if step not in shown] == []
        labels = page(client, f"{PAGE}{connection.pk}/credentials/").count("<label")
        assert labels >= len(CARRIERS[source].CREDENTIALS)
        page(client, f"{PAGE}{connection.pk}/mapping/")
        assert set(CARRIERS[source].MEANINGS.values()) <= set(Meaning.values)

    def test_new_credentials_wake_what_failed(self, client: Client) -> None:
        order, connection = parcel(), make_connection()
        given_up = tell(connection, "order.lost-in-space")
        CarrierNews.objects.update(result="error", body=label("order.delivered"), attempts=7)
        unknown = CarrierNews.objects.create(
            connection=connection, source="melhorenvio", body=label(tracking="BB123456785BR"), result="unknown",
            due_at=Now() + timedelta(hours=1), occurred_at=Now(), attempts=2,
        )  # fmt: skip
        client.post(f"{PAGE}{connection.pk}/credentials/", {"secret": SECRET})
        assert intake.process() == 1
        given_up.refresh_from_db()
        unknown.refresh_from_db()
        assert (given_up.result, given_up.order, unknown.attempts) == ("applied", order, 2)

    def test_what_is_done_there_is_written_down(self, client: Client) -> None:
        connection = make_connection()
        client.post(f"{PAGE}{connection.pk}/credentials/", {"secret": "outro"})
        client.post(f"{PAGE}{connection.pk}/token/")
        told = LogEntry.objects.filter(object_id=str(connection.pk)).order_by("pk")
        assert list(told.values_list("change_message", flat=True)) == [
            "Credenciais preenchidas.", "Novo endereço criado."
        ]  # fmt: skip


class TestNews:
    def needs(self, client: Client) -> list[tuple[int, str]]:
        return [
            (need.count, need.address) for need in client.get("/admin/").context["needs"] if need.icon == "package_2"
        ]

    def test_a_word_that_waited_gets_its_meaning_and_is_applied(self, client: Client) -> None:
        order, connection = parcel(), make_connection()
        assert tell(connection, "order.entregue").result == "no_meaning"
        assert self.needs(client) == [(1, f"{NEWS}?needs=1")]
        address = f"{PAGE}{connection.pk}/mapping/"
        [name] = [field.name for field in client.get(address).context["form"] if field.label == "order.entregue"]
        assert client.post(address, {name: "delivered"}).status_code == 302
        intake.process()
        order.refresh_from_db()
        assert (order.delivery_status, CarrierNews.objects.get().result) == ("delivered", "applied")
        assert self.needs(client) == []

    def test_who_may_reads_what_was_sent_and_others_do_not(self, client: Client) -> None:
        parcel()
        news = tell(make_connection())
        assert "ORD-20261127001" in page(client, f"{NEWS}{news.pk}/change/")
        seen = page(client_of(make_staff("bia")), f"{NEWS}{news.pk}/change/")
        assert "ORD-20261127001" not in seen
        assert TRACKING_CODE in seen

    def test_it_is_applied_again_by_who_may(self, client: Client) -> None:
        order, connection = parcel(), make_connection(mapping={"order.delivered": "noted"})
        news = tell(connection)
        CarrierConnection.objects.update(mapping={})
        form = {"action": "apply_again", "_selected_action": [news.pk]}
        client_of(make_staff("bia")).post(NEWS, form)
        assert intake.process() == 0
        client.post(NEWS, form)
        assert intake.process() == 1
        order.refresh_from_db()
        assert order.delivery_status == "delivered"
        answer = client.post(NEWS, form, follow=True)
        assert "Os outros já mudaram o pedido" in answer.content.decode()
        assert intake.process() == 0

    def test_what_was_seen_to_is_no_need_any_more(self, client: Client) -> None:
        parcel()
        news = tell(make_connection(), "order.undelivered")
        assert f"/{news.pk}/change/" in page(client, f"{NEWS}?needs=1")
        client.post(NEWS, {"action": "mark_seen", "_selected_action": [news.pk]})
        assert not health.need_a_person().exists()
        assert f"/{news.pk}/change/" not in page(client, f"{NEWS}?needs=1")

    def test_the_timeline_tells_what_the_carrier_said(self, client: Client) -> None:
        order, connection = parcel(), make_connection()
        for event in ("order.generated", "order.undelivered", "order.cancelled", "order.undelivered"):
            tell(connection, event)
        shown = page(client, f"/admin/orders/order/{order.pk}/change/")
        said = [
            each for each in ("generated", "undelivered", "cancelled") if f"Transportadora: order.{each}, " in shown
        ]
        assert said == ["undelivered", "cancelled"]

    def test_no_timeline_shows_what_another_stores_carrier_said(self, client: Client) -> None:
        order = parcel()
        other = make_connection(store=Store.objects.create(name="Outra"))
        assert tell(other, "order.undelivered").result == "unknown"
        assert "Transportadora:" not in page(client, f"/admin/orders/order/{order.pk}/change/")

    def test_the_list_costs_the_same_for_any_number(self, client: Client) -> None:
        parcel()
        connection = make_connection()
        tell(connection)
        page(client, NEWS)
        with CaptureQueriesContext(database) as one:
            page(client, NEWS)
        for _time in range(5):
            tell(connection)
        with CaptureQueriesContext(database) as six:
            page(client, NEWS)
        assert len(six) == len(one)

    def test_staff_of_another_store_meet_none_of_it(self) -> None:
        other = Store.objects.create(name="Outra")
        connection = make_connection(store=other)
        news = tell(connection, "order.undelivered")
        bia = client_of(make_staff("bia", MANAGEMENT_GROUP, stores=[Store.get_default()]))
        assert (news.order, f"/{news.pk}/" in page(bia, NEWS)) == (None, False)
        for address in (f"{NEWS}{news.pk}/change/", f"{PAGE}{connection.pk}/change/"):
            assert bia.get(address).status_code == 302
        assert bia.post(f"{PAGE}{connection.pk}/token/").status_code == 404


class TestHealth:
    def needs(self, client: Client) -> list[str]:
        return [need.words for need in client.get("/admin/").context["needs"] if need.icon == "local_shipping"]

    def test_one_whose_signature_is_wrong_is_told_of_until_it_fits(self, client: Client) -> None:
        connection = make_connection()
        assert send(connection, label(), X_ME_Signature="wrong") == 403
        assert self.needs(client) == ["Transportadora com problema: Transportadora"]
        shown = page(client, f"{PAGE}{connection.pk}/change/")
        assert "a assinatura não combina com o segredo" in shown
        assert "1 aviso foi recusado até agora." in shown
        CarrierConnection.objects.update(refused_at=Now() - timedelta(minutes=5), last_news_at=Now())
        assert self.needs(client) == []

    def test_one_that_used_to_speak_and_is_silent_is_told_of(self, client: Client) -> None:
        connection = make_connection()
        for ago in (4, 5, 6, 7, 8):
            at = Now() - timedelta(days=ago)
            CarrierNews.objects.create(
                connection=connection, source="melhorenvio", occurred_at=at, received_at=at, result="nothing"
            )
        CarrierConnection.objects.update(last_news_at=Now() - timedelta(days=4))
        assert self.needs(client) == ["Transportadora com problema: Transportadora"]
        assert "Veja no painel da transportadora" in page(client, f"{PAGE}{connection.pk}/change/")
        CarrierConnection.objects.update(is_on=False)
        assert self.needs(client) == []

    def test_one_that_is_only_asked_is_silent_if_it_does_not_answer(self, client: Client) -> None:
        """That nothing has happened is an answer, too."""
        connection = make_connection("correios", created_at=timezone.now())
        address = f"{PAGE}{connection.pk}/change/"
        assert "Ainda não foi consultada." in page(client, address)
        for ago in range(10, 15):
            at = Now() - timedelta(days=ago)
            CarrierNews.objects.create(
                connection=connection, source="correios", occurred_at=at, received_at=at, result="noted"
            )
        CarrierConnection.objects.update(last_news_at=Now() - timedelta(days=10), polled_at=Now())
        assert self.needs(client) == []
        assert "É consultada mais ou menos uma vez por hora." in page(client, address)
        CarrierConnection.objects.update(polled_at=Now() - timedelta(days=4))
        assert self.needs(client) == ["Transportadora com problema: Transportadora"]
        assert "Há dias não responde" in page(client, address)

    def test_one_that_does_not_let_us_ask_is_told_of(self, client: Client) -> None:
        CarrierConnection.objects.filter(pk=make_connection("correios").pk).update(last_error="Não deu.")
        assert self.needs(client) == ["Transportadora com problema: Transportadora"]


class TestForgetting:
    def test_old_news_is_forgotten_but_when_it_moved_an_order(self) -> None:
        parcel()
        connection = make_connection()
        tell(connection)
        tell(connection)
        assert send(connection, label()) == 200
        CarrierNews.objects.update(received_at=Now() - timedelta(days=31))
        assert retention.purge().carrier_news == 2
        left = CarrierNews.objects.order_by("pk")
        assert [(row.result, bytes(row.body) == b"") for row in left] == [("applied", True), ("received", False)]
        assert retention.due().carrier_news == 0

    def test_an_erasure_takes_what_was_sent_of_the_orders(self) -> None:
        order = parcel()
        connection = make_connection()
        tell(connection, tags=[{"tag": order.code}])
        [told] = disclosure.collect(order.customer)["O que as transportadoras informaram"]
        assert "ORD-20261127001" in told["como foi enviado"]
        erasure.erase(order.customer)
        row = CarrierNews.objects.get()
        assert (bytes(row.body), row.headers, row.description) == (b"", {}, "")
