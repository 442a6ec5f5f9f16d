"""The shop's inbox: which of the customers' replies wait for somebody, and that somebody has handled them."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from integrations.inbound.models import WAITS, CustomerReply

Kind = CustomerReply.Kind

OPEN = WAITS & ~Q(kind=Kind.TEXT, text="")
"""Of a reply: that it waits for somebody, and can be read."""

type Replies = QuerySet[CustomerReply]


def replies() -> Replies:
    """All that customers wrote, with what is shown of each. Whoever shows or changes any begins here."""
    return CustomerReply.objects.select_related("customer", "order", "instance", "handled_by", "decided_by")


def open_replies() -> Replies:
    """Those that wait for somebody, whoever wrote them and whatever became of the order; who waits longest first.

    Not those that the system has obeyed, that the customer deleted, or whose text was erased for its age.
    """
    return replies().filter(OPEN).order_by("received_at", "pk")


def of_person(reply: CustomerReply, rows: Replies) -> Replies:
    """Those of `rows` that the same customer wrote, or whoever nobody knows at the same address."""
    if reply.customer_id:
        return rows.filter(customer=reply.customer_id)
    theirs = rows.filter(instance=reply.instance_id, customer=None, sender=reply.sender)
    return theirs if reply.sender else rows.filter(pk=reply.pk)


@transaction.atomic
def handle(rows: Replies, actor: User) -> Sequence[CustomerReply]:
    """Record that the person has handled those that still wait; returns which. Of an answer that nobody knows whose it
    is that is all there is to decide."""
    chosen = list(rows.filter(handled_at=None).values_list("pk", flat=True))
    locked = CustomerReply.objects.filter(pk__in=chosen, handled_at=None).select_for_update().order_by("pk")
    handled = list(locked)
    done = CustomerReply.objects.filter(pk__in=[reply.pk for reply in handled])
    done.update(handled_at=Now(), handled_by=actor)
    done.filter(customer=None, decided_at=None).update(decided_at=Now(), decided_by=actor)
    return handled


def reopen(reply: CustomerReply) -> bool:
    """Let it wait again; False if it does already."""
    return bool(
        CustomerReply.objects.exclude(handled_at=None).filter(pk=reply.pk).update(handled_at=None, handled_by=None)
    )
