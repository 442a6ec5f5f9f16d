"""What only a person can decide: whether somebody wants no more messages, and whose an answer is."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Case, Q, QuerySet, When
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from integrations.inbound import senders
from integrations.inbound.models import CustomerReply
from integrations.inbound.wishes import as_quoted
from integrations.signals import customer_consent_changed
from orders import consent
from orders.models import Customer

Kind, Wish = CustomerReply.Kind, CustomerReply.Wish
_HOW_LENGTH = 200


def open_questions() -> QuerySet[CustomerReply]:
    """Answers that somebody has to decide on, wishes for no messages first, then the oldest."""
    waiting = CustomerReply.objects.filter(Q(customer=None) | Q(wish=Wish.UNSURE), decided_at=None)
    readable = waiting.exclude(kind=Kind.TEXT, text="")
    first = Case(When(wish__in=(Wish.OUT, Wish.UNSURE), then=0), default=1)
    return readable.select_related("customer", "order", "instance").order_by(first, "pk")


@transaction.atomic
def decide(reply: CustomerReply, *, wants_none: bool, actor: User) -> Sequence[Customer] | None:
    """Record what a member of the staff made of the answer; None if it is no question, or no longer.

    Returns whom it opted out: nobody where it is not their wish, or where nobody knows who they are, or where they have
    written since that they want messages.
    """
    locked = CustomerReply.objects.select_for_update(of=("self",)).select_related("customer", "instance")
    reply = locked.get(pk=reply.pk)
    if reply.decided_at or (reply.customer and reply.wish != Wish.UNSURE):
        return None
    changed: Sequence[Customer] = ()
    if wants_none and reply.customer:
        how = _("answered “%(word)s” on WhatsApp, as %(user)s understood it")
        how %= {"word": as_quoted(reply.text), "user": actor.get_username()}
        customers = senders.same_person(reply)
        changed = consent.opt_out(customers, how[:_HOW_LENGTH], at=reply.received_at, written_at=reply.written_at)
        if changed:
            customer_consent_changed.send(CustomerReply, customers=changed, opted_out=True, reply=reply)
    if reply.customer:
        reply.wish = Wish.OUT if wants_none else Wish.NONE
    reply.decided_at, reply.decided_by = Now(), actor
    if reply.customer is None:
        reply.handled_at, reply.handled_by = Now(), actor
    reply.save(update_fields=["wish", "decided_at", "decided_by", "handled_at", "handled_by"])
    return changed
