"""Whatever of a parcel's story comes, how often and in what order: the order ends where the newest of it says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from integrations.carriers import intake, polling
from integrations.carriers.models import CarrierConnection, CarrierNews
from integrations.carriers.news import ParcelNews
from integrations.models import NotificationLog
from orders.models import Order
from orders.services import apply_transition
from tests.factories import TRACKING_CODE, make_instance, make_order
from tests.integrations.parcels import make_connection

pytestmark = pytest.mark.django_db

DELIVERIES = {
    "posted": "shipped",
    "out_for_delivery": "out_for_delivery",
    "failed_attempt": "failed_attempt",
    "goes_back": "failed_attempt",
    "delivered": "delivered",
}
START = timezone.now() - timedelta(hours=20)
ROUNDS = st.lists(st.sampled_from(["failed_attempt", "goes_back"]), max_size=3)
ENDS = st.sampled_from([[], ["out_for_delivery"], ["out_for_delivery", "delivered"], ["delivered"], ["returned"]])


def story(rounds: list[str], end: list[str]) -> list[str]:
    """What happens to a parcel: it is posted, goes out and fails a few times, and comes to its end."""
    attempts = [word for attempt in rounds for word in ("out_for_delivery", attempt)]
    return ["posted", *attempts, *end]


@st.composite
def tellings(draw: Any) -> list[list[tuple[int, str]]]:
    """The story with gaps, repeats and in any order, as it comes in time after time: the place in it, and the word."""
    told = list(enumerate(story(draw(ROUNDS), draw(ENDS))))
    heard = draw(st.lists(st.sampled_from(told), min_size=1, max_size=10))
    cuts = sorted(draw(st.lists(st.integers(0, len(heard)), max_size=3)))
    return [heard[one:other] for one, other in zip([0, *cuts], [*cuts, len(heard)], strict=True)]


def connection() -> CarrierConnection:
    words = [*DELIVERIES, "returned"]
    return make_connection("correios", mapping={word: word for word in words})


def hear(carrier: CarrierConnection, heard: list[tuple[int, str]]) -> None:
    news = [
        ParcelNews(word=word, occurred_at=START + timedelta(hours=place), codes=(TRACKING_CODE,))
        for place, word in heard
    ]
    polling.store(carrier, news)
    CarrierNews.objects.filter(due_at__isnull=False).update(due_at=Now())
    intake.process()


@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(times=tellings(), comes=st.integers(0, 3))
# Where it was is told again, of a later time than what comes in next.
@example(times=[[(0, "posted"), (1, "out_for_delivery"), (3, "out_for_delivery")], [(2, "failed_attempt")]], comes=0)
@example(times=[[(0, "posted"), (2, "failed_attempt"), (4, "failed_attempt")], [(3, "out_for_delivery")]], comes=0)
@example(times=[[(0, "posted"), (2, "failed_attempt"), (4, "failed_attempt")], [(3, "out_for_delivery")]], comes=1)
def test_it_ends_where_the_newest_says(times: list[list[tuple[int, str]]], comes: int) -> None:
    """The order may be there from the beginning, or get its code only after some of the news."""
    with transaction.atomic():
        make_instance()
        order = tell(times, comes)
        _place, newest = max(each for heard in times for each in heard)
        if newest == "goes_back" and order.delivery_status == "out_for_delivery":
            # That was told before, and is told once.
            row = CarrierNews.objects.filter(status="goes_back").latest("occurred_at")
            assert row.result == "noted"
        elif newest != "returned":
            assert order.delivery_status == DELIVERIES[newest]
        elif order.status != "returned":
            # Nobody had told of the attempt before it: a line says so.
            row = CarrierNews.objects.get(status="returned")
            assert (row.result, bool(row.reason)) == ("refused", True)
        assert_each_was_told_once(order)
        transaction.set_rollback(True)


def tell(times: list[list[tuple[int, str]]], comes: int) -> Order:
    """What the order is after all of it."""
    carrier, order = connection(), make_order(until="confirmed", delivery_method="correios_pac")
    for number, heard in enumerate([*times, *[[]] * 4]):
        if number == comes:
            apply_transition(order, "ship", notify=False, tracking_code=TRACKING_CODE)
        hear(carrier, heard)
    order.refresh_from_db()
    return order


def assert_each_was_told_once(order: Order) -> None:
    """At most one message for each piece of news, and the last step that any of them took was told."""
    rows = CarrierNews.objects.filter(order=order)
    applied = list(rows.filter(result="applied").order_by("event").values_list("event", flat=True))
    messages = list(NotificationLog.objects.filter(order=order).order_by("pk").values_list("order_event", flat=True))
    assert len(messages) == len(set(messages))
    assert set(messages) <= set(applied)
    assert messages[-1:] == applied[-1:]
    assert not rows.filter(result__in=("received", "unknown", "error")).exists()
