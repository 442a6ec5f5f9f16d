"""A dry run: the request is carried out, the message that it would send is read, and all of it is undone."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext as _

from api.acting import in_the_name_of
from api.models import ApiToken
from api.v1.told import DryRun, OrderOut
from integrations.messages.sentences import sentence
from integrations.models import NotificationLog
from notifications import claims, policy
from notifications.models import with_texts
from orders.models import Order


def rehearse(token: ApiToken, work: Callable[[], Order], read: Callable[[Order], OrderOut]) -> HttpResponse:
    """What the work, which returns its order, would tell the customer. Nothing of it stays."""
    with transaction.atomic(), in_the_name_of(token) as done:
        order = work()
        answer = _told(token, [event.pk for event in done.events], read(order))
        transaction.set_rollback(True)
    return HttpResponse(answer.model_dump_json(), content_type="application/json")


def _told(token: ApiToken, events: list[int], order: OrderOut) -> DryRun:
    rows = NotificationLog.objects.filter(order_event__in=events).order_by("pk")
    row = (
        with_texts(policy.with_consent(rows)).select_related("instance", "order__customer", "order__store").last()
        if events
        else None
    )
    if row is None:
        return DryRun(would_send=False, text="", reason=_("No message would be written."), order=order)
    why = policy.refusal(row)
    claims.render(row)
    reason = _("Orders of a test token have no phone: nobody is told.") if token.is_test and why else ""
    return DryRun(would_send=not why, text=row.message, reason=reason or (sentence(why) if why else ""), order=order)
