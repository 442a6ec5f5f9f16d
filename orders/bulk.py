"""One transition of very many orders, in the background: no page waits for it, and no worker that dies loses any of it.

A job is a row. Each chunk of its orders is changed in the transaction that notes how far the job has come, so that an
order is neither left out nor changed twice, whoever dies or comes twice. Wake-ups may get lost: beat looks for jobs
that stand still. Whoever began it must still be allowed to at each chunk, and may stop it between two.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext as _

from flowlog import publishing
from flowlog.prepared import among
from flowlog.publishing import WakeUp
from flowlog.staffpages import people
from flowlog.staffpages.people import name_of
from flowlog.staffpages.stores import within
from orders.desk_models import BulkJob
from orders.models import Order
from orders.services import BulkResult, apply_transition_to
from orders.transitions import clean_data, get_transition

logger = logging.getLogger(__name__)

TASK = "orders.tasks.work_off_bulk_job"
PERMISSION = "orders.change_order"
# From so many orders on nobody should wait for the page.
IN_BACKGROUND_FROM = 200
# Locked together, and told of together.
CHUNK = 500
# A task goes on for so many seconds and has itself called again, behind what waits for its worker meanwhile.
TIME_BUDGET = 5.0
WAKE_UP_EXPIRES = 600.0
STANDS_STILL = timedelta(seconds=30)
LANGUAGE = "pt-br"


@transaction.atomic
def start_bulk(
    orders: Iterable[Order],
    name: str,
    actor: User,
    *,
    notify: bool = True,
    data: Mapping[str, Any] | None = None,
    each: Mapping[int, Mapping[str, Any]] | None = None,
) -> BulkJob:
    """Begin a job that applies the transition to these orders, which the actor may change; it goes on after the commit.

    `data` is for all of them, `each` for one alone, by its id. Raises `TransitionNotAllowed` for what can never be.
    """
    transition = get_transition(name)
    common = clean_data(transition, (data or {}).items())
    own = {str(pk): clean_data(transition, values.items()) for pk, values in (each or {}).items()}
    job = BulkJob.objects.create(
        transition=name,
        data=common,
        each=own,
        notify=notify,
        actor=actor,
        orders=sorted({order.pk for order in orders}),
    )
    transaction.on_commit(partial(_wake, job.pk), robust=True)
    return job


def work_off(job_id: int, patience: float = math.inf) -> bool:
    """Go on with the job for about so many seconds; True if more is to be done. Who comes meanwhile does nothing."""
    ends = time.monotonic() + patience
    while _work_off_chunk(job_id):
        if time.monotonic() >= ends:
            _wake(job_id)
            return True
    return False


def stop(job_id: int) -> bool:
    """Let the rest of the job's orders be; returns whether it was still going on. A chunk that is being changed is
    changed first."""
    going_on = BulkJob.objects.filter(pk=job_id, finished_at=None)
    return bool(going_on.update(finished_at=Now(), stopped=BulkJob.Stopped.BY_HAND))


def wake_idle() -> int:
    """Wake the jobs that stand still, because their worker died or their wake-up was lost; returns how many."""
    idle = BulkJob.objects.filter(finished_at=None, moved_at__lt=Now() - STANDS_STILL).order_by("moved_at")
    return publishing.publish(
        [WakeUp(TASK, (pk,), f"({pk},)") for pk in idle.values_list("pk", flat=True)[:100]],
        expires=STANDS_STILL.total_seconds(),
    )


def _wake(job_id: int) -> None:
    publishing.publish([WakeUp(TASK, (job_id,), f"({job_id},)")], expires=WAKE_UP_EXPIRES)


def _work_off_chunk(job_id: int) -> bool:
    """Change the next orders of the job, in one transaction with its row; False if there are none for us."""
    # The sentences of the refusals are kept: they are for the staff.
    with transaction.atomic(), translation.override(LANGUAGE):
        unfinished = BulkJob.objects.filter(pk=job_id, finished_at=None)
        job = unfinished.select_for_update(skip_locked=True, of=("self",)).select_related("actor").first()
        if job is None:
            return False
        if not people.may_still(job.actor, PERMISSION):
            job.stopped, job.finished_at = BulkJob.Stopped.ACTOR_MAY_NOT, Now()
            job.save(update_fields=["stopped", "finished_at"])
            return False
        pks = job.orders[job.position : job.position + CHUNK]
        result = _apply(job, pks)
        job.position += len(pks)
        job.applied += len(result.applied)
        job.refusals = [*job.refusals, *_refusals(job, pks, result)]
        job.moved_at = Now()
        if job.position >= job.total:
            job.finished_at = Now()
        job.save(update_fields=["position", "applied", "refusals", "moved_at", "finished_at"])
        return job.finished_at is None


def _refusals(job: BulkJob, pks: list[int], result: BulkResult) -> list[list[str]]:
    """Of each order that stayed as it was its code and why."""
    found = {order.pk for order, _reason in result.refused} | {order.pk for order in result.applied}
    refusals = [[order.code, reason] for order, reason in result.refused]
    missing = [pk for pk in pks if pk not in found]
    codes = dict(Order.objects.filter(pk__in=missing).values_list("pk", "code")) if missing else {}
    elsewhere = _("Order %(code)s is of a store for which %(who)s does not work any more.")
    who = name_of(job.actor) if job.actor else ""
    for pk in missing:
        code = codes.get(pk, "")
        why = elsewhere % {"code": code, "who": who} if code else _("This order does not exist any more.")
        refusals.append([code, why])
    return refusals


def _apply(job: BulkJob, pks: list[int]) -> BulkResult:
    """All at once; where that breaks, each half, so that one odd order does not keep the others back for ever."""
    try:
        with transaction.atomic():
            return _apply_to(job, pks)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        if len(pks) == 1:
            logger.exception("Bulk job %s: order %s cannot be changed", job.pk, pks[0])
            words = _("This order could not be changed. Try it on its own page.")
            return BulkResult(refused=[(order, words) for order in _theirs(job, pks)])
    middle = len(pks) // 2
    first, second = _apply(job, pks[:middle]), _apply(job, pks[middle:])
    return BulkResult(
        applied=first.applied + second.applied,
        events=first.events + second.events,
        refused=first.refused + second.refused,
    )


def _apply_to(job: BulkJob, pks: list[int]) -> BulkResult:
    own = {pk: job.each[str(pk)] for pk in pks if str(pk) in job.each}
    delay = timedelta(seconds=settings.STAFF_UNDO_SECONDS)
    return apply_transition_to(
        _theirs(job, pks),
        job.transition,
        actor=job.actor,
        notify=job.notify,
        each=own,
        delay=delay,
        # Those whom the first chunk wakes go on with the others; whoever is left out, the sweep wakes.
        wake=job.position == 0,
        **job.data,
    )


def _theirs(job: BulkJob, pks: list[int]) -> QuerySet[Order]:
    """Those of the orders that are of the stores for which whoever began the job works now."""
    orders = Order.objects.filter(among("pk", pks))
    return within(orders, job.actor) if job.actor else orders.none()
