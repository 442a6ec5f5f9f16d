"""Exports that are made in the background: begun, written by a worker, fetched by whoever asked for them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest, QueryDict
from django.utils import translation

from flowlog import publishing
from flowlog.publishing import WakeUp
from orders.export_models import DataExport
from orders.sheet_files import Value, xlsx_file

logger = logging.getLogger(__name__)

TASK = "orders.tasks.work_off_export"
# Once it is there it is fetched, or begun anew.
KEPT = timedelta(hours=1)
_GIVEN_UP = timedelta(days=1)
_STANDS_STILL = timedelta(seconds=60)
_TELLS_EVERY = 500
_LANGUAGE = "pt-br"


@transaction.atomic
def start(model: str, query: str, actor: User, total: int) -> DataExport:
    """Have a worker write what the model's list shows to this person, by the query of its address; once at a time."""
    same = DataExport.objects.filter(model=model, query=query, actor=actor, finished_at=None)
    if waits := same.first():
        return waits
    wanted = DataExport.objects.create(model=model, query=query, actor=actor, total=total)
    transaction.on_commit(partial(_wake, wanted.pk), robust=True)
    return wanted


def carry_out(pk: int) -> None:
    """Write the file, if none is written at the moment; whatever a worker that died had written is lost.

    One at a time: the workers have customers' answers and the sweep to see to.
    """
    if DataExport.objects.filter(~_still(), finished_at=None, moved_at__isnull=False).exclude(pk=pk).exists():
        return
    unfinished = DataExport.objects.filter(Q(moved_at=None) | _still(), pk=pk, finished_at=None)
    if not unfinished.update(moved_at=Now(), position=0):
        return
    wanted = DataExport.objects.select_related("actor").get(pk=pk)
    content = None
    try:
        with translation.override(_LANGUAGE):
            content = _file(wanted)
    except Exception:
        logger.exception("Export %s cannot be written", pk)
    _end(pk, content)


def give_up(pk: int) -> None:
    """Whoever wrote the file was ended before it was there, since it takes too long: its person is told so."""
    logger.error("Export %s takes too long", pk)
    _end(pk, None)


def _end(pk: int, content: bytes | None) -> None:
    DataExport.objects.filter(pk=pk, finished_at=None).update(content=content, finished_at=Now())
    if others := DataExport.objects.filter(moved_at=None, finished_at=None).order_by("pk").first():
        _wake(others.pk)


def wake_idle() -> int:
    """Wake the exports that stand still, and forget those whose time is over; returns how many woke."""
    DataExport.objects.filter(Q(finished_at__lt=Now() - KEPT) | Q(created_at__lt=Now() - _GIVEN_UP)).delete()
    never_begun = Q(moved_at=None, created_at__lt=Now() - _STANDS_STILL)
    idle = DataExport.objects.filter(never_begun | _still(), finished_at=None).values_list("pk", flat=True)[:100]
    wake_ups = [WakeUp(TASK, (pk,), f"({pk},)") for pk in idle]
    return publishing.publish(wake_ups, expires=_STANDS_STILL.total_seconds()) if wake_ups else 0


def _still() -> Q:
    return Q(moved_at__lt=Now() - _STANDS_STILL)


def _wake(pk: int) -> None:
    publishing.publish([WakeUp(TASK, (pk,), f"({pk},)")], expires=_STANDS_STILL.total_seconds())


def _file(wanted: DataExport) -> bytes | None:
    """The file; None if its person may not have it any more."""
    page: Any = next(each for model, each in admin.site._registry.items() if model._meta.label_lower == wanted.model)
    request = HttpRequest()
    request.method, request.user, request.GET = "GET", wanted.actor, QueryDict(wanted.query)
    if not page.may_export(request):
        return None
    values = _told(wanted, page.export_values(page.exported_rows(request), _LANGUAGE))
    with xlsx_file(page.export_headings(), values, str(page.export_name)) as file:
        return file.read()


def _told(wanted: DataExport, values: Iterator[list[Value]]) -> Iterator[list[Value]]:
    for number, line in enumerate(values):
        if number % _TELLS_EVERY == 0:
            DataExport.objects.filter(pk=wanted.pk).update(position=number, moved_at=Now())
        yield line
