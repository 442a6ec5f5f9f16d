"""Whether somebody of the shop may write to a customer in their own words: only to answer, while the customer waits.

The rule, which the pages tell:

- The customer has written to this very number, and not too long ago: at Meta 24 hours, WhatsApp's own rule; elsewhere
  `ANSWER_WITHIN_HOURS`, which reaches from a Saturday's question to Monday.
- SAIR and its like end the conversation. Who opted out and then asks something all the same is answered: consent is
  about news that nobody asked for, and an answer to a question is none. What is still to be sent when they opt out
  (once more) is not sent, see `notifications.policy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import OuterRef, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from integrations.evolution import jids
from integrations.gateways import GatewayError, gateway_for
from integrations.inbound import inbox, senders
from integrations.inbound.models import CustomerReply
from orders.models import ConsentChange, Customer

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a customer and one number of the shop's have said last: an answer to `reply` goes to `phone` until `until`.

    `closed`: why none may be sent, as a sentence; empty if one may. `refuses`: they want no news of their orders.
    """

    reply: CustomerReply
    phone: str
    until: datetime
    refuses: bool
    closed: str


def conversation_of(reply: CustomerReply) -> Conversation:
    """The conversation that a reply belongs to. Up to four queries, however much was said; one, if it is what the only
    customer that it may be of has asked last."""
    theirs = inbox.replies().filter(instance=reply.instance).order_by("-received_at", "-pk")
    questions = theirs.exclude(wish=CustomerReply.Wish.OUT)
    latest = questions.filter(customer=OuterRef("pk")).values("pk")[:1]
    people = senders.same_person(reply, asked=Subquery(latest))
    if [getattr(each, "asked", None) for each in people] == [reply.pk]:
        asked: CustomerReply | None = reply
    else:
        ours = questions.filter(customer__in=people) if people else inbox.of_person(reply, questions)
        asked = ours.first()
    last = asked or reply
    own = last
    if len(people) > 1 and last.customer_id != reply.customer_id:
        # Of another store, perhaps: when they wrote counts, what they wrote is not ours to answer.
        own = theirs.filter(customer=reply.customer).first() or reply
    within = _within(last)
    until = min(last.written_at or last.received_at, last.received_at) + within
    phone = _phone(last)
    closed = _without_number(phone) or _too_late(until, within) or _refused(people, asked)
    return Conversation(own, phone, until, any(each.opted_out_at for each in people), closed)


def _within(reply: CustomerReply) -> timedelta:
    try:
        ruled = gateway_for(reply.instance).capabilities.answers_within
    except GatewayError:  # of a kind that this release does not know
        ruled = None
    return ruled or settings.ANSWER_WITHIN_HOURS * _HOUR


def _phone(reply: CustomerReply) -> str:
    """Where an answer goes; empty where nobody knows."""
    if reply.customer:
        return reply.customer.phone
    return "" if jids.lid(reply.sender) else reply.sender


def _without_number(phone: str) -> str:
    return "" if phone else _("We do not know the number: answer on the shop's phone.")


def _too_late(until: datetime, within: timedelta) -> str:
    if timezone.now() < until:
        return ""
    hours = round(within / _HOUR)
    words = ngettext(
        "The customer wrote more than %(hours)d hour ago: write to them on the shop's phone.",
        "The customer wrote more than %(hours)d hours ago: write to them on the shop's phone.",
        hours,
    )
    return words % {"hours": hours}


def _refused(people: list[Customer], asked: CustomerReply | None) -> str:
    """Unless they have written something else since they opted out."""
    if not any(each.opted_out_at for each in people) and asked:
        return ""
    change = ConsentChange.objects.filter(customer__in=people, opted_out=True).first()
    if asked and (change is None or asked.received_at > change.at):
        return ""
    return _("The customer asked for no messages and has written nothing else since: nothing may be sent from here.")
