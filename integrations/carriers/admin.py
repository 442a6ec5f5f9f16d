"""Carriers' news in the admin: its list, and its lines in an order's timeline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from flowlog.staffpages.base import label_column
from flowlog.staffpages.filters import RelatedFilter
from flowlog.times import moment
from integrations.carriers import connection_admin, health, intake
from integrations.carriers.meanings import WAY
from integrations.carriers.models import CarrierNews
from integrations.carriers.views import waker
from integrations.sources.news_admin import NeedsFilter, NewsAdmin
from orders.admin import timeline
from orders.codes import compact_tracking, tracking_codes
from orders.models import OrderEvent

__all__ = ["CarrierNewsAdmin", "annotate_timeline", "connection_admin"]

Result = CarrierNews.Result

RESULT_COLOURS: dict[str, str] = {
    Result.APPLIED: "success",
    Result.REFUSED: "warning",
    Result.WAITING: "info",
    Result.OFF: "warning",
    Result.UNKNOWN: "danger",
    Result.AMBIGUOUS: "danger",
    Result.UNKNOWN_STATUS: "danger",
    Result.STAFF: "danger",
    Result.ERROR: "danger",
}
# Of these an order's timeline says nothing.
QUIET = (Result.REPEATED, Result.NOTHING)


@admin.register(CarrierNews)
class CarrierNewsAdmin(NewsAdmin):
    when_empty = gettext_lazy(
        "What the carriers tell stands here, with what became of it. They are connected under “Carriers”."
    )
    need_a_person = staticmethod(health.need_a_person)
    again = staticmethod(intake.again)
    waker = waker
    may_read, may_apply = "integrations.read_carriernews", "integrations.apply_carriernews"
    shown = (
        "received", "connection", "tracking_code", "external_id", "order_link", "told", "occurred", "description",
        "result_label", "reason", "next_try",
    )  # fmt: skip

    list_display = ("received", "tracking_code", "told", "order_link", "result_label", "reason")
    list_filter = (
        NeedsFilter,
        ("result", ChoicesDropdownFilter),
        ("status", ChoicesDropdownFilter),
        ("connection", RelatedFilter),
        "received_at",
    )
    list_select_related = ("order", "connection")
    search_fields = ("tracking_code__iexact", "external_id__iexact", "order__code__iexact")
    search_help_text = gettext_lazy("Tracking code or order code")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[CarrierNews], search_term: str
    ) -> tuple[QuerySet[CarrierNews], bool]:
        return super().get_search_results(request, queryset, compact_tracking(search_term))

    def not_again_words(self) -> str:
        return _("The others have moved their order already, or what was sent is not kept of them.")

    @admin.display(description=gettext_lazy("when"))
    def occurred(self, news: CarrierNews) -> str:
        return moment(news.occurred_at)

    @admin.display(description=gettext_lazy("status"))
    def told(self, news: CarrierNews) -> str:
        """In our words if it moves orders, else in the carrier's."""
        return said(news)

    @label_column(RESULT_COLOURS, description=gettext_lazy("result"))
    def result_label(self, news: CarrierNews) -> tuple[str, str]:
        return news.result, news.get_result_display()


def said(news: CarrierNews) -> str:
    """What the carrier said: in our words if it is about an order's way, else in its own."""
    own = ", ".join(news.statuses)
    return str(news.get_status_display()) if news.status in WAY or not own else own


def annotate_timeline(_request: HttpRequest, events: Sequence[OrderEvent]) -> dict[int, SafeString]:
    """Under each event of an order (newest first): the news that became it, or that came while it was the last one.

    News that had no order is shown to every order with its tracking code, so that somebody sees it.
    """
    order = events[0].order
    if not (events[0].carrier_told or order.tracking_code):  # type: ignore[attr-defined]
        return {}
    mine = Q(order=order)
    if codes := tracking_codes(order.tracking_code):
        everybodys = Q(connection=None) | Q(connection__store=order.store_id)
        mine |= everybodys & Q(order__isnull=True, tracking_code__in=codes)
    lines: defaultdict[int, list[CarrierNews]] = defaultdict(list)
    for news in CarrierNews.objects.filter(mine).exclude(result__in=QUIET).defer("body"):
        before = (event.pk for event in events if event.created_at <= news.received_at)
        lines[news.event_id or next(before, events[-1].pk)].append(news)
    return {pk: _lines_html(told) for pk, told in lines.items()}


def _lines_html(told: list[CarrierNews]) -> SafeString:
    lines = [(news, said(news), RESULT_COLOURS.get(news.result, ""), moment(news.occurred_at)) for news in told]
    return render_to_string("admin/integrations/timeline_news.html", {"lines": lines})


timeline.register_annotator(annotate_timeline, carrier_told=Exists(CarrierNews.objects.filter(order=OuterRef("order"))))
