"""The moves of a message: from one status to the next, to another place in the queue, to another time.

`notifications/PROTOCOL.md` has the diagram of the first. Whoever changes a row that exists does it by one of these;
rows are made by `notifications.outbox` and by a resend. Each takes the rows that the caller has narrowed down, is one
UPDATE and returns how many rows it changed. Whoever settles a message in `sending` or `unknown` narrows them down by
claim token and status; in which order they are locked, `integrations.locks` says.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Greatest, Least, Now

from integrations.messages import retries
from integrations.messages.sentences import sentence
from integrations.messages.snapshot import anonymised_column
from integrations.models import DeliveryAttempt, NotificationLog

type Rows = QuerySet[NotificationLog]
type Moment = datetime | Combinable

Status = NotificationLog.Status

# A message that is about to expire gets its last try this long before.
LAST_CHANCE = timedelta(seconds=60)
# After so many tries that only the instance was to blame for, a message waits longer each time and lets others try: it
# may be the trouble itself.
FRUITLESS_ATTEMPTS = 3
_AT_REST: dict[str, Any] = {"lease_until": None, "lookup_at": None}
_UNWOKEN: dict[str, Any] = {"woken_at": None, "wakes": 0}


# From one status to the next.


def to_sending(rows: Rows, token: uuid.UUID, *, lease_until: Moment, task_id: str) -> int:
    """A worker has claimed it: nobody without the token may settle it until then."""
    return rows.update(status=Status.SENDING, claim_token=token, lease_until=lease_until, celery_task_id=task_id)


def to_sent(rows: Rows, provider_message_id: str, *, sent_at: Moment | None = None, **changes: Any) -> int:
    """It went out, now unless said otherwise."""
    return rows.update(
        status=Status.SENT,
        sent_at=sent_at or Now(),
        provider_message_id=provider_message_id,
        error_code="",
        error_message="",
        **_AT_REST,
        **changes,
    )


def put_back(rows: Rows, *, code: str = "", **changes: Any) -> int:
    """It did not go out: to be sent again, in its turn; `changes` may say when."""
    return rows.update(status=Status.PENDING, **_reason(code), **_UNWOKEN, **_AT_REST, **changes)


def retry(rows: Rows, due: Moment, *, code: str) -> int:
    """It did not go out: to be sent again when `due`, or in time before it expires; else it has expired."""
    in_time = rows.filter(expires_at__gt=Now() + LAST_CHANCE + retries.shortest())
    last_chance = F("expires_at") - LAST_CHANCE
    return put_back(in_time, code=code, next_attempt_at=Least(due, last_chance)) or to_failed(rows, "expired")


def to_unknown(rows: Rows, code: str, *, lookup_at: Moment) -> int:
    """Nobody knows whether it went out; to be looked up then."""
    changes = {**_AT_REST, "lookup_at": lookup_at}
    return rows.update(status=Status.UNKNOWN, **_reason(code), **_UNWOKEN, **changes)


def to_failed(rows: Rows, code: str, **changes: Any) -> int:
    """It will not go out, or nobody will ever know."""
    return rows.update(status=Status.FAILED, **{**_reason(code), **_AT_REST, **changes})


def to_skipped(rows: Rows, code: str) -> int:
    """It may not be sent."""
    return rows.update(status=Status.SKIPPED, **_reason(code), **_AT_REST)


def to_cancelled(rows: Rows, *, code: str = "", **changes: Any) -> int:
    """Somebody did not want it to be sent; with a code it says why."""
    return rows.update(status=Status.CANCELLED, **{**_reason(code), **_AT_REST, **changes})


# To another place in the queue, or to another time.


def due_now(rows: Rows) -> int:
    """Due at once, where it stood before it had to pause: as if it had had no try."""
    return rows.update(next_attempt_at=F("created_at"))


def put_first(row: NotificationLog) -> int:
    """Before all that wait at its instance."""
    waiting = NotificationLog.objects.filter(instance=row.instance_id, status=Status.PENDING)
    first = waiting.order_by("next_attempt_at").values("next_attempt_at")[:1]
    return _only(row).update(next_attempt_at=Subquery(first) - timedelta(milliseconds=1))


def unblock(rows: Rows) -> int:
    """Nothing is before it in its order (any more)."""
    return rows.update(blocked=False)


def outlast(rows: Rows, days: int, *, lifetime: timedelta) -> int:
    """It may wait so many days beyond `lifetime`, counted from when it was made; none is made to expire earlier."""
    return rows.update(expires_at=Greatest(F("expires_at"), F("created_at") + lifetime + timedelta(days=days)))


def explain(rows: Rows, code: str) -> int:
    """It stays as it is, and says why."""
    return rows.update(**_reason(code))


def look_up_now(rows: Rows) -> int:
    """To be looked up at once."""
    return look_up_at(rows, Now())


def look_up_at(rows: Rows, moment: Moment) -> int:
    """To be looked up then."""
    return rows.update(lookup_at=moment)


# While it is in hand, and what is heard of it.


def begin_attempt(rows: Rows, *, message: str, recipient: str) -> int:
    """The request with this text goes out now; its attempt counts."""
    return rows.update(
        attempts=F("attempts") + 1,
        first_attempt_at=Coalesce("first_attempt_at", Now()),
        message=message,
        recipient=recipient,
    )


def woken(rows: Rows, **changes: Any) -> int:
    """A wake-up is published for it."""
    return rows.update(woken_at=Now(), wakes=Least(F("wakes") + 1, Value(100)), **changes)


def woken_to_send(rows: Rows) -> int:
    """The same, and it is due now if it was not."""
    return woken(rows, next_attempt_at=Least("next_attempt_at", Now()))


def unwoken(rows: Rows) -> int:
    """The wake-up did not go out: as if it had never been woken."""
    return rows.update(**_UNWOKEN)


def note_receipts(rows: Collection[NotificationLog]) -> int:
    """Write the receipts, when they came, and why it was not delivered, as they are on these objects."""
    return NotificationLog.objects.bulk_update(rows, ["receipt", "error_code", "delivered_at", "read_at"])


def dismiss(rows: Rows, **changes: Any) -> int:
    """Nothing is to be done about it any more; what it is stays."""
    return rows.update(dismissed_at=Now(), **changes)


def anonymise(rows: Rows) -> int:
    """Take text, number and person from it."""
    return rows.update(message="", recipient="", snapshot=anonymised_column("snapshot"), anonymised_at=Now())


# Tries in vain.


def pauses(sends: Any, attempts: Any) -> Any:
    """How many pauses a message has earned by its tries in vain, none below 1: numbers, or expressions of SQL.

    `sends` are all its tries, `attempts` those that counted. Each pause is longer than the one before.
    """
    return sends - attempts - FRUITLESS_ATTEMPTS + 1


def hardly_suspect(rows: Rows) -> Rows:
    """Those that were sent at least once, and have paused for tries in vain once at most."""
    sends = DeliveryAttempt.objects.filter(notification=OuterRef("pk"), kind=DeliveryAttempt.Kind.SEND)
    number = sends.order_by().values("notification").annotate(number=Count("pk")).values("number")
    return rows.alias(pauses=pauses(Subquery(number), F("attempts"))).filter(pauses__lte=1)


def _only(row: NotificationLog) -> Rows:
    return NotificationLog.objects.filter(pk=row.pk)


def _reason(code: str) -> dict[str, str]:
    """The code and the staff's sentence for it; both empty without a code."""
    return {"error_code": code, "error_message": sentence(code) if code else ""}
