"""Quiet hours by the clock where the store is."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from flowlog.staffpages.groups import MANAGEMENT_GROUP
from orders.models import Store
from orders.quiet import TIME_ZONES, end_of
from tests.staff import client_of, make_staff

SAO_PAULO = ZoneInfo("America/Sao_Paulo")


def at(clock: str, day: int = 10) -> datetime:
    return datetime.combine(date(2026, 11, day), time.fromisoformat(clock), SAO_PAULO)


@pytest.mark.parametrize(
    ("begin", "end", "now", "until"),
    [
        ("21:00", "08:00", at("20:59"), None),
        ("21:00", "08:00", at("21:00"), at("08:00", 11)),
        ("21:00", "08:00", at("23:59"), at("08:00", 11)),
        ("21:00", "08:00", at("00:00"), at("08:00")),
        ("21:00", "08:00", at("07:59"), at("08:00")),
        ("21:00", "08:00", at("08:00"), None),
        ("12:00", "14:00", at("13:00"), at("14:00")),
        ("12:00", "14:00", at("14:00"), None),
        ("12:00", "12:00", at("12:00"), None),
        (None, None, at("03:00"), None),
        ("21:00", None, at("03:00"), None),
    ],
)
def test_quiet_hours_end_at_the_next_such_time(
    begin: str | None, end: str | None, now: datetime, until: datetime | None
) -> None:
    store = Store(
        quiet_from=time.fromisoformat(begin) if begin else None, quiet_until=time.fromisoformat(end) if end else None
    )
    assert end_of(store, now) == until


def test_the_clock_is_that_of_the_store() -> None:
    store = Store(quiet_from=time(21), quiet_until=time(8), time_zone="America/Manaus")
    assert end_of(store, at("21:30")) is None
    assert end_of(store, at("08:30")) == at("09:00")
    assert all(ZoneInfo(name) for name, _words in TIME_ZONES if name)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("begin", "end", "error"),
    [
        ("21:00", "08:00", ""),
        ("", "", ""),
        ("21:00", "", "Preencha as duas horas, ou nenhuma."),
        ("", "08:00", "Preencha as duas horas, ou nenhuma."),
        ("08:00", "08:00", "O silêncio precisa terminar em outra hora."),
    ],
)
def test_the_form_wants_both_hours_or_none(begin: str, end: str, error: str) -> None:
    client = client_of(make_staff("gil", MANAGEMENT_GROUP))
    store = Store.get_default()
    values = {
        "name": "Loja", "pickup_days": "7", "pickup_until": "18:00", "on_unknown_outcome": "resend",
        "tells_customers": "on", "is_default": "on", "quiet_from": begin, "quiet_until": end,
        "time_zone": "America/Manaus",
    }  # fmt: skip
    answer = client.post(f"/admin/orders/store/{store.pk}/change/", values)
    assert (answer.status_code == 302) == (not error)
    assert error in answer.content.decode()
    store.refresh_from_db()
    saved = (store.quiet_from, store.quiet_until, store.time_zone)
    given = (*(time.fromisoformat(each) if each else None for each in (begin, end)), "America/Manaus")
    assert saved == ((None, None, "") if error else given)
