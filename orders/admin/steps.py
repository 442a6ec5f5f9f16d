"""Steps that staff take in the admin, and the moment in which they may take them back.

The message of such a step waits for `STAFF_UNDO_SECONDS`. Until then the line that says what was done has a button that
undoes it, message and all: a form of every page (`templates/admin/orders/undo.html`) is what it sends.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from flowlog.staffpages.base import ModelAdmin, person
from flowlog.translations import Words
from orders.models import Order, OrderEvent
from orders.services import apply_transition
from orders.signals import told_asked
from orders.undo import undo

SHOWN_REFUSALS = 10
_SLOW = timedelta(seconds=60)
# More entries than any bulk action makes.
_MOST = 10_000
_RANGES = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?(,[0-9]{1,18}(-[0-9]{1,18})?)*")


def delay() -> timedelta:
    """How long the message of a step by the staff waits."""
    return timedelta(seconds=settings.STAFF_UNDO_SECONDS)


@transaction.atomic
def take(
    order: Order, names: Sequence[str], *, request: HttpRequest, notify: bool = False, **data: Any
) -> list[OrderEvent]:
    """Apply these transitions one after the other, in the person's name; all of them or none. Returns their entries.

    The customer is told of the last one alone, which also takes the data. Raises `TransitionNotAllowed`.
    """
    *first, last = names
    actor = person(request)
    for name in first:
        apply_transition(order, name, actor=actor, notify=False)
    apply_transition(order, last, actor=actor, notify=notify, delay=delay(), **data)
    return latest(order, len(names))


def latest(order: Order, number: int) -> list[OrderEvent]:
    """The last entries of the order's timeline."""
    return list(order.events.order_by("-pk")[:number])


def undoable(request: HttpRequest, newest_first: Sequence[OrderEvent]) -> str:
    """The person's own last step on the order's page, as its button names it, while its moment lasts; else empty.

    A payment taken with the hand-over is one step with it.
    """
    since = timezone.now() - delay()
    own = [event for event in newest_first[:2] if event.actor == request.user and event.created_at > since]
    if not own or own[0] != newest_first[0] or "undone" in (own[0].replaced or {}):
        return ""
    together = own[1:] and own[1].transition == "pay" and own[0].created_at - own[1].created_at < timedelta(seconds=1)
    return _written(event.pk for event in (own if together else own[:1]))


class StepViews(ModelAdmin):
    """Adds what takes a step back, and how what was done is told."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [path("undo/", wrap(self.undo_view), name="orders_order_undo"), *super().get_urls()]

    def tell_done(self, request: HttpRequest, done: Words, events: Sequence[OrderEvent], *, told: bool) -> None:
        """Say what was done, and if the customer is to be `told`; with a button that undoes it while that can be."""
        if not (events and settings.STAFF_UNDO_SECONDS):
            self.message_user(request, str(done), messages.SUCCESS)
            return
        # A correction may be told to nobody.
        asked: Sequence[tuple[Any, Any]] = told_asked.send(sender=Order, events=events) if told else ()
        keys = {pk for _receiver, answer in asked for pk in answer or ()}
        orders = {event.order_id for event in events if event.pk in keys}
        words = (
            _("The customers are told in %(seconds)d seconds.")
            if len(orders) > 1
            else _("The customer is told in %(seconds)d seconds.")
        )
        words %= {"seconds": settings.STAFF_UNDO_SECONDS}
        button = format_html(
            '<button class="flowlog-undo" type="submit" form="flowlog-undo" name="events" value="{}">{}</button>',
            _written(event.pk for event in events),
            _("Undo"),
        )
        self.message_user(request, format_html("{} {} {}", done, words if orders else "", button), messages.SUCCESS)

    def tell_refused(self, request: HttpRequest, refused: Sequence[tuple[Order, str]]) -> None:
        """Name the orders that stayed as they were, and why."""
        if not refused:
            return
        head = ngettext("%(count)d order stayed as it was:", "%(count)d orders stayed as they were:", len(refused)) % {
            "count": len(refused)
        }
        lines = format_html_join("", "<li>{}</li>", ((reason,) for _order, reason in refused[:SHOWN_REFUSALS]))
        more = len(refused) - SHOWN_REFUSALS
        if more > 0:
            lines += format_html("<li>{}</li>", _("… and %(count)d more.") % {"count": more})
        self.message_user(request, format_html('{}<ul class="flowlog-refusals">{}</ul>', head, lines), messages.WARNING)

    def undo_view(self, request: HttpRequest) -> HttpResponse:
        """Take back (POST) the steps that the button names: the person's own, of orders that they may change."""
        actor = person(request)
        if actor is None or not self.has_change_permission(request):
            raise PermissionDenied
        back = HttpResponseRedirect(self._next(request))
        if request.method != "POST":
            return back
        ours = self.get_queryset(request).values("pk")
        events = OrderEvent.objects.filter(pk__in=_read(request.POST.get("events", "")), order__in=ours, actor=actor)
        # The moment, and as long again for a slow line: later a step is corrected, not undone.
        events = events.filter(created_at__gt=timezone.now() - delay() - _SLOW)
        result = undo(list(events.values_list("pk", flat=True)), actor=actor)
        if not (result.applied or result.refused):
            self.message_user(request, _("There is nothing to undo any more."), messages.WARNING)
        if len(result.applied) == 1:
            words = _("Order %(code)s: undone. The customer was told nothing.")
            self.message_user(request, words % {"code": result.applied[0].code}, messages.SUCCESS)
        elif result.applied:
            words = _("%(count)d orders: undone. The customers were told nothing.")
            self.message_user(request, words % {"count": len(result.applied)}, messages.SUCCESS)
        self.tell_refused(request, result.refused)
        return back

    @staticmethod
    def _next(request: HttpRequest) -> str:
        """The page on which the button was pressed."""
        page = request.POST.get("next", "")
        own = url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure())
        return page if own else reverse("admin:orders_order_changelist")


def _written(pks: Any) -> str:
    """Keys as `_read` reads them: those of one step follow one another."""
    ordered = sorted(pks)
    starts = [ordered[0], *(pk for before, pk in pairwise(ordered) if pk != before + 1)]
    ends = [*(before for before, pk in pairwise(ordered) if pk != before + 1), ordered[-1]]
    return ",".join(f"{start}-{end}" if end > start else str(start) for start, end in zip(starts, ends, strict=True))


def _read(written: str) -> Collection[int]:
    """The keys again; none of what is not as we wrote it."""
    if not _RANGES.fullmatch(written):
        return []
    found: list[int] = []
    for part in written.split(","):
        start, _dash, end = part.partition("-")
        if int(end or start) - int(start) >= _MOST - len(found):
            return []
        found += range(int(start), int(end or start) + 1)
    return found
