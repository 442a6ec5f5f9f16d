"""The moves of a message from one status to the next; `PROTOCOL.md` has the diagram.

Each takes the rows that the caller has narrowed down, is one UPDATE and returns how many rows it moved. Whoever
settles a message in `sending` or `unknown` narrows them down by claim token and status.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Least, Now

from integrations.models import NotificationLog
from notifications import retries
from notifications.errors import sentence

type Rows = QuerySet[NotificationLog]
type Moment = datetime | Combinable

Status = NotificationLog.Status

# A message that is about to expire gets its last try this long before.
LAST_CHANCE = timedelta(seconds=60)
_AT_REST: dict[str, Any] = {"lease_until": None, "lookup_at": None}


def to_sent(rows: Rows, provider_message_id: str, *, sent_at: Moment | None = None) -> int:
    """It went out, now unless said otherwise."""
    return rows.update(
        status=Status.SENT,
        sent_at=sent_at or Now(),
        provider_message_id=provider_message_id,
        error_code="",
        error_message="",
        **_AT_REST,
    )


def put_back(rows: Rows, *, code: str = "", **changes: Any) -> int:
    """It did not go out: to be sent again, in its turn; `changes` may say when."""
    return rows.update(status=Status.PENDING, woken_at=None, wakes=0, **reason(code), **_AT_REST, **changes)


def retry(rows: Rows, due: Moment, *, code: str) -> int:
    """It did not go out: to be sent again when `due`, or in time before it expires; else it has expired."""
    in_time = rows.filter(expires_at__gt=Now() + LAST_CHANCE + retries.shortest())
    last_chance = F("expires_at") - LAST_CHANCE
    return put_back(in_time, code=code, next_attempt_at=Least(due, last_chance)) or to_failed(rows, "expired")


def to_unknown(rows: Rows, code: str, *, lookup_at: Moment) -> int:
    """Nobody knows whether it went out; to be looked up then."""
    changes = {**_AT_REST, "lookup_at": lookup_at}
    return rows.update(status=Status.UNKNOWN, woken_at=None, wakes=0, **reason(code), **changes)


def to_failed(rows: Rows, code: str, **changes: Any) -> int:
    """It will not go out, or nobody will ever know."""
    return rows.update(status=Status.FAILED, **{**reason(code), **_AT_REST, **changes})


def to_skipped(rows: Rows, code: str) -> int:
    """It may not be sent."""
    return rows.update(status=Status.SKIPPED, **reason(code), **_AT_REST)


def to_cancelled(rows: Rows, **changes: Any) -> int:
    """Somebody did not want it to be sent."""
    return rows.update(status=Status.CANCELLED, error_code="", error_message="", **_AT_REST, **changes)


def reason(code: str) -> dict[str, str]:
    """The code and the staff's sentence for it; both empty without a code."""
    return {"error_code": code, "error_message": sentence(code) if code else ""}
