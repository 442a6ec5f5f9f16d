"""What customers answer: SAIR and VOLTAR change whether they get messages, anything else is shown to the staff."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from integrations.evolution import jids
from integrations.inbound import payloads
from integrations.inbound.models import CustomerReply, WebhookEvent
from integrations.inbound.payloads import Incoming
from integrations.inbound.verdicts import Verdict, Verdicts
from integrations.models import EvolutionInstance, NotificationLog
from integrations.signals import customer_consent_changed
from orders import consent
from orders.models import Customer, Order

OUT = frozenset({"SAIR", "PARE", "STOP"})
IN = frozenset({"VOLTAR"})
# WhatsApp keeps what it cannot deliver for so long.
LONGEST_ON_ITS_WAY = timedelta(days=30)
CLOCKS_APART = timedelta(minutes=5)


def take_in(instance: EvolutionInstance, events: Sequence[WebhookEvent]) -> Verdicts:
    """Keep each answer once, for the order that it is about, and do what it asks for."""
    return {event.pk: verdict for event in events if (verdict := _take_in(instance, event))}


def _take_in(instance: EvolutionInstance, event: WebhookEvent) -> Verdict | None:
    said = payloads.incoming(event.data)
    if said is None:
        return None
    quoted = _quoted(instance, said)
    # A nameless sender is whom the quoted message went to: perhaps, in a trial, another than it was meant for.
    customers = _customers(instance, said.numbers or (jids.numbers_of(quoted.recipient) if quoted else ()))
    if not customers:
        return Verdict.UNKNOWN_SENDER
    about = quoted.order if quoted else None
    order = about if about and about.customer in customers else _latest_order(customers)
    reply, new = CustomerReply.objects.get_or_create(
        instance=instance,
        provider_message_id=said.message_id,
        defaults={
            "customer": order.customer if order else customers[0],
            "order": order,
            "kind": said.kind,
            "text": said.text[: CustomerReply.TEXT_LENGTH],
            "received_at": event.received_at,
        },
    )
    if new:
        _obey(customers, reply, said)
    return None


def command(text: str) -> str:
    """The text as a command: its letters and digits alone, in capitals and without accents."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(character for character in plain if character.isalnum()).upper()


def is_command(kind: str, text: str) -> bool:
    """Whether it is no more than a word that the system obeys, so that nobody need answer it."""
    return kind == CustomerReply.Kind.TEXT and command(text) in OUT | IN


def _obey(customers: Sequence[Customer], reply: CustomerReply, said: Incoming) -> None:
    if not is_command(said.kind, said.text):
        return
    word = command(said.text)
    record = consent.opt_out if word in OUT else consent.opt_in
    how = _("answered “%(word)s” on WhatsApp") % {"word": word}
    changed = record(customers, how, at=reply.received_at, written_at=_written_at(said, reply.received_at))
    if changed:
        customer_consent_changed.send(CustomerReply, customers=changed, opted_out=word in OUT, reply=reply)


def _written_at(said: Incoming, received_at: datetime) -> datetime | None:
    """When it was written, unless that is absurd for something that came then."""
    told = said.written_at
    return told if told and -CLOCKS_APART <= received_at - told <= LONGEST_ON_ITS_WAY else None


def _quoted(instance: EvolutionInstance, said: Incoming) -> NotificationLog | None:
    """The message of ours that is being answered, if the customer quoted one."""
    if not said.quoted_id:
        return None
    rows = NotificationLog.objects.filter(instance=instance, provider_message_id=said.quoted_id)
    return rows.select_related("order__customer").first()


def _customers(instance: EvolutionInstance, numbers: Sequence[str]) -> list[Customer]:
    """Who has one of these numbers at the instance's store, or at another for which it has written to them."""
    written_to = NotificationLog.objects.filter(instance=instance, order__customer=OuterRef("pk"))
    known = Customer.objects.filter(Q(store=instance.store_id) | Exists(written_to), phone__in=numbers)
    return list(known.order_by("pk")) if numbers else []


def _latest_order(customers: Sequence[Customer]) -> Order | None:
    orders = Order.objects.filter(customer__in=customers).select_related("customer")
    return orders.order_by("-created_at", "-pk").first()
