"""One thing that is amiss, as the staff are told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from flowlog.models import Alarm
from flowlog.monitoring import figures
from flowlog.monitoring.words import messages_wait
from flowlog.staffpages.asking import counted
from integrations.models import NotificationLog

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

    def waiting(self) -> str:
        """How many messages wait for its end; nothing of what keeps none back. One query."""
        [words] = waiting_for([self])
        return words

    def kept_back(self, stores: frozenset[int] | None) -> QuerySet[NotificationLog]:
        """The messages, of these stores, that wait for its end, if it `keeps_back` any."""
        of: dict[str, Any] = {"instance": self.instance_id} if self.instance_id else {}
        if stores is not None:
            of["instance__store__in"] = stores
        return figures.waiting(**of)


def waiting_for(incidents: Sequence[Incident], stores: frozenset[int] | None = None) -> list[str]:
    """How many messages, of these stores, wait for the end of each; nothing of what keeps none back. One query."""
    kept = {number: one.kept_back(stores) for number, one in enumerate(incidents) if one.keeps_back}
    counts = dict(zip(kept, counted(kept.values(), figures.COUNTED), strict=True))
    return [
        messages_wait(counts[number], figures.COUNTED) if number in counts else "" for number in range(len(incidents))
    ]
