"""What pages show of what a customer wrote: as much as is read, however much there is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from integrations.inbound import correspondence
from integrations.inbound.correspondence import Correspondence, with_customer
from integrations.models import CustomerReply, EvolutionInstance
from orders.models import Customer, Order
from tests.factories import make_instance, make_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance() -> EvolutionInstance:
    return make_instance()


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correspondence, "SHOWN_WAITING", 2)
    monkeypatch.setattr(correspondence, "SHOWN", 2)


def wrote(instance: EvolutionInstance, order: Order, texts: str, **values: object) -> None:
    """A reply of one letter each, a minute after the one before."""
    for text in texts:
        CustomerReply.objects.update(received_at=F("received_at") - timedelta(minutes=1))
        CustomerReply.objects.create(
            instance=instance, kind="text", text=text, provider_message_id=text, received_at=Now(),
            **{"customer": order.customer, "order": order, **values},
        )  # fmt: skip


def shown(found: Correspondence) -> tuple[str, ...]:
    latest = found.latest.text if found.latest else ""
    return (latest, *("".join(each.text for each in part) for part in (found.waiting, found.over, found.about)))


def test_of_the_much_that_was_written_as_much_as_is_shown(instance: EvolutionInstance) -> None:
    first, second, other = make_order(), make_order(), make_order(customer_phone="+5521999991234")
    wrote(instance, first, "abc", handled_at=Now())
    wrote(instance, first, "defg")
    wrote(instance, second, "hi", handled_at=Now())
    wrote(instance, second, "j", wish="out")
    wrote(instance, other, "xyz")
    customer = first.customer
    # Of those who wait, one more than is shown, whoever waits longest first; of the rest the latest.
    assert shown(with_customer(customer)) == ("j", "def", "ji", "")
    assert shown(with_customer(customer, first)) == ("j", "def", "j", "gf")
    assert shown(with_customer(customer, second)) == ("j", "def", "ji", "ji")


def test_of_the_order_whoever_wrote_it(instance: EvolutionInstance) -> None:
    order, other = make_order(), make_order(customer_phone="+5521999991234")
    wrote(instance, order, "a", customer=other.customer)
    assert shown(with_customer(order.customer, order)) == ("", "", "", "a")
    assert shown(with_customer(other.customer)) == ("a", "a", "", "")


def test_of_who_never_wrote_there_is_nothing(instance: EvolutionInstance) -> None:
    order = make_order()
    assert shown(with_customer(order.customer, order)) == ("", "", "", "")


def test_it_is_read_once_for_a_page(instance: EvolutionInstance, django_assert_num_queries: object) -> None:
    order = make_order()
    customer = Customer.objects.get()
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert with_customer(customer, order) is with_customer(customer, order)
    with django_assert_num_queries(1):  # type: ignore[operator]
        with_customer(customer)
