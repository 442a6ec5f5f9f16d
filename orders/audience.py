"""How many customers a bulk change tells, and why it does not tell the others; said before it is made."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Case, CharField, Count, Q, QuerySet, Value, When
from django.utils.translation import ngettext

from orders import consent
from orders.models import Order


@dataclass(frozen=True, slots=True)
class Audience:
    """`told` are how many customers get a message; `others` says of the rest how many, and why."""

    told: int
    others: list[str]


def audience(orders: QuerySet[Order], event: str) -> Audience:
    """Who of the customers of these orders is told of this event, as it stands now. One query."""
    why = Case(
        When(customer__phone="", then=Value("no_phone")),
        When(consent.refused("customer"), then=Value("opted_out")),
        When(Q(store__tells_customers=False) | Q(store__silent_transitions__contains=[event]), then=Value("silent")),
        default=Value(""),
        output_field=CharField(),
    )
    counted = orders.order_by().annotate(why=why).values_list("why").annotate(number=Count("pk"))
    numbers: dict[str, int] = dict(counted)
    return Audience(numbers.get("", 0), [_words(name, numbers[name]) for name in _REASONS if name in numbers])


_REASONS = ("no_phone", "opted_out", "silent")


def _words(reason: str, number: int) -> str:
    words = {
        "no_phone": ngettext("%(count)d has no phone", "%(count)d have no phone", number),
        "opted_out": ngettext("%(count)d wants no messages", "%(count)d want no messages", number),
        "silent": ngettext(
            "of %(count)d the store does not tell this news", "of %(count)d the store does not tell this news", number
        ),
    }
    return words[reason] % {"count": number}
