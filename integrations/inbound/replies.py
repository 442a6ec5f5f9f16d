"""What customers answer, edit and delete: a wish about messages is obeyed, anything else is shown to the staff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from integrations.evolution import jids
from integrations.inbound import incoming, senders
from integrations.inbound.incoming import Deleted, Incoming
from integrations.inbound.models import CustomerReply, WebhookEvent
from integrations.inbound.reading import reader_of
from integrations.inbound.senders import Found
from integrations.inbound.verdicts import Verdict, Verdicts
from integrations.inbound.wishes import as_quoted, wish_of
from integrations.models import EvolutionInstance
from integrations.signals import customer_consent_changed
from orders import consent
from orders.models import Customer

Kind, Wish = CustomerReply.Kind, CustomerReply.Wish
# WhatsApp keeps what it cannot deliver for so long.
LONGEST_ON_ITS_WAY = timedelta(days=30)
CLOCKS_APART = timedelta(minutes=5)
# Nobody edits more often within the quarter of an hour that WhatsApp allows, but to annoy.
KEPT_TEXTS = 20


def ingest(instance: EvolutionInstance, events: Sequence[WebhookEvent]) -> Verdicts:
    """Keep each answer once, for the order that it is about, and do what it asks for.

    An edit takes the place of what was written, and is obeyed as of then; what was obeyed stays so, edited or deleted.
    """
    return {event.pk: verdict for event in events if (verdict := _ingest(instance, event))}


def ingest_too_large(instance: EvolutionInstance, events: Sequence[WebhookEvent]) -> Verdicts:
    """Show the staff that something came which nobody could read."""
    for event in events:
        CustomerReply.objects.get_or_create(
            instance=instance,
            provider_message_id=f"webhook:{event.pk}",
            defaults={"kind": Kind.TOO_LARGE, "received_at": event.received_at},
        )
    return {}


def hear_again(instance: EvolutionInstance, learned: Mapping[str, str]) -> None:
    """Assign the answers whose nameless sender has come to be known, and do what they asked for."""
    if not learned:
        return
    nobodys = CustomerReply.objects.filter(instance=instance, customer=None, decided_at=None, sender__in=learned)
    for reply in nobodys.select_for_update().order_by("pk"):
        found = senders.find(instance, incoming.Sender(jids.numbers_of(learned[reply.sender])), reply.quoted_id)
        _assign(reply, found)


def _ingest(instance: EvolutionInstance, event: WebhookEvent) -> Verdict | None:
    said = reader_of(event).written(event)
    if said is None:
        return None
    known = CustomerReply.objects.filter(instance=instance, provider_message_id=said.message_id)
    reply = known.select_for_update(of=("self",)).select_related("customer", "instance").first()
    if isinstance(said, Deleted):
        return _delete(reply, event)
    if reply is None:
        return _keep(instance, event, said)
    found = senders.find(instance, said.sender, said.quoted_id)
    if reply.customer is None and found.customers:
        _assign(reply, found)
    elif reply.customer is None and not reply.sender:
        # What was told of the edit alone did not say who wrote it.
        reply.sender = _address(said)
        reply.save(update_fields=["sender"])
    if said.edits:
        _edit(reply, event, said)
    elif reply.edited_at:
        _add_original(reply, event, said)
    return None


def _keep(instance: EvolutionInstance, event: WebhookEvent, said: Incoming) -> Verdict | None:
    """Keep a new answer; what strangers chat about with the shop is none, unless they may want to be left alone."""
    found = senders.find(instance, said.sender, said.quoted_id)
    wish = _wish(said, found.customers)
    if not found.customers and not _concerns_us(said, wish, found):
        return Verdict.PARKED if said.edits else Verdict.UNKNOWN_SENDER
    written_at = _written_at(said, event.received_at)
    reply = CustomerReply.objects.create(
        instance=instance,
        provider_message_id=said.message_id,
        quoted_id=said.quoted_id,
        kind=said.kind,
        text=said.text[: CustomerReply.TEXT_LENGTH],
        file_name=said.file_name[: CustomerReply.FILE_NAME_LENGTH],
        wish=wish,
        received_at=event.received_at,
        written_at=written_at,
        edited_at=(written_at or event.received_at) if said.edits else None,
        **_whose(found, said),
    )
    _apply_command(found.customers, reply, said.text, event.received_at, written_at)
    return None if found.customers else Verdict.UNKNOWN_SENDER


def _concerns_us(said: Incoming, wish: CustomerReply.Wish, found: Found) -> bool:
    """Whether somebody has to read it although nobody knows who wrote it.

    An edit alone, without the answer that it changes, may as well be the shop's own of a message of its own.
    """
    if found.quotes_us or wish == Wish.OUT:
        return True
    return not said.sender.numbers and (bool(said.sender.lid) or wish == Wish.UNSURE)


def _whose(found: Found, said: Incoming) -> dict[str, object]:
    if found.customers:
        return {"customer": found.order.customer if found.order else found.customers[0], "order": found.order}
    return {"sender": _address(said)}


def _address(said: Incoming) -> str:
    return said.sender.numbers[0] if said.sender.numbers else said.sender.lid


def _assign(reply: CustomerReply, found: Found) -> None:
    if not found.customers:
        return
    reply.order = found.order
    reply.customer = found.order.customer if found.order else found.customers[0]
    reply.sender = ""
    reply.save(update_fields=["order", "customer", "sender"])
    # Who has dealt with it already has done what it asks for, or not, knowing what they did.
    if reply.decided_at is None:
        for text in (*reply.earlier_texts, reply.text):
            _apply_command(found.customers, reply, text, reply.received_at, reply.written_at)


def _edit(reply: CustomerReply, event: WebhookEvent, said: Incoming) -> None:
    """Show what it reads now, and keep what it read before; edits come in any order, and repeatedly."""
    text, written_at = said.text[: CustomerReply.TEXT_LENGTH], _written_at(said, event.received_at)
    customers = senders.same_person(reply)
    at = written_at or event.received_at
    is_latest = reply.edited_at is None or at > reply.edited_at
    if text == reply.text or (text in reply.earlier_texts and not is_latest):
        return
    wish = _wish(said, customers)
    if is_latest:
        reply.earlier_texts = [*reply.earlier_texts, reply.text][-KEPT_TEXTS:]
        reply.text, reply.kind, reply.wish = text, said.kind, wish
        reply.edited_at, reply.written_at = at, written_at
        reply.handled_at = reply.handled_by = None  # nobody has seen these words
        if wish == Wish.UNSURE:
            reply.decided_at = reply.decided_by = None  # it is another question
    else:
        reply.earlier_texts = [*reply.earlier_texts, text][-KEPT_TEXTS:]
    reply.save()
    _apply_command(customers, reply, said.text, event.received_at, written_at)


def _add_original(reply: CustomerReply, event: WebhookEvent, said: Incoming) -> None:
    """What an answer read whose edit came before it."""
    text = said.text[: CustomerReply.TEXT_LENGTH]
    if text in (reply.text, *reply.earlier_texts):
        return
    reply.earlier_texts = [text, *reply.earlier_texts]
    reply.save(update_fields=["earlier_texts"])
    customers = senders.same_person(reply)
    _apply_command(customers, reply, said.text, event.received_at, _written_at(said, event.received_at))


def _delete(reply: CustomerReply | None, event: WebhookEvent) -> Verdict | None:
    if reply is None:
        return Verdict.PARKED  # the answer itself may come later
    if reply.deleted_at is None:
        reply.deleted_at = event.received_at
        reply.save(update_fields=["deleted_at"])
    return None


def _wish(said: Incoming, customers: Sequence[Customer]) -> CustomerReply.Wish:
    """What it says about messages; nobody need be asked whether it wants none of whoever gets none."""
    wish = wish_of(said.text)
    gets_none = bool(customers) and all(customer.opted_out_at for customer in customers)
    return Wish.NONE if wish == Wish.UNSURE and gets_none else wish


def _apply_command(
    customers: Sequence[Customer], reply: CustomerReply, text: str, received_at: datetime, written_at: datetime | None
) -> None:
    wish = wish_of(text)
    if wish not in (Wish.OUT, Wish.IN):
        return
    record = consent.opt_out if wish == Wish.OUT else consent.opt_in
    how = _("answered “%(word)s” on WhatsApp") % {"word": as_quoted(text)}
    changed = record(customers, how, at=received_at, written_at=written_at)
    if changed:
        customer_consent_changed.send(CustomerReply, customers=changed, opted_out=wish == Wish.OUT, reply=reply)


def _written_at(said: Incoming, received_at: datetime) -> datetime | None:
    """When it was written, unless that is absurd for something that came then."""
    told = said.written_at
    return told if told and -CLOCKS_APART <= received_at - told <= LONGEST_ON_ITS_WAY else None
