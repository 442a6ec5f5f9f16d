"""What this app forgets of customers who are erased: what they wrote, what was written to them, and who told of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import F, Func, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Upper

from integrations import retention
from integrations.evolution import jids
from integrations.inbound import intake
from integrations.messages.kinds import FREE_ANSWER
from integrations.messages.log import FROM_ITS_END
from integrations.messages.snapshot import about_customers
from integrations.models import (
    CarrierNews,
    CustomerReply,
    EvolutionInstance,
    LidNumber,
    NotificationLog,
    ShopNews,
    WebhookEvent,
)
from integrations.shops import wishes
from orders.codes import tracking_codes, tracking_key
from orders.models import Customer, Order

type Counts = dict[str, int]

_COUNTRY = "+55"
# A code as short as a part of any number says nothing of whose a raw text is.
_LONG_ENOUGH = 8
# What is no digit of the text itself, in bytes as PostgreSQL writes them: escapes, JSON's too, and all else.
_NO_DIGIT = r"\\+(u[0-9a-fA-F]{4}|[0-7]{3})|[^0-9]"


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
    told = [*messages_of(customers).values_list("pk", flat=True), *_answers_to(numbers).values_list("pk", flat=True)]
    kept = NotificationLog.objects.filter(pk__in=told, anonymised_at__isnull=True)
    messages = list(kept.values_list("pk", flat=True))
    retention.anonymise_messages(NotificationLog.objects.filter(pk__in=messages))
    EvolutionInstance.objects.filter(failed_recipient__in=numbers).update(failed_recipient="")
    return {
        "messages": len(messages),
        "replies": _forget_replies(customers, numbers),
        "shop_news": _forget_shop_news(customers, numbers, orders),
        "carrier_news": _forget_carrier_news(customers, orders),
    }


def _forget_carrier_news(customers: list[Customer], orders: QuerySet[Order]) -> int:
    """What carriers told of the orders, and of their parcels what belongs to no order yet: as it was read, or only in
    what was sent. By a connection that is of the store's own parcels; whose the other news is nobody knows."""
    written = orders.exclude(tracking_code="").values_list("tracking_code", flat=True)
    keys = {tracking_key(code) for each in written for code in tracking_codes(each)}
    stores = {customer.store_id for customer in customers}
    theirs = Q(order__in=orders)
    if keys:
        coded = Q(written__in=keys) | Q(bare__in=keys)
        for key in keys:
            if len(key) >= _LONG_ENOUGH:
                coded |= Q(tracking_code="", text__contains=key)
        theirs |= coded & Q(order__isnull=True) & (Q(connection__isnull=True) | Q(connection__store__in=stores))
    # A code of the postal union is one also where the carrier writes it in groups.
    bare = Func(F("tracking_code"), Value("[ ._-]"), Value(""), Value("g"), function="regexp_replace")
    escaped = Func(F("body"), Value("escape"), function="encode", output_field=TextField())
    rows = CarrierNews.objects.alias(written=Upper("tracking_code"), bare=Upper(bare), text=Upper(escaped))
    rows = rows.filter(theirs)
    return rows.exclude(description="", reason="", body=b"").update(
        description="", reason="", body=b"", headers={}, due_at=None
    )


def _forget_shop_news(customers: list[Customer], numbers: Sequence[str], orders: QuerySet[Order]) -> int:
    """What shops sent of the orders, and what came to nothing and has the number in it, however it is written there.

    A part of another number may be taken for it; then a raw text more is gone, which is all that is lost. What asks for
    an erasure itself, and has not got it yet, stays until it has.
    """
    theirs = Q(order__in=orders)
    for number in numbers:
        theirs |= Q(order__isnull=True, digits__contains=number.removeprefix(_COUNTRY).removeprefix("+"))
    escaped = Func(F("body"), Value("escape"), function="encode", output_field=TextField())
    digits = Func(escaped, Value(_NO_DIGIT), Value(""), Value("g"), function="regexp_replace", output_field=TextField())
    rows = ShopNews.objects.alias(digits=digits).filter(
        theirs, connection__store__in={customer.store_id for customer in customers}
    )
    rows = rows.exclude(wishes.UNDONE).exclude(body=b"", reason="")
    return rows.update(body=b"", headers={}, reason="", due_at=None)


def _answers_to(numbers: Sequence[str]) -> QuerySet[NotificationLog]:
    """What was answered to these numbers while nobody knew whose they are."""
    finished = NotificationLog.objects.exclude(status__in=NotificationLog.UNFINISHED)
    rows = finished.alias(from_its_end=FROM_ITS_END).exclude(recipient="")
    return rows.filter(order=None, event=FREE_ANSWER, from_its_end__in=[number[::-1] for number in numbers])


def _forget_replies(customers: list[Customer], numbers: Sequence[str]) -> int:
    """Theirs, and those of which nobody knew yet that they are; then which nameless address the number has."""
    instances = _instances(customers)
    unassigned = Q(
        customer__isnull=True, instance__in=instances, sender__in={*_addresses(instances, numbers), *numbers}
    )
    replies = CustomerReply.objects.filter(Q(customer__in=customers) | unassigned)
    known = list(replies.exclude(text="", file_name="", sender="", earlier_texts=[]).values_list("pk", flat=True))
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
