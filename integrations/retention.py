"""Keeping tidy: what nobody needs any more is deleted, and what must stay forgets whom it was about.

Orders, their timeline and customers are the shop's own books and are not touched here (`orders.erasure` does, on
request). A message keeps what became of it, its order's code and its id at the gateway, so that figures stay right and
late receipts still find it.

Every batch is a short transaction of its own that passes by rows which somebody else has locked, so that any number of
processes may tidy up at once, beside deliveries.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import time as time_of_day
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from flowlog import heartbeats, publishing
from flowlog.publishing import WakeUp
from flowlog.staffpages.asking import counted
from flowlog.staffpages.once import UsedForm
from flowlog.staffpages.paging import MoreThan
from integrations.inbound.models import KEEPS_WORDS, SEND_MESSAGE
from integrations.messages import attention, state_changes
from integrations.models import (
    CarrierNews,
    CustomerReply,
    DeliveryAttempt,
    EvolutionInstance,
    LidNumber,
    NotificationLog,
    ShopNews,
    WebhookEvent,
)

TASK = "integrations.tasks.purge"
NIGHT = time_of_day(3, 30)
BATCH = 500
# What a connected system told, and somebody was to see to, waits for them so many times as long.
UNSEEN = 4
# A year's rows are not worth minutes of counting: as many as a list counts.
COUNTED = 1000
# A task stops after so many seconds and has itself called again, behind what waits for its worker meanwhile.
TIME_BUDGET = 5.0
GO_ON_AFTER = 1.0
GO_ON_EXPIRES = 3600.0

type Rows = QuerySet[Any]


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows were anonymised (the first three) and deleted; `more` if time was over before the end."""

    messages: int = 0
    replies: int = 0
    instances: int = 0
    lids: int = 0
    attempts: int = 0
    webhooks: int = 0
    carrier_news: int = 0
    shop_news: int = 0
    used_forms: int = 0
    more: bool = field(default=False, kw_only=True)

    def counts(self) -> dict[str, int]:
        """The numbers by their names."""
        return {name: number for name, number in asdict(self).items() if name != "more"}


@dataclass(frozen=True, slots=True)
class _Job:
    """Rows that are `due`, given what is older than the setting's days, and what is done with a batch of them.

    A row that was worked on is due no longer. `by` is the order in which an index gives them.
    """

    name: str
    setting: str
    due: Callable[[timedelta], Rows]
    work: Callable[[Rows], object]
    by: str = "pk"

    def rows(self) -> Rows | None:
        """All that are due now; None if they are kept for ever."""
        days: int = getattr(settings, self.setting)
        return self.due(timedelta(days=days)) if days else None


def due() -> Purged:
    """How much there is to do, counted up to `COUNTED`: a number beyond it is a `MoreThan`. Changes nothing."""
    rows = {job.name: found for job in _JOBS if (found := job.rows()) is not None}
    counts = zip(rows, counted(rows.values(), COUNTED), strict=True)
    of_each: dict[str, Any] = {name: MoreThan(COUNTED) if number > COUNTED else number for name, number in counts}
    return Purged(**of_each)


def kept_for_ever() -> set[str]:
    """The names of what is never purged, by setting."""
    return {job.name for job in _JOBS if not getattr(settings, job.setting)}


def purge(patience: float = math.inf) -> Purged:
    """Anonymise and delete what is due, for about so many seconds."""
    ends, purged = time.monotonic() + patience, Purged()
    for job in _JOBS:
        rows = job.rows()
        if rows is None:
            continue
        done, more = _in_batches(rows, job, ends)
        purged = replace(purged, **{job.name: done}, more=purged.more or more)
    return purged


def purge_in_turns() -> None:
    """Purge for a while; if that was not all, have the task called again. If that gets lost, the next night goes on."""
    if purge(TIME_BUDGET).more:
        publishing.publish([WakeUp(TASK)], expires=GO_ON_EXPIRES, countdown=GO_ON_AFTER)


def purge_each_night(host: str) -> None:
    """Begin the purge, once since it was last `NIGHT`: also hours later, if nothing ran at that time."""
    if not heartbeats.done_since(heartbeats.NIGHTLY, NIGHT):
        attention.settle()
        purge_in_turns()
        heartbeats.beat(heartbeats.NIGHTLY, host)


def _in_batches(rows: Rows, job: _Job, ends: float) -> tuple[int, bool]:
    """Do the job; returns how many rows it was done to, and whether there may be more."""
    total = 0
    after: dict[str, Any] = {}
    while time.monotonic() < ends:
        with transaction.atomic():
            free = rows.filter(**after).select_for_update(of=("self",), skip_locked=True).order_by(job.by, "pk")
            found = list(free.values_list("pk", job.by)[:BATCH])
            if found:
                job.work(_only(rows.model, [pk for pk, _place in found]))
        total += len(found)
        if len(found) < BATCH:
            return total, False
        after = {f"{job.by}__gte": found[-1][1]}
    return total, True


def _only(model: type[Model], pks: list[int]) -> Rows:
    return model._default_manager.filter(pk__in=pks)


def _messages(age: timedelta) -> Rows:
    old = NotificationLog.objects.filter(anonymised_at__isnull=True, created_at__lt=Now() - age)
    return old.exclude(status__in=NotificationLog.UNFINISHED)


def anonymise_messages(rows: Rows) -> None:
    """Take text, number and person from messages, and what the gateway answered from their attempts.

    `rows` must still be the same ones afterwards.
    """
    state_changes.anonymise(rows)
    attempts = DeliveryAttempt.objects.filter(notification__in=rows.values("pk"))
    attempts.exclude(response_body="").update(response_body="")


def _replies(age: timedelta) -> Rows:
    """What somebody wrote, and that somebody did of whom nobody knows who it is."""
    return CustomerReply.objects.filter(KEEPS_WORDS, received_at__lt=Now() - age)


def erase_replies(rows: Rows) -> None:
    rows.filter(customer=None).delete()
    rows.update(text="", file_name="", earlier_texts=[])


def _lids(age: timedelta) -> Rows:
    """The next receipt tells those again that are still needed."""
    return LidNumber.objects.filter(learned_at__lt=Now() - age)


def _instances(age: timedelta) -> Rows:
    """Those that remember a number to which nothing was said lately."""
    lately = NotificationLog.objects.filter(
        instance=OuterRef("pk"), recipient=OuterRef("failed_recipient"), created_at__gte=Now() - age
    )
    return EvolutionInstance.objects.filter(~Exists(lately)).exclude(failed_recipient="")


def _attempts(age: timedelta) -> Rows:
    old = DeliveryAttempt.objects.filter(started_at__lt=Now() - age)
    # The others still count: they say how often a message was tried, and whether it may have gone out.
    return old.exclude(notification__status__in=NotificationLog.UNFINISHED)


def _webhooks(age: timedelta) -> Rows:
    unknown = NotificationLog.objects.filter(
        status=NotificationLog.Status.UNKNOWN, instance__name=OuterRef("instance_name")
    )
    old = WebhookEvent.objects.filter(received_at__lt=Now() - age, processed_at__isnull=False)
    # It may be the proof that a message of unknown outcome was sent.
    return old.exclude(Exists(unknown), event=SEND_MESSAGE)


def _told(news: type[CarrierNews | ShopNews], age: timedelta) -> Rows:
    """What is worked off, or never will be, since its connection is off; what needs a person as long as nobody has seen
    to it, but not for ever."""
    old = news._default_manager.filter(received_at__lt=Now() - age)
    unseen = Q(connection__isnull=False, result__in=news.NEED_A_PERSON, seen_at__isnull=True)
    kept = unseen & Q(received_at__gte=Now() - age * UNSEEN)
    return old.filter(Q(due_at__isnull=True) | Q(connection__is_on=False)).exclude(kept)


def _carrier_news(age: timedelta) -> Rows:
    """What came to nothing. News that changed an order is part of its timeline, without what was sent as it was."""
    return _told(CarrierNews, age).exclude(result=CarrierNews.Result.APPLIED, body=b"")


def forget_carrier_news(rows: Rows) -> None:
    rows.exclude(result=CarrierNews.Result.APPLIED).delete()
    rows.update(body=b"", headers={})


def _shop_news(age: timedelta) -> Rows:
    """The same. That news has moved an order on is remembered: what is older than it comes too late."""
    return _told(ShopNews, age).exclude(result=ShopNews.Result.APPLIED, body=b"")


def forget_shop_news(rows: Rows) -> None:
    rows.exclude(result=ShopNews.Result.APPLIED).delete()
    rows.update(body=b"", headers={})


def _used_forms(age: timedelta) -> Rows:
    return UsedForm.objects.filter(used_at__lt=Now() - age)


_JOBS = (
    _Job("messages", "RETENTION_ANONYMISE_AFTER_DAYS", _messages, anonymise_messages, by="created_at"),
    _Job("replies", "RETENTION_ANONYMISE_AFTER_DAYS", _replies, erase_replies, by="received_at"),
    _Job("instances", "RETENTION_ANONYMISE_AFTER_DAYS", _instances, lambda rows: rows.update(failed_recipient="")),
    _Job("lids", "RETENTION_ANONYMISE_AFTER_DAYS", _lids, lambda rows: rows.delete()),
    _Job("attempts", "RETENTION_ATTEMPTS_DAYS", _attempts, lambda rows: rows.delete(), by="started_at"),
    _Job("webhooks", "RETENTION_WEBHOOKS_DAYS", _webhooks, lambda rows: rows.delete(), by="received_at"),
    _Job("carrier_news", "RETENTION_WEBHOOKS_DAYS", _carrier_news, forget_carrier_news),
    _Job("shop_news", "RETENTION_WEBHOOKS_DAYS", _shop_news, forget_shop_news),
    _Job("used_forms", "RETENTION_USED_FORMS_DAYS", _used_forms, lambda rows: rows.delete(), by="used_at"),
)
