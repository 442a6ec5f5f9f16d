"""That a shop's system or carrier has gone silent, is refused or is not understood comes to the staff by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from flowlog.mail.mailers import mailers
from flowlog.models import Alarm
from flowlog.monitoring import alarms, connected
from flowlog.staffpages.groups import MANAGEMENT_GROUP, SERVICE_GROUP
from integrations.carriers import intake as carriers_intake
from integrations.models import CarrierConnection, CarrierNews, ShopConnection, ShopNews
from integrations.shops import intake
from orders.models import Store
from outgoing import delivery
from outgoing.models import Endpoint, OutgoingEvent
from tests.factories import make_instance
from tests.flowlog.monitoring.health import BANNER, seen_gone
from tests.integrations import parcels, shops
from tests.mail import mail_server
from tests.outgoing.endpoints import make_endpoint
from tests.staff import client_of, make_staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("alive")]


@pytest.fixture(autouse=True)
def instance(settings: Any) -> None:
    settings.EVOLUTION_INSTANCE = ""
    settings.ALERT_EMAILS = ["ti@example.com"]
    make_instance()


def told() -> list[str]:
    return [one.headline for one in connected.present()]


def tell(connection: ShopConnection, values: Any, **headers: str) -> int:
    body = shops.written(values)
    path = f"/webhooks/orders/{connection.source}/{connection.token}"
    sent = shops.headers(body) | {name.replace("_", "-"): value for name, value in headers.items()}
    status = Client().post(path, body, content_type="application/json", headers=sent).status_code
    intake.process()
    return status


def heard(connection: ShopConnection, *days: float) -> None:
    """It told something so many days ago."""
    for ago in days:
        ShopNews.objects.create(connection=connection, body=b"", due_at=None, received_at=Now() - timedelta(days=ago))
    ShopConnection.objects.filter(pk=connection.pk).update(last_news_at=Now() - timedelta(days=min(days)))


def test_that_one_is_refused_is_in_the_banner_and_in_one_mail(settings: Any) -> None:
    connection = shops.make_connection()
    client = client_of(make_staff(group=MANAGEMENT_GROUP))
    with mail_server() as server:
        settings.MAILERS = mailers(server.url)
        assert BANNER not in client.get("/admin/").content.decode()
        assert tell(connection, shops.order(), X_WC_Webhook_Signature="x") == 403
        page = client.get("/admin/").content.decode()
        assert "O que Loja virtual envia está sendo recusado." in page
        assert f"/admin/integrations/shopconnection/{connection.pk}/change/" in page
        alarms.look()
        alarms.look()
        assert server.subjects == ["Flowlog: O que Loja virtual envia está sendo recusado"]
        assert "a assinatura não confere com o segredo" in " ".join(server.mails[0].get_content().split())
        assert tell(connection, shops.order()) == 200
        alarms.look()
        seen_gone(60)
        alarms.look()
        assert server.subjects[1:] == ["Flowlog: O problema com Loja virtual acabou"]
    assert (told(), Alarm.objects.exists()) == ([], False)


def test_one_that_is_refused_now_and_then_is_only_on_its_page() -> None:
    connection = shops.make_connection()
    assert tell(connection, shops.order()) == 200
    ShopConnection.objects.update(last_news_at=Now() - timedelta(minutes=59))
    assert tell(connection, shops.order(), X_WC_Webhook_Signature="x") == 403
    assert told() == []
    ShopConnection.objects.update(last_news_at=Now() - timedelta(minutes=61))
    assert told() == ["O que Loja virtual envia está sendo recusado"]


def test_a_status_without_a_meaning_is_told_of_until_it_has_one(settings: Any) -> None:
    shop, carrier = shops.make_connection(), parcels.make_connection()
    with mail_server() as server:
        settings.MAILERS = mailers(server.url)
        tell(shop, shops.order("enviado-parcial"))
        parcels.send(carrier, parcels.label("order.lost-in-space"))
        carriers_intake.process()
        headlines = ["Loja virtual envia um status sem significado", "Transportadora envia um status sem significado"]
        assert told() == headlines
        alarms.look()
        assert server.subjects == [f"Flowlog: {headline}" for headline in headlines]
        assert f"/admin/integrations/shopconnection/{shop.pk}/mapping/" in server.mails[0].get_content()
        ShopConnection.objects.update(mapping={"enviado-parcial": "paid"})
        intake.again(ShopNews.objects.all())
        intake.process()
        CarrierNews.objects.update(seen_at=Now())
        alarms.look()
        seen_gone(60)
        alarms.look()
        assert sorted(server.subjects[2:]) == [
            "Flowlog: Cada status de Loja virtual voltou a ter um significado",
            "Flowlog: Cada status de Transportadora voltou a ter um significado",
        ]


def test_one_that_used_to_speak_and_is_silent_is_told_of() -> None:
    connection = shops.make_connection()
    heard(connection, 4, 5, 6, 7, 8)
    assert told() == ["Loja virtual ficou em silêncio"]
    ShopConnection.objects.update(is_on=False)
    assert told() == []


def test_a_carrier_that_is_only_asked_and_does_not_answer_is_told_of() -> None:
    parcels.make_connection("correios", polled_at=Now() - timedelta(days=4))
    assert told() == ["Transportadora ficou em silêncio"]


def test_what_fails_is_told_of_when_it_has_failed_for_hours() -> None:
    keys = {"secret": shops.SECRET, "address": "http://127.0.0.1:9", "consumer_key": "ck_1", "consumer_secret": "cs_1"}
    connection = shops.make_connection(credentials=keys, last_error="A loja não deixa perguntar.")
    for hours, headlines in ((5, []), (7, ["Loja virtual não responde como deveria"])):
        ShopConnection.objects.update(polled_at=Now() - timedelta(hours=hours))
        assert told() == headlines
    # That the webhook still tells does not say that asking works again.
    assert tell(connection, shops.order()) == 200
    assert told() == ["Loja virtual não responde como deveria"]


def test_what_is_too_large_is_told_of_for_days_whatever_comes_since() -> None:
    connection = shops.make_connection()
    assert tell(connection, {"id": 11, "text": "x" * 1024 * 1024}) == 413
    assert tell(connection, shops.order()) == 200
    ShopConnection.objects.update(last_news_at=Now() + timedelta(hours=1))
    [incident] = connected.present()
    assert incident.headline == "O que Loja virtual envia está sendo recusado"
    assert "por ter mais de 1 MiB" in incident.detail
    ShopConnection.objects.update(refused_at=Now() - timedelta(hours=71))
    assert len(told()) == 1
    ShopConnection.objects.update(refused_at=Now() - timedelta(hours=73))
    assert told() == []


def test_one_that_is_switched_off_is_not_said_to_be_well(settings: Any) -> None:
    connection = shops.make_connection()
    with mail_server() as server:
        settings.MAILERS = mailers(server.url)
        tell(connection, shops.order(), X_WC_Webhook_Signature="x")
        alarms.look()
        ShopConnection.objects.update(is_on=False)
        alarms.look()
        seen_gone(60)
        alarms.look()
        assert server.subjects[1:] == ["Flowlog: A conexão com Loja virtual foi desligada"]
        assert (
            server.mails[1].get_content().strip()
            == "Enquanto estiver desligada, ninguém é avisado de problemas com ela."
        )
    assert not Alarm.objects.exists()


def test_a_system_that_takes_no_webhooks_is_in_the_banner_and_in_one_mail(settings: Any) -> None:
    client, endpoint = client_of(make_staff(group=MANAGEMENT_GROUP)), make_endpoint()[0]
    row, page = Endpoint.objects.filter(pk=endpoint.pk), f"/admin/outgoing/endpoint/{endpoint.pk}/change/"
    with mail_server() as server:
        settings.MAILERS = mailers(server.url)
        row.update(last_success_at=Now() - timedelta(minutes=59), last_error="Respondeu com 500.")
        row.update(created_at=Now() - timedelta(days=2))
        alarms.look()
        row.update(last_success_at=Now() - timedelta(minutes=61))
        shown = client.get("/admin/").content.decode()
        assert ("ERP não recebe os webhooks." in shown, page in shown) == (True, True)
        alarms.look()
        alarms.look()
        assert server.subjects == ["Flowlog: ERP não recebe os webhooks"]
        words = " ".join(server.mails[0].get_content().split())
        assert "Respondeu com 500. O que há para contar espera, no máximo três dias." in words
        assert words.endswith(page)
        row.update(last_success_at=Now(), last_error="")
        alarms.look()
        seen_gone(60)
        alarms.look()
        assert server.subjects[1:] == ["Flowlog: O problema com ERP acabou"]
    assert not Alarm.objects.exists()


def test_a_system_that_answered_410_is_told_of_until_its_page_is_saved(settings: Any) -> None:
    elsewhere = Store.objects.create(name="Outra")
    make_endpoint(store=elsewhere, description="Da outra", off_reason="Respondeu 410.", is_on=False)
    client, endpoint = client_of(make_staff(group=MANAGEMENT_GROUP)), make_endpoint()[0]
    delivery.settle(OutgoingEvent.objects.create(endpoint=endpoint, kind="test", payload={}), delivery.Answer(410))
    with mail_server() as server:
        settings.MAILERS = mailers(server.url)
        shown = client.get("/admin/").content.decode()
        assert ("ERP não recebe mais webhooks." in shown, "Da outra" in shown) == (True, False)
        alarms.look()
        subjects = {"Flowlog: ERP não recebe mais webhooks", "Flowlog: Da outra não recebe mais webhooks"}
        assert set(server.subjects) == subjects
        page = f"/admin/outgoing/endpoint/{endpoint.pk}/change/"
        client.post(page, {"description": "ERP", "url": endpoint.url})
        alarms.look()
        seen_gone(60)
        alarms.look()
        assert server.subjects[2:] == ["Flowlog: A conexão com ERP foi desligada"]


def test_credentials_that_no_key_reads_are_told_of() -> None:
    CarrierConnection.objects.filter(pk=parcels.make_connection().pk).update(unreadable_since=Now())
    assert told() == ["As credenciais de Transportadora não podem ser lidas"]


def test_whoever_works_for_another_store_is_not_told() -> None:
    mine, other = Store.get_default(), Store.objects.create(name="Outra")
    tell(shops.make_connection(store=other, name="Da outra"), shops.order("enviado-parcial"))
    for name, stores, sees in (("bia", [mine], False), ("gil", [mine, other], True)):
        page = client_of(make_staff(name, SERVICE_GROUP, stores=stores)).get("/admin/").content.decode()
        assert ("Da outra envia um status" in page) == sees


def test_while_all_is_well_it_costs_one_query() -> None:
    make_endpoint()
    for connection in (shops.make_connection(), parcels.make_connection()):
        type(connection)._default_manager.update(last_news_at=Now())
    with CaptureQueriesContext(database) as queries:
        assert connected.present() == []
        alarms.look()
    assert len(queries) == 2
