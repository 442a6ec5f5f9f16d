"""The admin's first page: what needs a hand now, the day in a few numbers, and how the last weeks went."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from flowlog.monitoring import charts, days, figures, first_steps, needs, rows
from flowlog.staffpages.asking import Numbers
from flowlog.times import DAY, HOUR, MINUTE
from integrations.inbound import reply_admin, way_back
from integrations.instances.status import state_html
from integrations.models import EvolutionInstance, NotificationLog
from orders.models import Order

Status = NotificationLog.Status
CHARTED = (7, days.SHOWN)


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the person may see. Each number comes from a range of an index, whatever the size of the tables; the
    counts by one statement."""
    user, numbers = request.user, Numbers()
    troubled = Exists(way_back.troubled().filter(pk=OuterRef("pk")))
    instances = list(rows.of(EvolutionInstance, user).annotate(troubled=troubled))
    drafts = needs.drafts(request, instances, numbers)
    parts = []
    if user.has_perm("orders.view_order"):
        parts.append(_of_orders(request, instances, numbers))
    if user.has_perm("integrations.view_notificationlog"):
        parts.append(_of_messages(request, instances, numbers))
    tiles = [tile for part in parts for tile in part(context)]
    return {**context, "tiles": tiles, "needs": needs.present(drafts), "may_see_needs": bool(tiles)}


# Fills in the rest of its part, and returns its tiles, once the counts are there.
type _Part = Callable[[dict[str, Any]], list[dict[str, Any]]]


def _of_orders(request: HttpRequest, instances: list[Any], numbers: Numbers) -> _Part:
    steps = first_steps.draft(request, instances, numbers)
    today = numbers.of(rows.of(Order, request.user).filter(created_at__gte=days.today()))

    def part(context: dict[str, Any]) -> list[dict[str, Any]]:
        context["steps"] = steps()
        words = ngettext("order today", "orders today", today())
        return [_tile(words, today(), "orders_order", created_at__gte=days.today())]

    return part


def _of_messages(request: HttpRequest, instances: list[Any], numbers: Numbers) -> _Part:
    user = request.user
    waiting = rows.of(NotificationLog, user).filter(status__in=(Status.PENDING, Status.SENDING))
    in_line, to_decide = numbers.of(waiting, figures.COUNTED), numbers.of(reply_admin.to_decide(request))

    def part(context: dict[str, Any]) -> list[dict[str, Any]]:
        latest = days.latest(user)
        context["charts"] = [charts.chart(latest[-number:]) for number in CHARTED]
        context["questions"] = reply_admin.home(request, to_decide())
        context["instances"] = [(each.name, state_html(each)) for each in instances]
        return _messages(in_line(), latest[-1])

    return part


def _messages(waiting: int, day: days.Day) -> list[dict[str, Any]]:
    sent = {"status__exact": "sent", "created_at__gte": days.today()}
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
            "count": _short(day.took.total_seconds()) if day.took is not None else "–",
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
