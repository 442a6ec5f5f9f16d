"""Whether a customer wants messages: recorded with when and how."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models.functions import Now

from orders.models import Customer


def opt_out(customers: Iterable[Customer], how: str) -> list[Customer]:
    """Record that they want no more messages; returns those who did want them before."""
    return _change(customers, wanted_before=True, opted_out_at=Now(), opted_out_how=how)


def opt_in(customers: Iterable[Customer]) -> list[Customer]:
    """Record that they want messages again; returns those who did not want them before."""
    return _change(customers, wanted_before=False, opted_out_at=None, opted_out_how="")


@transaction.atomic
def _change(customers: Iterable[Customer], *, wanted_before: bool, **values: object) -> list[Customer]:
    chosen = Customer.objects.filter(pk__in=[customer.pk for customer in customers], opted_out_at__isnull=wanted_before)
    changed = list(chosen.select_related("store").select_for_update(of=("self",)).order_by("pk"))
    Customer.objects.filter(pk__in=[customer.pk for customer in changed]).update(**values)
    return changed
