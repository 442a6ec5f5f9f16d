"""Messages that say what was corrected after they were written: nobody is to read them any more."""

from __future__ import annotations

from functools import reduce
from operator import or_

from django.db.models import CharField, Exists, ExpressionWrapper, Func, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from integrations.messages.snapshot import SAYS_PAID
from orders.models import OrderEvent
from orders.transitions import TRANSITIONS

# A hand-over tells of the payment that was taken with it.
SPEAKS_OF_PAYMENT = Q(event__in=("deliver", "pick_up")) & SAYS_PAID
_TAKEN_BACK = reduce(
    or_, (Q(transition=entry.name, told__in=entry.corrects) for entry in TRANSITIONS.values() if entry.corrects)
)


def taken_back() -> Q:
    """Whether a later entry, that was not undone, corrects what the message tells of."""
    told = ExpressionWrapper(OuterRef("event"), output_field=CharField())
    return Q(Exists(_later_entries().annotate(told=told).filter(_TAKEN_BACK)))


def is_wrong() -> Q:
    """The same, or corrects what it says beside its own news."""
    return taken_back() | SPEAKS_OF_PAYMENT & Q(Exists(_later_entries().filter(transition="unpay")))


def _later_entries() -> QuerySet[OrderEvent]:
    """Those of the order after the message, or after the one that it was sent again for, that stand."""
    undoing = OrderEvent.objects.filter(
        order=OuterRef("order"), replaced__undone__contains=Func(OuterRef("pk"), function="to_jsonb")
    )
    after = Coalesce(OuterRef("order_event"), OuterRef("resend_of__order_event"))
    return OrderEvent.objects.filter(~Exists(undoing), order=OuterRef("order"), pk__gt=after)
