"""A request that is sent again is carried out once, and answered as it was the first time.

The answer is stored in the transaction of what it tells, so that there is never one without the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from api.models import ApiToken, StoredAnswer
from api.problems import Problem
from orders.models import Order

KEPT_FOR = timedelta(hours=48)
_LOCKS = 0x6170_6964  # any number that no other locks of two keys in this database have
_BATCH = 1000


def once(
    request: HttpRequest, token: ApiToken, key: str | None, work: Callable[[], tuple[HttpResponse, Order | None]]
) -> HttpResponse:
    """Do the work, which returns its answer and the order that this is about, in one transaction; once for each key.

    Raises `Problem` for a key that was used for another request or for a customer who was erased since, or whose first
    one is still worked on. What is raised by the work undoes it, and nothing is stored.
    """
    with transaction.atomic():
        if not key:
            return work()[0]
        _lock(token, key)
        fingerprint = _fingerprint(request)
        if kept := StoredAnswer.objects.filter(token=token, key=key).first():
            return _again(kept, fingerprint)
        answer, order = work()
        StoredAnswer.objects.create(
            token=token,
            key=key,
            fingerprint=fingerprint,
            status=answer.status_code,
            body=answer.content.decode(),
            order=order,
        )
        return answer


def forget(*, orders: QuerySet[Order], **_kwargs: Any) -> None:
    """Receives `customers_erased`: what was asked and answered names them.

    Their keys stay used, so that a program which never got its answer does not bring the person back.
    """
    StoredAnswer.objects.filter(order__in=orders).update(fingerprint="", body="")


def purge() -> int:
    """Delete what is older than a client may ask for; returns how many."""
    total = 0
    while True:
        old = StoredAnswer.objects.filter(created_at__lt=Now() - KEPT_FOR).order_by("created_at")[:_BATCH]
        deleted, _of_what = StoredAnswer.objects.filter(pk__in=list(old.values_list("pk", flat=True))).delete()
        total += deleted
        if deleted < _BATCH:
            return total


def _lock(token: ApiToken, key: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [_LOCKS, f"{token.pk} {key}"])
        (locked,) = cursor.fetchone()
    if not locked:
        words = _("The first request with this Idempotency-Key is still worked on.")
        raise Problem(HTTPStatus.CONFLICT, "request-in-progress", words, headers={"Retry-After": "1"})


def _fingerprint(request: HttpRequest) -> str:
    asked = f"{request.method} {request.get_full_path()}\n".encode()
    return hashlib.sha256(asked + request.body).hexdigest()


def _again(kept: StoredAnswer, fingerprint: str) -> HttpResponse:
    if not kept.fingerprint:
        words = _("What was done with this Idempotency-Key was done, and the customer's data were erased since.")
        raise Problem(HTTPStatus.GONE, "customer-erased", words)
    if kept.fingerprint != fingerprint:
        words = _("This Idempotency-Key was used for another request: take a new one.")
        raise Problem(HTTPStatus.UNPROCESSABLE_CONTENT, "idempotency-key-reused", words)
    headers = {"Idempotent-Replayed": "true"}
    return HttpResponse(kept.body, status=kept.status, content_type="application/json", headers=headers)
