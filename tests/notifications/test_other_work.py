"""The sweep wakes the task of all other work that waits, of whichever app, and of no work that does not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from flowlog import due
from integrations.models import CarrierNews, NotificationLog, ShopNews, WebhookEvent
from integrations.shops import wishes
from notifications.sweep import sweep
from outgoing.models import OutgoingEvent
from tests.broker import purge, take_all
from tests.factories import make_order
from tests.integrations import parcels, shops
from tests.outgoing.endpoints import make_endpoint

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_queues")]

WEBHOOKS, SHOP_NEWS, CARRIER_NEWS, OUTGOING = (
    "integrations.tasks.work_off_webhooks",
    "integrations.tasks.work_off_shop_news",
    "integrations.tasks.work_off_carrier_news",
    "outgoing.tasks.sweep",
)


def woken() -> list[str]:
    return [message.headers["task"] for message in take_all("default")]


def store_all(*, is_on: bool = True) -> None:
    """One row of each kind, which is due now."""
    WebhookEvent.objects.create(event="x", payload={})
    ShopNews.objects.create(connection=shops.make_connection(is_on=is_on), headers={}, body=b"{}")
    CarrierNews.objects.create(
        connection=parcels.make_connection(is_on=is_on), occurred_at=timezone.now(), due_at=timezone.now()
    )
    make_endpoint()
    make_order()
    purge("default")


def test_all_that_is_due_is_woken_once_each() -> None:
    store_all()
    sweep()
    assert woken() == [CARRIER_NEWS, SHOP_NEWS, WEBHOOKS, OUTGOING]


def test_nothing_is_woken_that_has_its_time_later_or_is_done() -> None:
    store_all()
    later = Now() + timedelta(minutes=1)
    WebhookEvent.objects.update(due_at=later)
    ShopNews.objects.update(due_at=later)
    CarrierNews.objects.update(due_at=None)
    OutgoingEvent.objects.update(state="delivered")
    sweep()
    assert woken() == []


def test_of_what_is_switched_off_only_a_wish_of_the_shop_is_woken() -> None:
    store_all(is_on=False)
    WebhookEvent.objects.all().delete()
    OutgoingEvent.objects.all().delete()
    sweep()
    assert woken() == []
    ShopNews.objects.update(headers={wishes._TOPIC: wishes.ERASE})
    sweep()
    assert woken() == [SHOP_NEWS]


def test_a_look_that_fails_wakes_all_and_makes_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    make_order(notify=True)
    NotificationLog.objects.update(woken_at=None)
    purge("default", "whatsapp")

    def broken() -> Any:
        return NotificationLog.objects.filter(pk="none")

    monkeypatch.setattr(due, "_registered", [*due._registered, (OUTGOING, broken)])
    swept = sweep()
    assert (swept.woken, swept.failed) == (1, ("_look",))
    assert woken() == [CARRIER_NEWS, SHOP_NEWS, WEBHOOKS, OUTGOING]
