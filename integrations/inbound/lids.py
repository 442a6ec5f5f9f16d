"""Whose number a nameless address (`…@lid`) is: learned from whatever names both, for what names one alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db.models.functions import Now

from integrations.evolution import jids
from integrations.inbound.models import LidNumber, WebhookEvent
from integrations.inbound.reading import reader_of
from integrations.inbound.senders import customers_with
from integrations.models import EvolutionInstance, NotificationLog


def learn(instance: EvolutionInstance, events: Sequence[WebhookEvent]) -> Mapping[str, str]:
    """Note what these tell; returns the numbers that are news, by their nameless addresses.

    A receipt, or the gateway's account, of a message of ours may carry the nameless address of whom we know the number:
    it is the one that the message went to. At Meta such an address is the id that people with a user name have for this
    shop. No query where no such address is told.
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
    about = {message_id: lid for event in events for message_id, lid in reader_of(event).own_messages(event)}
    rows = NotificationLog.objects.filter(instance=instance, provider_message_id__in=about)
    sent = rows.exclude(provider_message_id="").exclude(recipient="").values_list("provider_message_id", "recipient")
    return {about[message_id]: recipient for message_id, recipient in sent} if about else {}


def _in_so_many_words(instance: EvolutionInstance, events: Sequence[WebhookEvent]) -> dict[str, str]:
    """Those of the customers alone: the shop's other chats are none of our business."""
    pairs = {
        who.lid: who.numbers for event in events for who in reader_of(event).people(event) if who.lid and who.numbers
    }
    if not pairs:
        return {}
    phones = {each.phone for each in customers_with(instance, [one for both in pairs.values() for one in both])}
    return {lid: numbers[0] for lid, numbers in pairs.items() if phones.intersection(numbers)}
