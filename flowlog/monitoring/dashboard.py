"""The admin's first page: what needs a hand now, the day in a few numbers, and how the last weeks went."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from flowlog.monitoring import charts, days, first_steps, needs, rows
from flowlog.times import DAY, HOUR, MINUTE
from integrations.inbound import reply_admin
from integrations.instances.status import state_html
from integrations.models import EvolutionInstance, NotificationLog
from orders.models import Order

Status = NotificationLog.Status
CHARTED = (7, days.SHOWN)


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the person may see. Each number comes from a range of an index, whatever the size of the tables."""
    user, tiles = request.user, []
    may_see_messages = user.has_perm("integrations.view_notificationlog")
    instances = list(rows.of(EvolutionInstance, user))
    if user.has_perm("orders.view_order"):
        tiles.append(_orders_today(user))
        context["steps"] = first_steps.steps(request, instances)
    if may_see_messages:
        latest = days.latest(user)
        tiles += _messages(user, latest[-1])
        context["charts"] = [charts.chart(latest[-number:]) for number in CHARTED]
        context["questions"] = reply_admin.home(request)
        context["instances"] = [(each.name, state_html(each)) for each in instances]
    return {**context, "tiles": tiles, "needs": needs.present(request, instances), "may_see_needs": bool(tiles)}


def _orders_today(user: Any) -> dict[str, Any]:
    count = rows.of(Order, user).filter(created_at__gte=days.today()).count()
    words = ngettext("order today", "orders today", count)
    return _tile(words, count, "orders_order", created_at__gte=days.today())


def _messages(user: Any, day: days.Day) -> list[dict[str, Any]]:
    in_line = rows.of(NotificationLog, user).filter(status__in=(Status.PENDING, Status.SENDING))
    waiting = needs.counted(in_line)
    sent = {"status__exact": "sent", "created_at__gte": days.today()}
    took = days.typical_time(user)
    return [
        _message(
            ngettext("message waiting", "messages waiting", waiting), needs.shown(waiting), status__in="pending,sending"
        ),
        _message(ngettext("message sent today", "messages sent today", day.told), day.told, **sent),
        _message(
            ngettext("message delivered", "messages delivered", day.delivered),
            day.delivered,
            **sent,
            receipt__in=",".join(days.ARRIVED),
        ),
        _message(ngettext("message read", "messages read", day.read), day.read, **sent, receipt__exact="read"),
        _message(
            ngettext("message not sent today", "messages not sent today", day.failed),
            day.failed,
            status__exact="failed",
            created_at__gte=days.today(),
        ),
        {
            **_message(_("typical time until sent"), day.told, **sent),
            "count": _short(took.total_seconds()) if took is not None else "–",
        },
    ]


def _message(words: str, count: int | str, **filters: Any) -> dict[str, Any]:
    return _tile(words, count, "integrations_notificationlog", **filters)


def _tile(words: str, count: int | str, model: str, **filters: Any) -> dict[str, Any]:
    return {"words": words, "count": count, "address": reverse(f"admin:{model}_changelist", query=filters)}


def _short(seconds: float) -> str:
    """A duration in its largest unit, as small as a number on a tile."""
    units = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"))
    return next((f"{int(seconds // size)} {unit}" for size, unit in units if seconds >= size), f"{int(seconds)} s")
