"""What waited while no worker was there: the customer is told of the last step alone, and the timeline has all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from integrations.carriers import intake as carriers
from integrations.models import CarrierNews, NotificationLog, ShopConnection, ShopNews
from integrations.shops import intake
from orders.models import Order, OrderEvent
from tests.factories import TRACKING_CODE, make_instance, make_order
from tests.integrations import parcels, shops

pytestmark = pytest.mark.django_db

MAPPING = {"on-its-way": "shipped", "done": "delivered", "strange": "staff"}
PAID = ["create", "confirm", "pay"]


@pytest.fixture(autouse=True)
def instance() -> None:
    make_instance()


@pytest.fixture
def shop() -> ShopConnection:
    return shops.make_connection(mapping=MAPPING)


def tell(shop: ShopConnection, status: str, minute: int, **values: Any) -> None:
    body = shops.written(shops.order(status, f"2026-11-27T10:{minute}:00", **values))
    path = f"/webhooks/orders/woocommerce/{shop.token}"
    assert Client().post(path, body, content_type="application/json", headers=shops.headers(body)).status_code == 200


def come_back(minutes: float = 2) -> None:
    """Workers are there again after so long."""
    for news in (ShopNews, CarrierNews):
        news.objects.filter(due_at__isnull=False).update(received_at=Now() - timedelta(minutes=minutes))
    intake.process()
    carriers.process()


def told() -> list[str]:
    return list(NotificationLog.objects.order_by("pk").values_list("event", flat=True))


def way() -> list[str]:
    return list(OrderEvent.objects.order_by("pk").values_list("transition", flat=True))


def test_of_what_a_shop_told_meanwhile_only_the_last_step_is_told(shop: ShopConnection) -> None:
    tell(shop, "on-hold", 10)
    tell(shop, "processing", 20)
    tell(shop, "on-its-way", 30, meta_data=[shops.TRACKING])
    tell(shop, "on-hold", 40, id=12)
    tell(shop, "done", 50, meta_data=[shops.TRACKING])
    come_back()
    assert [row.result for row in ShopNews.objects.order_by("pk")] == ["applied"] * 5
    assert sorted(told()) == ["create", "deliver"]
    assert NotificationLog.objects.get(event="deliver").order == Order.objects.get(external_id="11")
    assert NotificationLog.objects.get(event="create").order == Order.objects.get(external_id="12")
    assert [name for name in way() if name != "create"] == ["confirm", "pay", "ship", "deliver"]


def test_while_workers_are_there_each_step_is_told(shop: ShopConnection) -> None:
    tell(shop, "on-hold", 10)
    tell(shop, "processing", 20)
    come_back(0.5)
    assert told() == ["create", "pay"]


@pytest.mark.parametrize("status", ["strange", "who-knows", "trash", "on-hold", "processing"])
def test_what_takes_it_no_further_silences_nothing(shop: ShopConnection, status: str) -> None:
    tell(shop, "processing", 20)
    tell(shop, status, 30)
    come_back()
    assert (told(), way()) == (["pay"], PAID)


def test_what_is_older_by_the_shops_clock_silences_nothing(shop: ShopConnection) -> None:
    tell(shop, "processing", 20)
    tell(shop, "cancelled", 10)
    come_back()
    assert (told(), way()) == (["pay"], PAID)
    assert ShopNews.objects.latest("pk").result == "late"


def test_that_it_is_off_is_told_only_to_who_was_told_of_it(shop: ShopConnection) -> None:
    tell(shop, "on-hold", 10)
    tell(shop, "cancelled", 20)
    come_back()
    assert told() == ["create", "cancel"]


def test_what_cannot_be_read_keeps_nothing_from_being_worked_off(shop: ShopConnection) -> None:
    tell(shop, "processing", 20)
    ShopNews.objects.create(connection=shop, headers={}, body=b"{")
    tell(shop, "on-its-way", 30, meta_data=[shops.TRACKING])
    come_back()
    assert told() == ["ship"]
    assert not ShopNews.objects.filter(due_at__isnull=False).exists()


def test_of_what_a_carrier_told_meanwhile_only_the_last_step_is_told() -> None:
    order, carrier = make_order(until="confirmed", delivery_method="correios_pac"), parcels.make_connection()
    NotificationLog.objects.all().delete()
    for event in ("order.posted", "order.delivered"):
        assert parcels.send(carrier, parcels.label(event, tags=[{"tag": order.code}])) == 200
    come_back()
    order.refresh_from_db()
    assert (order.delivery_status, order.tracking_code) == ("delivered", TRACKING_CODE)
    assert (told(), way()[-2:]) == (["deliver"], ["ship", "deliver"])
    assert parcels.results() == [("order.posted", "applied"), ("order.delivered", "applied")]
