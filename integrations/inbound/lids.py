"""Whose number a nameless address (`…@lid`) is: learned from whatever names both, for what names one alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from django.db.models.functions import Now

from integrations.evolution import jids
from integrations.evolution.classify import printable
from integrations.evolution.messages import mapping
from integrations.inbound import incoming
from integrations.inbound.incoming import Incoming, Sender
from integrations.inbound.models import (
    CONTACT_EVENTS,
    MESSAGES_UPDATE,
    MESSAGES_UPSERT,
    SEND_MESSAGE,
    LidNumber,
    WebhookEvent,
)
from integrations.inbound.payloads import message_id_of
from integrations.inbound.senders import customers_with
from integrations.models import EvolutionInstance, NotificationLog

OF_OUR_MESSAGES = (MESSAGES_UPDATE, SEND_MESSAGE)


def learn(instance: EvolutionInstance, events: Sequence[WebhookEvent]) -> Mapping[str, str]:
    """Note what these tell; returns the numbers that are news, by their nameless addresses.

    A receipt, or the gateway's account, of a message of ours may carry the nameless address of whom we know the number:
    it is the one that the message went to. No query where no such address is told.
    """
    told = _of_our_messages(instance, events) | _in_so_many_words(instance, events)
    known = dict(LidNumber.objects.filter(instance=instance, lid__in=told).values_list("lid", "number")) if told else {}
    news = {lid: number for lid, number in told.items() if known.get(lid) not in jids.numbers_of(number)}
    LidNumber.objects.bulk_create(
        (LidNumber(instance=instance, lid=lid, number=number, learned_at=Now()) for lid, number in news.items()),
        update_conflicts=True,
        unique_fields=["instance", "lid"],
        update_fields=["number", "learned_at"],
    )
    return news


def _of_our_messages(instance: EvolutionInstance, events: Sequence[WebhookEvent]) -> dict[str, str]:
    about = {message_id: lid for event in events for message_id, lid in _own(event)}
    rows = NotificationLog.objects.filter(instance=instance, provider_message_id__in=about)
    sent = rows.exclude(provider_message_id="").exclude(recipient="").values_list("provider_message_id", "recipient")
    return {about[message_id]: recipient for message_id, recipient in sent} if about else {}


def _own(event: WebhookEvent) -> Iterator[tuple[str, str]]:
    """The message of ours that it is about, or that is quoted, with the nameless address of whom it went to."""
    if event.event == MESSAGES_UPSERT:
        said = incoming.read(event.event, event.data)
        if isinstance(said, Incoming) and said.sender.lid and said.quoted_id and not said.sender.numbers:
            yield said.quoted_id, said.sender.lid
        return
    key = mapping(event.data.get("key")) or event.data
    lid, message_id = jids.lid(printable(key.get("remoteJid"))), message_id_of(event.data)
    if lid and message_id and key.get("fromMe") is True and event.event in OF_OUR_MESSAGES:
        yield message_id, lid


def _in_so_many_words(instance: EvolutionInstance, events: Sequence[WebhookEvent]) -> dict[str, str]:
    """Those of the customers alone: the shop's other chats are none of our business."""
    pairs = {who.lid: who.numbers for event in events for who in _people(event) if who.lid and who.numbers}
    if not pairs:
        return {}
    phones = {each.phone for each in customers_with(instance, [one for both in pairs.values() for one in both])}
    return {lid: numbers[0] for lid, numbers in pairs.items() if phones.intersection(numbers)}


def _people(event: WebhookEvent) -> Iterator[Sender]:
    if event.event in CONTACT_EVENTS:
        data = event.payload.get("data") if isinstance(event.payload, dict) else None
        yield from (incoming.contact(mapping(each)) for each in (data if isinstance(data, list) else [data]))
    elif event.event == MESSAGES_UPSERT and (sender := incoming.sender_of(mapping(event.data.get("key")))):
        yield sender
