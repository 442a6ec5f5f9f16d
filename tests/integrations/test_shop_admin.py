"""A shop's system in the admin: connected in two steps, its statuses given a meaning, and what it told looked at."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.admin.models import LogEntry
from django.core import serializers
from django.db.models.functions import Now
from django.test import Client

from flowlog.staffpages.groups import MANAGEMENT_GROUP, OPERATION_GROUP, SERVICE_GROUP
from integrations.models import ShopConnection, ShopNews
from integrations.shops import SHOPS, guides, health, intake, polling
from integrations.shops.meanings import Meaning
from orders.models import Order, Store
from tests.factories import make_instance
from tests.integrations import shops
from tests.integrations.shops import SECRET, make_connection, order, written
from tests.staff import client_of, make_staff

pytestmark = pytest.mark.django_db

PAGE = "/admin/integrations/shopconnection/"
NEWS = "/admin/integrations/shopnews/"


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


def tell(connection: ShopConnection, values: Any) -> ShopNews:
    """What it told, worked off."""
    body = written(values)
    path = f"/webhooks/orders/{connection.source}/{connection.token}"
    sent = Client().post(path, body, content_type="application/json", headers=shops.headers(body))
    assert sent.status_code == 200
    intake.process()
    return ShopNews.objects.latest("pk")


class TestConnecting:
    def test_it_takes_two_steps_and_says_what_to_paste(self, client: Client, settings: Any) -> None:
        settings.SITE_URL = "https://pedidos.example.com"
        assert "WooCommerce" in page(client, f"{PAGE}add/")
        values = {"store": Store.get_default().pk, "source": "woocommerce", "name": "Minha loja"}
        answer = client.post(f"{PAGE}add/", values, follow=True)
        connection = ShopConnection.objects.get()
        assert answer.redirect_chain == [(f"{PAGE}{connection.pk}/credentials/", 302)]
        assert "Faltam credenciais" in page(client, f"{PAGE}{connection.pk}/change/")
        answer = client.post(f"{PAGE}{connection.pk}/credentials/", {"secret": SECRET}, follow=True)
        assert answer.redirect_chain == [(f"{PAGE}{connection.pk}/change/", 302)]
        shown = unescape(answer.content.decode())
        assert (
            f'<code class="flowlog-file">https://pedidos.example.com/webhooks/orders/woocommerce/{connection.token}/</code>'
            in shown
        )
        assert "No WordPress abra WooCommerce > Configurações > Avançado > Webhooks" in shown
        assert "Faltam credenciais" not in shown
        connection.refresh_from_db()
        assert connection.reveal() == {"secret": SECRET}
        make_instance()
        assert tell(connection, order()).result == "applied"
        assert "avisos chegando" in page(client, f"{PAGE}{connection.pk}/change/")

    def test_a_secret_is_shown_never_again(self, client: Client) -> None:
        connection = make_connection()
        for address in ("", f"{connection.pk}/change/", f"{connection.pk}/credentials/", f"{connection.pk}/history/"):
            assert SECRET not in page(client, f"{PAGE}{address}")
        kept = ShopConnection.objects.values_list("credentials").get()
        assert SECRET not in repr(kept)
        assert SECRET not in serializers.serialize("json", ShopConnection.objects.all())

    def test_left_empty_it_stays(self, client: Client) -> None:
        connection = make_connection()
        values = {
            "secret": "",
            "address": "https://loja.example.com",
            "consumer_key": "ck_1",
            "consumer_secret": "cs_1",
        }
        assert client.post(f"{PAGE}{connection.pk}/credentials/", values).status_code == 302
        connection.refresh_from_db()
        assert connection.reveal() == values | {"secret": SECRET}

    @pytest.mark.parametrize("missing", ["address", "consumer_key", "consumer_secret"])
    def test_keys_are_taken_only_with_all_that_asking_needs(self, client: Client, missing: str) -> None:
        """Else the owner would believe that what a webhook missed comes in."""
        connection = make_connection()
        values = {"address": "https://a.example", "consumer_key": "ck_1", "consumer_secret": "cs_1"} | {missing: ""}
        answer = client.post(f"{PAGE}{connection.pk}/credentials/", {"secret": ""} | values)
        words = "Sem isto o sistema não pode ser perguntado: preencha também."
        assert answer.context["form"].errors == {missing: [words]}
        connection.refresh_from_db()
        assert connection.reveal() == {"secret": SECRET}

    def test_an_address_without_keys_is_no_reason_to_ask_for_them(self, client: Client) -> None:
        connection = make_connection()
        values = {"secret": "", "address": "https://a.example", "consumer_key": "", "consumer_secret": ""}
        assert client.post(f"{PAGE}{connection.pk}/credentials/", values).status_code == 302

    def test_stored_keys_go_to_no_other_shop(self, client: Client) -> None:
        kept = {"secret": SECRET, "address": "https://a.example", "consumer_key": "ck_1", "consumer_secret": "cs_1"}
        connection = make_connection(credentials=kept)
        values = {"secret": "", "address": "https://b.example", "consumer_key": "", "consumer_secret": ""}
        answer = client.post(f"{PAGE}{connection.pk}/credentials/", values)
        assert answer.status_code == 200
        assert set(answer.context["form"].errors) == {"consumer_key", "consumer_secret"}
        connection.refresh_from_db()
        assert connection.reveal() == kept

    def test_without_a_key_of_the_installation_it_says_so(self, client: Client, settings: Any) -> None:
        connection = make_connection(credentials={})
        settings.CREDENTIALS_KEYS = []
        answer = client.post(f"{PAGE}{connection.pk}/credentials/", {"secret": SECRET})
        assert "CREDENTIALS_KEYS" in unescape(answer.content.decode())

    def test_a_new_address_ends_the_old_one(self, client: Client) -> None:
        connection = make_connection()
        assert "para de funcionar na hora" in page(client, f"{PAGE}{connection.pk}/token/")
        old = connection.token
        client.post(f"{PAGE}{connection.pk}/token/")
        connection.refresh_from_db()
        assert connection.token != old
        assert Client().post(f"/webhooks/orders/woocommerce/{old}/").status_code == 404

    def test_the_test_says_what_was_heard(self, client: Client) -> None:
        connection = make_connection()
        answer = client.post(f"{PAGE}{connection.pk}/test/", follow=True)
        assert "Nada chegou ainda." in answer.content.decode()
        assert client.get(f"{PAGE}{connection.pk}/test/").status_code == 405

    def test_the_test_asks_the_shop_where_it_can(self, client: Client) -> None:
        keys = {"secret": SECRET, "address": "http://127.0.0.1:9", "consumer_key": "ck_1", "consumer_secret": "cs_1"}
        connection = make_connection(credentials=keys)
        answer = client.post(f"{PAGE}{connection.pk}/test/", follow=True)
        assert "O sistema não responde." in answer.content.decode()

    def test_attendance_looks_and_does_not_touch(self) -> None:
        connection = make_connection()
        client = client_of(make_staff(group=SERVICE_GROUP))
        assert connection.token not in page(client, f"{PAGE}{connection.pk}/change/")
        for name in ("credentials", "mapping", "token", "test"):
            assert client.post(f"{PAGE}{connection.pk}/{name}/").status_code == 403
        assert client.get(f"{PAGE}add/").status_code == 403
        assert client_of(make_staff("rui", OPERATION_GROUP)).get(f"{PAGE}{connection.pk}/token/").status_code == 200

    @pytest.mark.parametrize("source", SHOPS)
    def test_each_source_has_its_pages(self, client: Client, source: str) -> None:
        connection = make_connection(source)
        steps = [str(each) for each in guides.steps(source)]
        shown = page(client, f"{PAGE}{connection.pk}/change/")
        assert [step for step in steps if step not in shown] == []
        assert page(client, f"{PAGE}{connection.pk}/credentials/").count("<label") >= len(SHOPS[source].CREDENTIALS)
        page(client, f"{PAGE}{connection.pk}/mapping/")
        assert set(SHOPS[source].MEANINGS.values()) <= set(Meaning.values)

    def test_new_ones_wake_what_waited_for_them(self, client: Client) -> None:
        make_instance()
        connection = make_connection()
        later, body = Now() + timedelta(hours=9), written(order())
        kept = {"connection": connection, "body": body, "headers": {"X-WC-Webhook-Topic": "order.updated"}}
        tried = ShopNews.objects.create(**kept, result="waiting", attempts=8, due_at=later, reason="Confira as chaves.")
        given_up = ShopNews.objects.create(**kept, result="error", attempts=12, due_at=None)
        seen = ShopNews.objects.create(**kept, result="error", attempts=12, due_at=None, seen_at=Now())
        ShopConnection.objects.update(poll_due_at=later)
        answer = client.post(f"{PAGE}{connection.pk}/credentials/", {"secret": ""}, follow=True)
        assert "2 avisos serão aplicados de novo." in unescape(answer.content.decode())
        assert intake.process() == 2
        results = dict(ShopNews.objects.values_list("pk", "result"))
        assert results == {tried.pk: "applied", given_up.pk: "nothing_new", seen.pk: "error"}
        assert ShopConnection.objects.filter(poll_due_at__lte=Now()).exists()


class TestMapping:
    def test_a_status_that_waited_gets_its_meaning_and_is_applied(self, client: Client) -> None:
        make_instance()
        connection = make_connection()
        assert tell(connection, order("enviado-parcial")).result == "unknown_status"
        home = client.get("/admin/")
        assert [(need.count, need.address) for need in home.context["needs"] if need.icon == "move_to_inbox"] == [
            (1, f"{NEWS}?needs=1")
        ]
        address = f"{PAGE}{connection.pk}/mapping/"
        form = client.get(address).context["form"]
        [name] = [field.name for field in form if field.label == "enviado-parcial"]
        assert next(iter(form)).label == "checkout-draft"
        assert client.post(address, {name: "paid"}).status_code == 302
        connection.refresh_from_db()
        assert connection.mapping == {"enviado-parcial": "paid"}
        intake.process()
        assert ShopNews.objects.get().result == "applied"
        assert not [need for need in client.get("/admin/").context["needs"] if need.icon == "move_to_inbox"]

    def test_what_was_for_a_person_is_applied_with_its_new_meaning(self, client: Client) -> None:
        make_instance()
        connection = make_connection()
        mine = tell(connection, order("completed"))
        assert mine.result == "staff"
        handled = tell(connection, order("completed", id=12, number="1012"))
        ShopNews.objects.filter(pk=handled.pk).update(seen_at=Now())
        address = f"{PAGE}{connection.pk}/mapping/"
        names = {field.label: field.name for field in client.get(address).context["form"]}
        client.post(address, {names["on-hold"]: "silent"})
        assert intake.process() == 0
        client.post(address, {names["completed"]: "paid"})
        assert intake.process() == 1
        found = dict(ShopNews.objects.values_list("external_number", "result"))
        assert found == {"1011": "applied", "1012": "staff"}

    def test_what_is_no_meaning_is_refused(self, client: Client) -> None:
        connection = make_connection()
        assert client.post(f"{PAGE}{connection.pk}/mapping/", {"status_0": "grátis"}).status_code == 200
        connection.refresh_from_db()
        assert connection.mapping == {}


class TestNews:
    def test_who_may_reads_what_was_sent_and_others_do_not(self, client: Client) -> None:
        make_instance()
        news = tell(make_connection(), order())
        listed = page(client, NEWS)
        assert "1011" in listed
        assert ">pedido atualizado<" in listed.replace("\n", "").replace(" <", "<").replace("> ", ">")
        assert "maria@example.com" in page(client, f"{NEWS}{news.pk}/change/")
        seen = page(client_of(make_staff("bia")), f"{NEWS}{news.pk}/change/")
        assert "maria@example.com" not in seen
        assert "1011" in seen

    def test_it_is_applied_again_by_who_may(self, client: Client) -> None:
        make_instance()
        news = tell(make_connection(mapping={"processing": "silent"}), order())
        assert list(Order.objects.get().events.values_list("transition", flat=True)) == ["create"]
        ShopConnection.objects.update(mapping={})
        form = {"action": "apply_again", "_selected_action": [news.pk]}
        client_of(make_staff("bia")).post(NEWS, form)
        assert intake.process() == 0
        client.post(NEWS, form)
        assert intake.process() == 1
        assert Order.objects.get().payment_status == "paid"

    def test_what_was_seen_to_is_no_need_any_more(self, client: Client) -> None:
        make_instance()
        news = tell(make_connection(), order("completed"))
        assert news.result == "staff"
        assert f"/{news.pk}/change/" in page(client, f"{NEWS}?needs=1")
        client.post(NEWS, {"action": "mark_seen", "_selected_action": [news.pk]})
        assert not health.need_a_person().exists()
        assert f"/{news.pk}/change/" not in page(client, f"{NEWS}?needs=1")

    def test_what_did_not_move_the_order_stands_in_its_timeline(self, client: Client) -> None:
        make_instance()
        connection = make_connection()
        tell(connection, order("completed"))
        made = Order.objects.get()
        shown = page(client, f"/admin/orders/order/{made.pk}/change/")
        assert "Loja: completed, 27/11/2026 07:58" in shown
        assert "A loja deu o pedido por concluído, sem código de rastreio: ele já saiu?" in shown


class TestHealth:
    def needs(self, client: Client) -> list[str]:
        return [need.words for need in client.get("/admin/").context["needs"] if need.icon == "shopping_cart_off"]

    def heard(self, connection: ShopConnection, *days: float) -> None:
        """It told something so many days ago."""
        for ago in days:
            at = Now() - timedelta(days=ago)
            ShopNews.objects.create(connection=connection, body=b"", due_at=None, received_at=at)
        ShopConnection.objects.update(last_news_at=Now() - timedelta(days=min(days)))

    def test_one_that_used_to_speak_and_is_silent_is_told_of(self, client: Client) -> None:
        connection = make_connection()
        self.heard(connection, 4, 5, 6, 7, 8)
        assert self.needs(client) == ["Sistema da loja com problema: Loja virtual"]
        assert "alguns sistemas o desligam sozinhos" in page(client, f"{PAGE}{connection.pk}/change/")
        ShopConnection.objects.update(is_on=False)
        assert self.needs(client) == []

    @pytest.mark.parametrize("days", [(4, 9, 13), (1, 2, 3, 4, 5)])
    def test_one_that_speaks_seldom_or_spoke_lately_is_not(self, client: Client, days: tuple[float, ...]) -> None:
        self.heard(make_connection(), *days)
        assert self.needs(client) == []

    def test_one_whose_signature_is_wrong_is_told_of_until_it_fits(self, client: Client) -> None:
        connection = make_connection()
        path = f"/webhooks/orders/woocommerce/{connection.token}/"
        assert Client().post(path, b"{}", content_type="application/json").status_code == 403
        assert self.needs(client) == ["Sistema da loja com problema: Loja virtual"]
        shown = page(client, f"{PAGE}{connection.pk}/change/")
        assert "a assinatura não confere com o segredo" in shown
        assert "1 aviso foi recusado até agora." in shown
        ShopConnection.objects.update(refused_at=Now() - timedelta(minutes=5), last_news_at=Now())
        assert self.needs(client) == []

    def test_what_is_too_large_is_told_of_as_that(self, client: Client) -> None:
        connection = make_connection()
        path = f"/webhooks/orders/woocommerce/{connection.token}/"
        assert Client().post(path, b"x" * (1024 * 1024 + 1), content_type="application/json").status_code == 413
        assert self.needs(client) == ["Sistema da loja com problema: Loja virtual"]
        shown = page(client, f"{PAGE}{connection.pk}/change/")
        assert "foi recusado por ter mais de 1 MiB" in shown
        assert "1 aviso foi recusado até agora." in shown

    def test_credentials_that_no_key_reads_are_told_of(self, client: Client, settings: Any) -> None:
        connection, keys = make_connection(), settings.CREDENTIALS_KEYS
        settings.CREDENTIALS_KEYS = [Fernet.generate_key().decode()]
        body = written(order())
        path = f"/webhooks/orders/woocommerce/{connection.token}/"
        sent: dict[str, Any] = {"content_type": "application/json", "headers": shops.headers(body)}
        assert Client().post(path, body, **sent).status_code == 503
        assert self.needs(client) == ["Sistema da loja com problema: Loja virtual"]
        assert "falta em CREDENTIALS_KEYS a chave que as cifrou" in page(client, f"{PAGE}{connection.pk}/change/")
        assert not ShopNews.objects.exists()
        settings.CREDENTIALS_KEYS = keys
        polling.poll()  # who looks whether the shop is to be asked sees that they can be read again
        assert self.needs(client) == []
        settings.CREDENTIALS_KEYS = [Fernet.generate_key().decode()]
        polling.poll()
        assert self.needs(client) == ["Sistema da loja com problema: Loja virtual"]
        client.post(f"{PAGE}{connection.pk}/credentials/", {"secret": SECRET})
        assert self.needs(client) == []
        assert Client().post(path, body, **sent).status_code == 200


def test_what_is_done_there_is_written_down(client: Client) -> None:
    connection = make_connection()
    client.post(f"{PAGE}{connection.pk}/credentials/", {"secret": "outro"})
    client.post(f"{PAGE}{connection.pk}/token/")
    told = LogEntry.objects.filter(object_id=str(connection.pk)).order_by("pk").values_list("change_message", flat=True)
    assert list(told) == ["Credenciais preenchidas.", "Novo endereço criado."]
