"""One thing that is amiss, as the staff are told of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flowlog.models import Alarm
from flowlog.monitoring import figures
from flowlog.monitoring.words import messages_wait

_KEEP_BACK = frozenset({Alarm.Kind.SILENT_WORKER, Alarm.Kind.LATE_SWEEP, Alarm.Kind.HELD_INSTANCE})


@dataclass(frozen=True, slots=True)
class Incident:
    """What it is, and since when. `address` is the page of the admin to look at next.

    `kind` and `name` together are what tells it from every other, also from one look to the next.
    """

    kind: str
    name: str
    since: datetime | None
    headline: str
    detail: str
    address: str
    permission: str
    instance_id: int | None = None
    # None: everybody's.
    store_id: int | None = None

    @property
    def keeps_back(self) -> bool:
        """Whether messages wait for its end."""
        return self.kind in _KEEP_BACK

    def waiting(self, stores: frozenset[int] | None = None) -> str:
        """How many messages wait for its end, of these stores; nothing of what keeps none back. One query."""
        if not self.keeps_back:
            return ""
        of: dict[str, Any] = {"instance": self.instance_id} if self.instance_id else {}
        if stores is not None:
            of["instance__store__in"] = stores
        return messages_wait(figures.waiting(**of), figures.COUNTED)
