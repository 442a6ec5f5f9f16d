"""The admin's first page: the day in four numbers, and what needs a hand."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from integrations.evolution.admin import state_html
from integrations.models import EvolutionInstance, NotificationLog
from orders.models import Order

Status = NotificationLog.Status


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the numbers that the person may see. Each comes from an index, whatever the size of the tables."""
    tiles = []
    if request.user.has_perm("orders.view_order"):
        tiles.append(_orders_today())
    if request.user.has_perm("integrations.view_notificationlog"):
        tiles += _messages()
        context["instances"] = [(each.name, state_html(each)) for each in EvolutionInstance.objects.all()]
    return {**context, "tiles": tiles}


def _today() -> Any:
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def _orders_today() -> dict[str, Any]:
    return {
        "words": _("orders today"),
        "count": Order.objects.filter(created_at__gte=_today()).count(),
        "address": reverse("admin:orders_order_changelist", query={"created_at__gte": _today()}),
    }


def _messages() -> list[dict[str, Any]]:
    waiting = NotificationLog.objects.filter(status__in=(Status.PENDING, Status.SENDING)).count()
    uncertain = NotificationLog.objects.filter(status=Status.UNKNOWN).count()
    today = NotificationLog.objects.filter(created_at__gte=_today()).aggregate(
        sent=Count("pk", filter=Q(status=Status.SENT)),
        failed=Count("pk", filter=Q(status=Status.FAILED)),
    )
    tiles = [
        _message_tile(_("messages waiting"), waiting, status__in="pending,sending"),
        _message_tile(_("messages sent today"), today["sent"], status__exact="sent", created_at__gte=_today()),
        {
            **_message_tile(
                _("messages not sent today"), today["failed"], status__exact="failed", created_at__gte=_today()
            ),
            "alarm": today["failed"] > 0,
        },
    ]
    # These may have arrived: who takes them for unsent tells the customer twice.
    if uncertain:
        tiles.append(_message_tile(_("messages that may have gone out"), uncertain, status__exact="unknown"))
    return tiles


def _message_tile(words: str, count: int, **filters: Any) -> dict[str, Any]:
    address = reverse("admin:integrations_notificationlog_changelist", query=filters)
    return {"words": words, "count": count, "address": address}
