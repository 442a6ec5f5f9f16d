"""In whose name the services are called while a request is worked on, so that the timeline can say it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from api.models import ApiToken, OrderChange
from orders.models import OrderEvent
from orders.signals import StatusChange


@dataclass(slots=True)
class Work:
    """What the token's request has done so far: the entries in timelines, oldest first."""

    token: ApiToken
    events: list[OrderEvent] = field(default_factory=list)


_current: ContextVar[Work | None] = ContextVar("api_work", default=None)


@contextmanager
def in_the_name_of(token: ApiToken) -> Iterator[Work]:
    """Whatever happens to orders inside is this token's doing."""
    work = Work(token)
    reset = _current.set(work)
    try:
        yield work
    finally:
        _current.reset(reset)


def note(*, changes: list[StatusChange], **_kwargs: Any) -> None:
    """Receives `order_status_changed`."""
    if work := _current.get():
        work.events += [change.event for change in changes]
        OrderChange.objects.bulk_create(OrderChange(event=change.event, token=work.token) for change in changes)
