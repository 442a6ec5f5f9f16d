"""Who wrote, by all that a webhook says of it: the number, the nameless address, the message of ours that is quoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, Subquery

from integrations.evolution import jids
from integrations.inbound.incoming import Sender
from integrations.inbound.models import CustomerReply, LidNumber
from integrations.models import EvolutionInstance, NotificationLog
from orders.accounts import account_key
from orders.models import Customer, Order


@dataclass(frozen=True, slots=True)
class Found:
    """Which customers it is, all one person and perhaps none, and the order that it is about."""

    customers: Sequence[Customer]
    order: Order | None
    quotes_us: bool


def find(instance: EvolutionInstance, sender: Sender, quoted_id: str) -> Found:
    """Who wrote this.

    Whose number is nobody's, or not known, is whose their nameless address was learned to be, else whom the quoted
    message went to: perhaps, in a trial, another than it was meant for.
    """
    quoted = quoted_message(instance, quoted_id)
    customers = customers_with(instance, sender.numbers)
    if not customers and sender.lid:
        customers = customers_with(instance, _numbers(instance, sender.lid))
    if not customers and quoted:
        customers = customers_with(instance, jids.numbers_of(quoted.recipient))
    about = quoted.order if quoted else None
    order = about if about and about.customer in customers else _latest_order(customers)
    return Found(customers, order, quotes_us=quoted is not None)


def quoted_message(instance: EvolutionInstance, quoted_id: str) -> NotificationLog | None:
    """The message of ours that is being answered, if the customer quoted one."""
    if not quoted_id:
        return None
    rows = NotificationLog.objects.filter(instance=instance, provider_message_id=quoted_id)
    return rows.select_related("order__customer").first()


def customers_with(instance: EvolutionInstance, numbers: Sequence[str], **asked: Subquery) -> list[Customer]:
    """Whose account has one of these numbers, at the instance's store or another for which it has written to them.

    What is `asked` of each stands on it.
    """
    written_to = NotificationLog.objects.filter(instance=instance, order__customer=OuterRef("pk"))
    accounts = {account_key(number) for number in numbers}
    known = Customer.objects.filter(Q(store=instance.store_id) | Exists(written_to), account__in=accounts)
    return list(known.annotate(**asked).order_by("pk")) if numbers else []


def same_person(reply: CustomerReply, **asked: Subquery) -> list[Customer]:
    """All customers that whoever wrote it is, as far as the instance writes to them; none if nobody knows who it is.

    What is `asked` of each stands on it, but where nothing else leads to the reply's own.
    """
    if reply.customer is None:
        return []
    return customers_with(reply.instance, jids.numbers_of(reply.customer.phone), **asked) or [reply.customer]


def _numbers(instance: EvolutionInstance, lid: str) -> tuple[str, ...]:
    known = LidNumber.objects.filter(instance=instance, lid=lid).first()
    return jids.numbers_of(known.number) if known else ()


def _latest_order(customers: Sequence[Customer]) -> Order | None:
    orders = Order.objects.filter(customer__in=customers).select_related("customer")
    return orders.order_by("-created_at", "-pk").first()
