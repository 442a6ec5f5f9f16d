"""Whether a customer wants messages: each time somebody says so is kept, and what was said last counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.db import connection

from orders import consent
from orders.models import ConsentChange, Customer, Store

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def minutes(number: int) -> datetime:
    return NOON + timedelta(minutes=number)


@pytest.fixture
def maria() -> Customer:
    return Customer.objects.create(store=Store.get_default(), name="Maria", phone="+5511987654321")


def history() -> list[tuple[bool, str]]:
    """The newest first, as it is shown."""
    return list(ConsentChange.objects.values_list("opted_out", "how"))


def out(customer: Customer) -> str:
    """How the customer opted out; empty for one who wants messages."""
    customer.refresh_from_db()
    assert (customer.opted_out_at is None) is (customer.opted_out_how == "")
    return customer.opted_out_how


def test_each_is_kept_with_when_and_how(maria: Customer) -> None:
    assert consent.opt_out([maria], "SAIR", at=minutes(1), written_at=minutes(0)) == [maria]
    assert consent.opt_out([maria], "SAIR again", at=minutes(2), written_at=minutes(2)) == []
    assert out(maria) == "SAIR"
    assert consent.opt_in([maria], "VOLTAR", at=minutes(3), written_at=minutes(3)) == [maria]
    assert consent.opt_out([maria], "the staff") == [maria]
    assert out(maria) == "the staff"
    assert history() == [(True, "the staff"), (False, "VOLTAR"), (True, "SAIR again"), (True, "SAIR")]
    assert [change.when for change in maria.consent_changes.all()[1:]] == [minutes(3), minutes(2), minutes(0)]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (3, 1, 2)])
@pytest.mark.parametrize("last", ["SAIR", "VOLTAR"])
def test_what_was_written_last_counts_however_late_it_comes(maria: Customer, order: tuple[int, ...], last: str) -> None:
    record: dict[str, Callable[..., list[Customer]]] = {"SAIR": consent.opt_out, "VOLTAR": consent.opt_in}
    other = next(word for word in record if word != last)
    for arrived, written in enumerate(order):
        word = other if written == 2 else last
        record[word]([maria], word, at=minutes(60 + arrived), written_at=minutes(written))
    assert out(maria) == ("SAIR" if last == "SAIR" else "")


def test_within_one_second_the_arrival_decides(maria: Customer) -> None:
    consent.opt_out([maria], "SAIR", at=minutes(1), written_at=minutes(0))
    assert consent.opt_in([maria], "VOLTAR", at=minutes(2), written_at=minutes(0)) == [maria]
    assert consent.opt_out([maria], "SAIR", at=minutes(3), written_at=minutes(0)) == [maria]


class TestWithoutKnowingWhenItWasWritten:
    def test_the_arrival_counts(self, maria: Customer) -> None:
        consent.opt_out([maria], "SAIR", at=minutes(1))
        assert consent.opt_in([maria], "VOLTAR", at=minutes(2)) == [maria]
        assert consent.opt_out([maria], "SAIR", at=minutes(3)) == [maria]
        assert consent.opt_in([maria], "VOLTAR", at=minutes(2)) == []
        assert out(maria) == "SAIR"

    def test_in_doubt_they_want_none(self, maria: Customer) -> None:
        consent.opt_in([maria], "VOLTAR", at=minutes(3))
        assert consent.opt_out([maria], "SAIR", at=minutes(4), written_at=minutes(2)) == [maria]
        assert consent.opt_in([maria], "VOLTAR", at=minutes(5), written_at=minutes(1)) == []
        assert consent.opt_out([maria], "SAIR", at=minutes(6)) == []
        assert consent.opt_in([maria], "VOLTAR", at=minutes(7), written_at=minutes(5)) == []
        assert out(maria) == "SAIR"


class TestTheStaff:
    def test_opt_out_whoever_wrote_before_that_they_want_messages(self, maria: Customer) -> None:
        consent.opt_out([maria], "the staff")
        assert consent.opt_in([maria], "VOLTAR", at=minutes(60 * 24 * 365), written_at=NOON) == []
        assert out(maria) == "the staff"

    def test_opt_in_whatever_was_written(self, maria: Customer) -> None:
        ahead = datetime.now(UTC) + timedelta(minutes=4)
        consent.opt_out([maria], "SAIR", at=ahead, written_at=ahead)
        assert consent.opt_in([maria], "the staff") == [maria]
        assert consent.opt_out([maria], "SAIR", at=ahead, written_at=NOON) == [maria]


def test_only_those_who_said_the_contrary_since_are_left_alone(maria: Customer) -> None:
    ana = Customer.objects.create(store=Store.get_default(), name="Ana", phone="+5511912345678")
    consent.opt_in([ana], "VOLTAR", at=minutes(5), written_at=minutes(5))
    assert consent.opt_out([ana, maria], "SAIR", at=minutes(6), written_at=minutes(4)) == [maria]
    assert (out(ana), out(maria)) == ("", "SAIR")


def test_who_had_opted_out_before_this_was_kept_has_a_first_entry(maria: Customer) -> None:
    Customer.objects.create(store=Store.get_default(), name="Ana")
    Customer.objects.update(opted_out_at=NOON, opted_out_how="SAIR")
    Customer.objects.filter(name="Ana").update(opted_out_at=None, opted_out_how="")
    with connection.cursor() as cursor:
        cursor.execute(import_module("orders.migrations.0006_consent_changes").FILL)
    change = ConsentChange.objects.get()
    assert (change.customer, change.opted_out, change.how, change.at, change.written_at) == (
        maria, True, "SAIR", NOON, None,
    )  # fmt: skip
