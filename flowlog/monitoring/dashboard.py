"""The admin's first page: the day in four numbers, and what needs a hand."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext

from integrations.inbound import reply_admin
from integrations.instances.admin import state_html
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
        context["questions"] = reply_admin.home(request)
        context["instances"] = [(each.name, state_html(each)) for each in EvolutionInstance.objects.all()]
    return {**context, "tiles": tiles}


def _today() -> Any:
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def _orders_today() -> dict[str, Any]:
    count = Order.objects.filter(created_at__gte=_today()).count()
    return {
        "words": ngettext("order today", "orders today", count),
        "count": count,
        "address": reverse("admin:orders_order_changelist", query={"created_at__gte": _today()}),
    }


def _messages() -> list[dict[str, Any]]:
    waiting = NotificationLog.objects.filter(status__in=(Status.PENDING, Status.SENDING)).count()
    uncertain = NotificationLog.objects.filter(status=Status.UNKNOWN).count()
    today = NotificationLog.objects.filter(created_at__gte=_today()).aggregate(
        sent=Count("pk", filter=Q(status=Status.SENT)),
        failed=Count("pk", filter=Q(status=Status.FAILED)),
    )
    sent, failed = today["sent"], today["failed"]
    words = ngettext("message waiting", "messages waiting", waiting)
    sent_words = ngettext("message sent today", "messages sent today", sent)
    failed_words = ngettext("message not sent today", "messages not sent today", failed)
    tiles = [
        _message_tile(words, waiting, status__in="pending,sending"),
        _message_tile(sent_words, sent, status__exact="sent", created_at__gte=_today()),
        {
            **_message_tile(failed_words, failed, status__exact="failed", created_at__gte=_today()),
            "alarm": failed > 0,
        },
    ]
    # These may have arrived: who takes them for unsent tells the customer twice.
    if uncertain:
        words = ngettext("message that may have gone out", "messages that may have gone out", uncertain)
        tiles.append(_message_tile(words, uncertain, status__exact="unknown"))
    return tiles


def _message_tile(words: str, count: int, **filters: Any) -> dict[str, Any]:
    address = reverse("admin:integrations_notificationlog_changelist", query=filters)
    return {"words": words, "count": count, "address": address}
