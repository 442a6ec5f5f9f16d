"""The messages that need a person: what failed, whatever the day, until it is sent again, dismissed or overtaken."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from integrations.messages import state_changes
from integrations.messages.corrected import taken_back
from integrations.messages.kinds import FREE_ANSWER
from integrations.models import NotificationLog

Status = NotificationLog.Status
# By then the look-ups that settle most of them by themselves have been made.
LONG_UNKNOWN = timedelta(minutes=15)
# Nobody needs to know how many more than this there are.
COUNTED = 1000
BATCH = 500


def need_a_person() -> QuerySet[NotificationLog]:
    """The messages that failed, or whose outcome nobody has known for long, and that are still to be seen to.

    Not those that were sent again (the new row counts if that fails, too), dismissed, or overtaken: a message of a
    later step of their order was sent. Those whose news was corrected since or whose text was erased can never be sent
    again, and are past. Neither the latter nor what was dismissed is in its index.
    """
    failed = Q(status=Status.FAILED) | Q(status=Status.UNKNOWN, first_attempt_at__lt=Now() - LONG_UNKNOWN)
    rows = NotificationLog.objects.filter(failed, unsettled())
    return rows.filter(~_resent(), ~_overtaken(), ~taken_back())


def settle() -> int:
    """Take out of the index what failed and was sent again or overtaken since: it can never need a person again, and
    each page would look at it anew. Returns how many there were."""
    past = NotificationLog.objects.filter(_resent() | _overtaken(), unsettled(), status=Status.FAILED).order_by("pk")
    total, keys = 0, [0]
    while keys:
        with transaction.atomic():
            free = past.filter(pk__gt=keys[-1]).select_for_update(of=("self",), skip_locked=True)
            keys = list(free.values_list("pk", flat=True)[:BATCH])
            state_changes.dismiss(NotificationLog.objects.filter(pk__in=keys))
        total += len(keys)
    return total


def _resent() -> Exists:
    return Exists(NotificationLog.objects.filter(resend_of=OuterRef("pk")))


def _overtaken() -> Q:
    """What a person wrote neither makes news known nor is made known by it."""
    later = NotificationLog.objects.filter(
        order=OuterRef("order"), status=Status.SENT, order_event__gt=OuterRef("order_event")
    )
    return Exists(later.exclude(event=FREE_ANSWER)) & ~Q(event=FREE_ANSWER)


def number(rows: QuerySet[NotificationLog]) -> int:
    """How many of `need_a_person` there are, counted up to `COUNTED` + 1."""
    return rows.order_by()[: COUNTED + 1].count()


def unsettled() -> Q:
    """What the index has: see `NotificationLog.Meta`."""
    return Q(status__in=("failed", "unknown"), dismissed_at__isnull=True, anonymised_at__isnull=True)
