"""Putting messages into the outbox: rows in the status change's own transaction, wake-ups after its commit."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import BigIntegerField, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Least, Now
from django.utils import timezone
from psycopg.types.json import Jsonb

from flowlog.prepared import Insertion, param, stored
from integrations.inbound.conversation import Conversation
from integrations.messages import kinds
from integrations.models import CustomerReply, EvolutionInstance, NotificationLog
from notifications import quiet, wakeups
from notifications.snapshot import (
    snapshot_of_answer,
    snapshot_of_test,
    snapshot_without_order,
    snapshots_as_they_are,
    snapshots_of,
)
from orders.models import Customer, Order, OrderEvent, Store
from orders.signals import StatusChange


def add(changes: Sequence[StatusChange]) -> list[NotificationLog]:
    """Write one pending row per change and wake the worker for them once the transaction is committed.

    What may still be undone is due after its delay. The dedupe key (timeline entry and kind) is unique, so that one
    change is never told twice.
    """
    if not changes:
        return []
    rows = _written(
        (
            change.order,
            {
                "event": change.event.transition,
                "order_event": change.event.pk,
                "dedupe_key": f"event:{change.event.pk}:{change.event.transition}",
                "snapshot": taken.to_json(),
                **quiet.times(
                    change.event.transition,
                    change.order,
                    lifetime(change.event.transition),
                    delay=change.delay,
                    wake=change.wake,
                ),
            },
        )
        for change, taken in zip(changes, snapshots_of(changes), strict=True)
    )
    quiet.take_along(rows)
    if all(change.wake for change in changes):
        _wake_after_commit(rows, max(change.delay for change in changes))
    return rows


def _wake_after_commit(rows: Iterable[NotificationLog], delay: timedelta) -> None:
    """Wake the worker for the first at each instance, when it is due; which wakes the next.

    Once for all that a transaction writes. One that falls due later is woken by the sweep: within its interval, as it
    is where this wake-up is lost.
    """
    calls = [entry[1] for entry in connection.run_on_commit if isinstance(entry[1], _WakeAll)]
    known = {row.instance_id for call in calls if call.delay <= delay for row in call.rows}
    first: dict[int | None, NotificationLog] = {}
    for row in rows:
        if row.error_code != quiet.CODE and row.instance_id not in known:
            first.setdefault(row.instance_id, row)
    if first:
        transaction.on_commit(_WakeAll(list(first.values()), delay), robust=True)


@dataclass(frozen=True, slots=True)
class _WakeAll:
    rows: list[NotificationLog]
    delay: timedelta

    def __call__(self) -> None:
        if not self.delay:
            wakeups.publish(self.rows)
        elif self.delay.total_seconds() <= wakeups.LONGEST_COUNTDOWN:
            wakeups.publish(self.rows, countdown=self.delay.total_seconds())


def _written(messages: Iterable[tuple[Order, dict[str, Any]]]) -> list[NotificationLog]:
    """Write the rows, each of an order and from what `_WRITE` is to be told beside it."""
    messages = [(order, {**values, "recipient": recipient(order.customer.phone)}) for order, values in messages]
    written = _WRITE.each(
        [
            {**values, "snapshot": Jsonb(values["snapshot"]), "order": order.pk, "store": order.store_id}
            for order, values in messages
        ]
    )
    rows = []
    for (order, values), (pk, instance, blocked) in zip(messages, written, strict=True):
        own = {name: values[name] for name in ("event", "dedupe_key", "recipient", "snapshot", "error_code")}
        row = NotificationLog(pk=pk, order=order, order_event_id=values["order_event"], instance_id=instance, **own)
        row.blocked = blocked
        rows.append(stored(row))
    return rows


def _to_write() -> NotificationLog:
    return NotificationLog(
        event=param("event"),
        order_id=param("order"),
        order_event_id=param("order_event"),
        instance_id=_instance_of(param("store", BigIntegerField())),
        dedupe_key=param("dedupe_key"),
        recipient=param("recipient"),
        snapshot=param("snapshot"),
        next_attempt_at=quiet.due(),
        expires_at=quiet.too_old(),
        woken_at=quiet.woken(),
        error_code=param("error_code"),
        error_message=param("error_message"),
    )


def _instance_of(store: Any) -> Any:
    """The key of `instance_of`."""
    own, of_default_store = (found.values("pk")[:1] for found in _speakers(store))
    return Coalesce(Subquery(own), Subquery(of_default_store))


_WRITE = Insertion(_to_write, returning=("id", "instance", "blocked"))


def add_for(event: str, orders: Sequence[Order], *, until: Sequence[datetime]) -> list[NotificationLog]:
    """Write one pending row of this kind for each order, as it is now; the worker is woken after the commit.

    The orders are locked, with their store and customer, and have an occasion of which there is no message yet (see
    `Kind.dedupe_key`). At the time in `until` it has expired, if not before.
    """
    kind = kinds.KINDS[event]
    latest = OrderEvent.objects.filter(order__in=orders).order_by("order_id", "-pk").distinct("order_id")
    last_events = {each.order_id: each for each in latest} if kind.ordered else {}
    taken_now = snapshots_as_they_are(event, orders, timezone.now())
    rows = _written(
        (
            order,
            {
                "event": event,
                "order_event": last_events[order.pk].pk if order.pk in last_events else None,
                "dedupe_key": kind.dedupe_key(order),
                "snapshot": taken.to_json(),
                **quiet.times(event, order, lifetime(event), until=end),
            },
        )
        for order, end, taken in zip(orders, until, taken_now, strict=True)
    )
    quiet.take_along(rows)
    _wake_after_commit(rows, quiet.NO_DELAY)
    return rows


def confirm_consent(customer: Customer, reply: CustomerReply, *, opted_out: bool) -> NotificationLog:
    """Confirm to the customer, in the chat of the reply, that it changed whether they get messages.

    Once per reply, and once more for each edit that changes it again.
    The row has no order, so that their opting out does not keep it back.
    """
    event = kinds.OPT_OUT if opted_out else kinds.OPT_IN
    edit = f":{reply.edited_at.isoformat()}" if reply.edited_at else ""
    row = NotificationLog.objects.create(
        event=event,
        instance=reply.instance,
        store=customer.store,
        dedupe_key=f"reply:{reply.pk}:{event}{edit}",
        recipient=recipient(customer.phone),
        snapshot=snapshot_without_order(event, customer, reply.received_at).to_json(),
        expires_at=Now() + lifetime(event),
    )
    transaction.on_commit(partial(wakeups.publish, [row]), robust=True)
    return row


def add_answer(talk: Conversation, text: str, actor: User | None) -> NotificationLog:
    """Write what a person of the shop answers a customer, in the chat of what they wrote; gone by with the chat's time.

    About an order it stands in the order's sequence, so that what happened before is told before.
    """
    reply = talk.reply
    latest = OrderEvent.objects.filter(order=reply.order).order_by("-pk").first() if reply.order else None
    row = NotificationLog.objects.create(
        event=kinds.FREE_ANSWER,
        order=reply.order,
        order_event=latest,
        instance=reply.instance,
        store=reply.customer.store if reply.customer and not reply.order else None,
        dedupe_key=f"{kinds.FREE_ANSWER}:{uuid.uuid4()}",
        recipient=recipient(talk.phone),
        snapshot=snapshot_of_answer(text, reply, talk.phone).to_json(),
        expires_at=Least(Now() + lifetime(kinds.FREE_ANSWER), Value(talk.until)),
        requested_by=actor,
    )
    quiet.take_along([row])
    transaction.on_commit(partial(wakeups.publish, [row]), robust=True)
    return row


def add_test(instance: EvolutionInstance, phone: str) -> NotificationLog:
    """Put a message into the outbox that tells a number (E.164) nothing but that it arrived."""
    with transaction.atomic():
        row = NotificationLog.objects.create(
            event=kinds.TEST,
            instance=instance,
            dedupe_key=f"{kinds.TEST}:{uuid.uuid4()}",
            recipient=recipient(phone),
            snapshot=snapshot_of_test(instance.store).to_json(),
            expires_at=Now() + lifetime(kinds.TEST),
        )
        transaction.on_commit(partial(wakeups.publish, [row]), robust=True)
    return row


def add_text_test(instance: EvolutionInstance, phone: str, text: str, *, mark: str) -> tuple[NotificationLog, bool]:
    """Put this very text into the outbox as a test to a number (E.164); once for each mark, and whether it is new."""
    with transaction.atomic():
        row, is_new = NotificationLog.objects.get_or_create(
            dedupe_key=f"{kinds.TEST}:text:{mark}",
            defaults={
                "event": kinds.TEST,
                "instance": instance,
                "recipient": recipient(phone),
                "message": text,
                "snapshot": snapshot_of_test(instance.store).to_json(),
                "expires_at": Now() + lifetime(kinds.TEST),
            },
        )
        if is_new:
            transaction.on_commit(partial(wakeups.publish, [row]), robust=True)
    return row, is_new


def recipient(phone: str) -> str:
    """Who gets a message for this number: everybody's goes to the test number where there is one."""
    return settings.NOTIFICATIONS_OVERRIDE_RECIPIENT or phone


def lifetime(event: str) -> timedelta:
    """How long a message of this kind is still news."""
    kind = kinds.KINDS.get(event)
    usual = kind.lifetime.total_seconds() if kind and kind.lifetime else settings.NOTIFICATIONS.expires_after
    return timedelta(seconds=settings.NOTIFICATIONS_EXPIRES_AFTER_BY_KIND.get(event, usual))


def instance_of(store: Store) -> EvolutionInstance | None:
    """The instance that speaks for the store: its default, else its first, else the default store's.

    Never another shop's. None where neither has one; such messages end `skipped`, saying so.
    """
    own, of_default_store = _speakers(store)
    return own.first() or of_default_store.first()


def _speakers(store: Any) -> tuple[QuerySet[EvolutionInstance], QuerySet[EvolutionInstance]]:
    """Those of the store, the first first; and those of the default store."""
    ordered = EvolutionInstance.objects.order_by("-is_default", "pk")
    return ordered.filter(store=store), ordered.filter(store__is_default=True)
