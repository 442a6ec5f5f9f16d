"""Working webhooks off: one process at a time, many at once, each once.

Everything happens in the database, in one transaction per batch: what a worker that dies had begun is begun anew.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest, Least, Now

from integrations.gateways import registry
from integrations.inbound import lids, proofs, receipts, replies, states
from integrations.inbound.models import (
    CONNECTION_EVENTS,
    CONTACT_EVENTS,
    MESSAGES_UPDATE,
    SEND_MESSAGE,
    TOO_LARGE,
    WRITTEN,
    WebhookEvent,
)
from integrations.inbound.reading import reader_of
from integrations.inbound.verdicts import Handler, Verdict, Verdicts
from integrations.models import EvolutionInstance

logger = logging.getLogger(__name__)

# Of the Evolution API, in the order of what they lock: messages, instances, the rest (see `integrations.locks`).
HANDLERS: dict[str, Handler] = {
    MESSAGES_UPDATE: receipts.ingest,
    SEND_MESSAGE: proofs.ingest,
    **dict.fromkeys(CONNECTION_EVENTS, states.ingest),
    **dict.fromkeys(WRITTEN, replies.ingest),
    TOO_LARGE: replies.ingest_too_large,
    # Nothing is made of them but what every webhook may teach: whose a nameless address is.
    **dict.fromkeys(CONTACT_EVENTS, lambda _instance, _events: {}),
}
BATCH = 200
# Well within Celery's time limits.
TIME_BUDGET = 20.0
# A parked webhook is tried again when it is twice as old, within these.
RETRY_SOONEST, RETRY_LATEST = timedelta(seconds=2), timedelta(hours=1)
KEPT_PARKED = timedelta(days=1)
_LOCK = 0x666C_6F77  # any number that nothing else in this database uses


def known_events() -> list[str]:
    """The events of which something is made, whichever gateway tells them."""
    readers = [kind.reader for kind in registry.KINDS.values() if kind.reader]
    return [*HANDLERS, *sorted(name for reader in readers for name in reader.receipts | reader.messages)]


def process() -> int:
    """Work off what is due, until nothing is or another process is at it; returns how many webhooks were looked at."""
    ends, total = time.monotonic() + TIME_BUDGET, 0
    while time.monotonic() < ends:
        done = _process_batch()
        total += done
        if done < BATCH:
            break
    return total


def due() -> QuerySet[WebhookEvent]:
    """Webhooks that are to be worked off now."""
    return WebhookEvent.objects.filter(processed_at__isnull=True, due_at__lte=Now()).order_by("due_at", "pk")


def _process_batch() -> int:
    if not due().exists():
        return 0
    with transaction.atomic():
        if not _take_lock():
            return 0
        events = list(due()[:BATCH])
        verdicts: Verdicts = {}
        for instance, handler, group in _groups(sorted(events, key=lambda event: event.pk)):
            if instance is None:
                verdicts |= {event.pk: Verdict.UNKNOWN_INSTANCE for event in group}
            else:
                verdicts |= _handle(handler, instance, group)
        _write(events, verdicts)
    return len(events)


def keep_others_from_it() -> None:
    """Wait until nobody works webhooks off, and let nobody until this transaction ends.

    For who locks what they are about in an order of its own.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _take_lock() -> bool:
    """Whether no other process works webhooks off until this transaction ends.

    So they are worked off in the order of their arrival: SAIR before the VOLTAR that follows it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])


def _groups(
    events: Sequence[WebhookEvent],
) -> Iterator[tuple[EvolutionInstance | None, Handler, list[WebhookEvent]]]:
    """The webhooks by what they are about and whose they are, in the order of `HANDLERS`.

    One that only a later release makes something of, as after a roll-back, is in no group: it is done.
    """
    names = {event.instance_name for event in events}
    instances = {instance.name: instance for instance in EvolutionInstance.objects.filter(name__in=names)}
    groups: defaultdict[tuple[Handler, str], list[WebhookEvent]] = defaultdict(list)
    for event in events:
        if handler := _handler_of(event):
            groups[handler, event.instance_name].append(event)
    for handler in dict.fromkeys(HANDLERS.values()):
        for name in sorted(names):
            if group := groups.get((handler, name)):
                yield instances.get(name), handler, group


def _handler_of(event: WebhookEvent) -> Handler | None:
    reader = reader_of(event)
    if event.event in reader.receipts:
        return receipts.ingest
    return replies.ingest if event.event in reader.messages else HANDLERS.get(event.event)


def _handle(handler: Handler, instance: EvolutionInstance, events: list[WebhookEvent]) -> Verdicts:
    """Work the webhooks off together; one that fails in a way that nobody foresaw fails alone."""
    try:
        with transaction.atomic():
            learned = lids.learn(instance, events)
            verdicts = handler(instance, events)
            # Only now: it locks replies, and the handler perhaps messages, which come first (`integrations.locks`).
            replies.hear_again(instance, learned)
            return verdicts
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
        raise  # not theirs: the whole batch is tried again
    except Exception:
        if len(events) == 1:
            logger.exception("Webhook %s (%s) could not be worked off", events[0].pk, events[0].event)
            return {events[0].pk: Verdict.FAILED}
    alone: Verdicts = {}
    for event in events:
        alone |= _handle(handler, instance, [event])
    return alone


def _write(events: Sequence[WebhookEvent], verdicts: Verdicts) -> None:
    by_verdict: defaultdict[Verdict | None, list[int]] = defaultdict(list)
    for event in events:
        by_verdict[verdicts.get(event.pk)].append(event.pk)
    for verdict, pks in by_verdict.items():
        rows = WebhookEvent.objects.filter(pk__in=pks)
        if verdict is Verdict.SUPERSEDED:
            rows.delete()
        elif verdict is Verdict.PARKED:
            rows.filter(received_at__gt=Now() - KEPT_PARKED).update(due_at=_later())
            given_up = rows.filter(received_at__lte=Now() - KEPT_PARKED)
            given_up.update(processed_at=Now(), error=Verdict.UNKNOWN_MESSAGE)
        else:
            rows.update(processed_at=Now(), error=verdict or "")


def _later() -> Greatest:
    return Greatest(Now() + RETRY_SOONEST, Least(Now() + (Now() - F("received_at")), Now() + RETRY_LATEST))
