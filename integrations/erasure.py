"""What this app forgets of customers who are erased: what they wrote, what was written to them, and who told of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from integrations import retention
from integrations.evolution import jids
from integrations.inbound import intake
from integrations.messages.snapshot import about_customers
from integrations.models import CarrierNews, CustomerReply, EvolutionInstance, LidNumber, NotificationLog, WebhookEvent
from orders.models import Customer, Order

type Counts = dict[str, int]


def messages_of(customers: Iterable[Customer]) -> QuerySet[NotificationLog]:
    """The messages about the customers' orders, and those that answered them."""
    pks = [customer.pk for customer in customers]
    return NotificationLog.objects.filter(Q(order__customer__in=pks) | Q(order__isnull=True) & about_customers(pks))


def delete_webhooks(*, customers: list[Customer], numbers: Sequence[str], **_kwargs: Any) -> Counts:
    """Delete what the store's gateways told of the number, and of any message that it wrote or got.

    Before anything else is locked: no webhook is worked off from now on, and messages and replies are locked.
    """
    intake.keep_others_from_it()
    for rows in (messages_of(customers), CustomerReply.objects.filter(customer__in=customers)):
        list(rows.select_for_update(of=("self",)).order_by("pk").values_list("pk"))
    messages, replies = messages_of(customers), CustomerReply.objects.filter(customer__in=customers)
    ids = [*messages.exclude(provider_message_id="").values_list("provider_message_id", flat=True)]
    ids += replies.values_list("provider_message_id", flat=True)
    theirs = Q(payload__data__key__id__in=ids) | Q(payload__data__keyId__in=ids) | Q(payload__data__id__in=ids)
    instances = _instances(customers)
    if numbers:
        digits = {jid.partition("@")[0] for jid in _addresses(instances, numbers)}
        # As a whole number: its digits may be a part of another's.
        theirs |= Q(text__regex=rf"[^0-9]({'|'.join(sorted(digits))})[^0-9]")
    events = WebhookEvent.objects.alias(text=Cast("payload", TextField())).filter(
        theirs, instance_name__in=[instance.name for instance in instances]
    )
    locked = list(events.select_for_update().order_by("pk").values_list("pk", flat=True))
    return {"webhooks": WebhookEvent.objects.filter(pk__in=locked).delete()[0]}


def forget(*, customers: list[Customer], numbers: Sequence[str], orders: QuerySet[Order], **_kwargs: Any) -> Counts:
    """Anonymise messages and answers as the nightly purge does, and the carriers' words about the parcels."""
    messages = list(messages_of(customers).filter(anonymised_at__isnull=True).values_list("pk", flat=True))
    retention.anonymise_messages(NotificationLog.objects.filter(pk__in=messages))
    codes = orders.exclude(tracking_code="").values_list("tracking_code", flat=True)
    news = CarrierNews.objects.filter(Q(order__in=orders) | Q(order__isnull=True, tracking_code__in=list(codes)))
    EvolutionInstance.objects.filter(failed_recipient__in=numbers).update(failed_recipient="")
    return {
        "messages": len(messages),
        "replies": _forget_replies(customers, numbers),
        "carrier_news": news.exclude(description="", reason="").update(description="", reason=""),
    }


def _forget_replies(customers: list[Customer], numbers: Sequence[str]) -> int:
    """Theirs, and those of which nobody knew yet that they are; then which nameless address the number has."""
    instances = _instances(customers)
    unassigned = Q(
        customer__isnull=True, instance__in=instances, sender__in={*_addresses(instances, numbers), *numbers}
    )
    replies = CustomerReply.objects.filter(Q(customer__in=customers) | unassigned)
    known = list(replies.exclude(text="", sender="", earlier_texts=[]).values_list("pk", flat=True))
    rows = CustomerReply.objects.filter(pk__in=known)
    retention.erase_replies(rows)
    rows.update(sender="")
    LidNumber.objects.filter(instance__in=instances, number__in=numbers).delete()
    return len(known)


def _instances(customers: list[Customer]) -> list[EvolutionInstance]:
    """Those of the customers' store, and any through which they were written to."""
    stores = {customer.store_id for customer in customers}
    wrote = messages_of(customers).values("instance")
    return list(EvolutionInstance.objects.filter(Q(store__in=stores) | Q(pk__in=wrote)))


def _addresses(instances: list[EvolutionInstance], numbers: Sequence[str]) -> set[str]:
    """Every address under which these gateways may know the number, nameless ones too."""
    lids = LidNumber.objects.filter(instance__in=instances, number__in=numbers).values_list("lid", flat=True)
    return {jid for number in numbers for jid in jids.addresses(number)} | set(lids)
