"""How an endpoint stands: in a word for its page, and whether somebody has to see to it."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from outgoing.models import Endpoint

OK, OFF, NEW, TROUBLE = "ok", "off", "new", "trouble"
# A system that is restarted is back by then.
GRACE = timedelta(hours=1)


def state(endpoint: Endpoint) -> str:
    """One of the states above."""
    if not endpoint.is_on:
        return OFF
    if endpoint.last_error:
        return TROUBLE
    return OK if endpoint.last_success_at else NEW


def troubled() -> QuerySet[Endpoint]:
    """Those that switched themselves off, until somebody saves their page; and those that take nothing for an hour."""
    fails = ~Q(last_error="") & (Q(last_success_at=None) | Q(last_success_at__lt=Now() - GRACE))
    return Endpoint.objects.filter(~Q(off_reason="") | fails & Q(is_on=True, created_at__lt=Now() - GRACE))
