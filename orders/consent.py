"""Whether a customer wants messages: recorded with when and how, each time that anybody says so."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from orders.accounts import account_key
from orders.models import ConsentChange, Customer

_NEVER = Q(pk__in=())


def opt_out(
    customers: Iterable[Customer], how: str, *, at: datetime | None = None, written_at: datetime | None = None
) -> list[Customer]:
    """Record that they want no more messages; returns those who did want them before.

    `at` is when we got to know of it, by our clock (None: now), `written_at` when they wrote it, by WhatsApp's: of what
    they write the latest counts, however late it is delivered; of what has the same second, what was delivered last.
    Whoever has written since that they want messages is left as they are.
    """
    since = Q(opted_out=False, written_at__gt=written_at) if written_at else _NEVER
    return _record(customers, since, opted_out=True, how=how, at=at, written_at=written_at)


def opt_in(
    customers: Iterable[Customer], how: str, *, at: datetime | None = None, written_at: datetime | None = None
) -> list[Customer]:
    """The same for wanting messages again; returns those who did not want them before.

    Where two clocks leave it open what came last, they want none. What the staff record counts in any case.
    """
    when = written_at or at
    later = Q(written_at__gt=when) | Q(written_at__isnull=True, at__gt=when) if when else _NEVER
    return _record(customers, later & Q(opted_out=True), opted_out=False, how=how, at=at, written_at=written_at)


def refused(customer: str) -> Exists:
    """Whether the customer that a query names so, or another of the same store and WhatsApp account, wants no messages.

    A store has two of an account only from before accounts were known, or by a release that did not know them.
    """
    same_account = Q(store=OuterRef(f"{customer}__store"), account=OuterRef(f"{customer}__account")) & ~Q(account="")
    unwilling = Customer.objects.filter(opted_out_at__isnull=False)
    return Exists(unwilling.filter(Q(pk=OuterRef(customer)) | same_account))


def refuses(customer: int) -> bool:
    """Whether this customer wants no messages, as `refused` has it."""
    return _unwilling(customer).exists()


def refused_since(customer: int, moment: datetime) -> bool:
    """Whether they have said since that they want no messages, as `refused` has it."""
    unwilling = _unwilling(customer)
    # Who had said so before may have said it once more.
    again = ConsentChange.objects.filter(customer=OuterRef("pk"), opted_out=True, at__gt=moment)
    return unwilling.filter(Q(opted_out_at__gt=moment) | Exists(again)).exists()


def _unwilling(customer: int) -> QuerySet[Customer]:
    """They and the others of their store and WhatsApp account who want no messages."""
    own = Customer.objects.filter(pk=customer)
    same_account = Q(store__in=own.values("store"), account__in=own.values("account")) & ~Q(account="")
    return Customer.objects.filter(Q(pk=customer) | same_account, opted_out_at__isnull=False)


def _one_account(customers: Iterable[Customer]) -> Q:
    """They and every other customer of the same store and WhatsApp account: it is one person who says so."""
    chosen = _NEVER
    for customer in customers:
        same = Q(store=customer.store_id, account=account_key(customer.phone)) if customer.phone else _NEVER
        chosen |= Q(pk=customer.pk) | same
    return chosen


@transaction.atomic
def _record(
    customers: Iterable[Customer],
    since: Q,
    *,
    opted_out: bool,
    how: str,
    at: datetime | None,
    written_at: datetime | None,
) -> list[Customer]:
    """Record it of those who have not said the contrary `since`; returns those for whom it is a change."""
    chosen = Customer.objects.filter(_one_account(customers))
    locked = list(chosen.select_related("store").select_for_update(of=("self",)).order_by("pk"))
    # Asked only now that they are locked: somebody else may just have recorded something.
    overtaken = set(ConsentChange.objects.filter(since, customer__in=locked).values_list("customer", flat=True))
    heard = [customer for customer in locked if customer.pk not in overtaken]
    ConsentChange.objects.bulk_create(
        ConsentChange(customer=customer, opted_out=opted_out, how=how, at=at or Now(), written_at=written_at)
        for customer in heard
    )
    changed = [customer for customer in heard if (customer.opted_out_at is None) is opted_out]
    Customer.objects.filter(pk__in=[customer.pk for customer in changed]).update(
        opted_out_at=Now() if opted_out else None, opted_out_how=how if opted_out else ""
    )
    return changed
