"""The way of an import: uploaded, looked at as often as one likes, confirmed, carried out as a whole or not at all."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from flowlog import publishing
from flowlog.publishing import WakeUp
from flowlog.staffpages import people, stores
from orders import spreadsheets
from orders.import_models import DataImport
from orders.imports import customer_rows, order_rows
from orders.imports.plans import Plan, sentences
from orders.models import Store

logger = logging.getLogger(__name__)

TASK = "orders.tasks.work_off_import"
# Nobody waits for a page that makes more.
IN_BACKGROUND_FROM = 100
# Who uploads a file looks at what it would do and decides; then it has been there long enough.
KEPT = timedelta(hours=1)
# The sentences about what was not right may name people; what was imported stays in the store's history.
RESULT_KEPT = timedelta(days=1)
_STANDS_STILL = timedelta(seconds=60)
_LOCKS = 0x696D_706F  # any number that no other locks of two keys in this database have
_LANGUAGE = "pt-br"
_ROWS: dict[str, Any] = {DataImport.Kind.ORDERS: order_rows, DataImport.Kind.CUSTOMERS: customer_rows}


class _RefusedError(Exception):
    """Something cannot be imported, and so nothing is; `lines` are pairs of line and sentence."""

    def __init__(self, lines: list[list[Any]]) -> None:
        super().__init__(lines)
        self.lines = lines


def upload(
    kind: DataImport.Kind, store: Store, actor: User, *, file_name: str, content: bytes, source: str = ""
) -> DataImport:
    """Keep the file for its time. Raises `ValidationError` if nothing can be read of it, `PermissionDenied` for a
    store that is not the actor's."""
    stores.require(actor, store)
    wanted = DataImport(
        kind=kind, store=store, actor=actor, file_name=file_name[:200], content=content, source=source.strip()
    )
    plan(wanted)
    wanted.save()
    return wanted


def plan(wanted: DataImport) -> Plan[Any]:
    """What it would do; nothing is changed. Raises `ValidationError`."""
    table = spreadsheets.read(bytes(wanted.content or b""))
    found: Plan[Any] = _ROWS[wanted.kind].plan(wanted, table)
    return found


@transaction.atomic
def confirm(wanted: DataImport, *, notify: bool, documents: str, count: int) -> None:
    """Carry the import out: at once, or in the background where it has many rows. Who comes second does nothing."""
    first = DataImport.objects.filter(pk=wanted.pk, confirmed_at=None, content__isnull=False)
    if not first.update(confirmed_at=Now(), notify=notify, documents=documents):
        return
    if count < IN_BACKGROUND_FROM:
        carry_out(wanted.pk)
    else:
        transaction.on_commit(partial(_wake, wanted.pk), robust=True)


def carry_out(pk: int) -> None:
    """Make everything of a confirmed import, in one transaction. Who comes meanwhile does nothing."""
    with transaction.atomic(), translation.override(_LANGUAGE):
        unfinished = DataImport.objects.filter(pk=pk, confirmed_at__isnull=False, finished_at=None)
        wanted = unfinished.select_for_update(skip_locked=True, of=("self",)).select_related("store", "actor").first()
        if wanted is None:
            return
        try:
            _require_actor(wanted)
            with transaction.atomic():
                wanted.made, wanted.known = _make_all(wanted)
        except _RefusedError as refusal:
            wanted.refusals = refusal.lines
        except Exception:
            logger.exception("Import %s cannot be carried out", pk)
            wanted.refusals = [[0, _("Something went wrong on our side. Nothing was imported; try it again later.")]]
        wanted.content, wanted.finished_at = None, Now()
        wanted.save(update_fields=["made", "known", "refusals", "content", "finished_at"])
        if not wanted.refusals:
            _log(wanted)


def wake_idle() -> int:
    """Wake the imports that stand still, and forget those whose time is over; returns how many woke."""
    unconfirmed = Q(confirmed_at=None, created_at__lt=Now() - KEPT)
    DataImport.objects.filter(unconfirmed | Q(finished_at__lt=Now() - RESULT_KEPT)).delete()
    idle = DataImport.objects.filter(
        content__isnull=False, finished_at=None, confirmed_at__lt=Now() - _STANDS_STILL
    ).values_list("pk", flat=True)[:100]
    wake_ups = [WakeUp(TASK, (pk,), f"({pk},)") for pk in idle]
    return publishing.publish(wake_ups, expires=_STANDS_STILL.total_seconds()) if wake_ups else 0


def _wake(pk: int) -> None:
    publishing.publish([WakeUp(TASK, (pk,), f"({pk},)")], expires=_STANDS_STILL.total_seconds())


def _require_actor(wanted: DataImport) -> None:
    """Whoever confirmed it may have been let go, or have lost the store, before a worker came to it."""
    name = "order" if wanted.kind == DataImport.Kind.ORDERS else "customer"
    may = people.may_still(wanted.actor, f"orders.import_{name}", f"orders.add_{name}")
    if not (wanted.actor and may and stores.is_within(wanted.store, wanted.actor)):
        raise _RefusedError([[0, _("Whoever confirmed the import may not import here any more.")]])


def _make_all(wanted: DataImport) -> tuple[int, int]:
    with connection.cursor() as cursor:
        # Two imports of a store that lock the same customers in two orders would wait for each other in a ring.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCKS, wanted.store_id])
    try:
        found = plan(wanted)
    except ValidationError as refusal:
        raise _RefusedError([[0, words] for words in sentences(refusal)]) from None
    unanswered = [] if wanted.documents else found.questions
    if found.problems or unanswered:
        raise _RefusedError([[said.line, said.words] for said in (*found.problems, *unanswered)])
    made = 0
    for row in found.rows:
        try:
            made += _ROWS[wanted.kind].make(wanted, row)
        except ValidationError as refusal:
            raise _RefusedError([[row.line, words] for words in sentences(refusal)]) from None
    return made, len(found.known)


def _log(wanted: DataImport) -> None:
    if wanted.actor is None:
        return
    if wanted.kind == DataImport.Kind.ORDERS:
        words = ngettext(
            "Imported %(count)d order from %(file)s.", "Imported %(count)d orders from %(file)s.", wanted.made
        )
    else:
        words = ngettext(
            "Imported %(count)d customer from %(file)s.", "Imported %(count)d customers from %(file)s.", wanted.made
        )
    LogEntry.objects.create(
        user=wanted.actor,
        content_type=ContentType.objects.get_for_model(Store),
        object_id=str(wanted.store_id),
        object_repr=wanted.store.name[:200],
        action_flag=CHANGE,
        change_message=words % {"count": wanted.made, "file": wanted.file_name},
    )
