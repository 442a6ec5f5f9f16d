"""Messages of known and unknown outcome."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from flowlog.devtools.sandbox.faults import Fault
from integrations.models import DeliveryAttempt, NotificationLog
from notifications.delivery import deliver
from tests.factories import make_order
from tests.integrations.sandbox import SandboxProcess

Status = NotificationLog.Status
Finding = DeliveryAttempt.Result


def row_of(**values: Any) -> NotificationLog:
    return NotificationLog.objects.get(order=make_order(notify=True, **values))


def fresh(row: NotificationLog) -> NotificationLog:
    return NotificationLog.objects.get(pk=row.pk)


def sent(**values: Any) -> NotificationLog:
    """A message that went out as it should, so that a control query has something to find."""
    row = row_of(**values)
    deliver(row.pk)
    assert fresh(row).status == Status.SENT
    return fresh(row)


def unknown(gateway: SandboxProcess, fault: Fault, **values: Any) -> NotificationLog:
    """A message that met the fault, with its first look-up due now."""
    row = row_of(**values)
    gateway.fault(fault)
    deliver(row.pk)
    assert fresh(row).status == Status.UNKNOWN
    NotificationLog.objects.filter(pk=row.pk).update(lookup_at=Now())
    return fresh(row)


def age(row: NotificationLog, seconds: float) -> None:
    """Let its request, and what reached the phone, lie that far back."""
    back = timedelta(seconds=seconds)
    row.delivery_attempts.update(started_at=F("started_at") - back)
    NotificationLog.objects.filter(pk=row.pk).update(
        first_attempt_at=F("first_attempt_at") - back, lookup_at=F("lookup_at") - back
    )


def findings(row: NotificationLog) -> list[tuple[str, str]]:
    looks = row.delivery_attempts.filter(kind=DeliveryAttempt.Kind.LOOK_UP)
    return list(looks.values_list("outcome", "error_code"))
