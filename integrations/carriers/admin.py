"""Carriers' news in the admin: its list, and its lines in an order's timeline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.paginator import InfinitePaginator

from flowlog.staffpages.base import ReadOnlyAdmin, label_column
from flowlog.times import moment
from integrations.carriers.models import CarrierNews
from orders.admin import timeline
from orders.codes import compact_tracking, tracking_codes
from orders.models import OrderEvent

Result = CarrierNews.Result

RESULT_COLOURS: dict[str, str] = {
    Result.RECEIVED: "",
    Result.APPLIED: "success",
    Result.REFUSED: "warning",
    Result.LATE: "",
    Result.REPEATED: "",
    Result.UNKNOWN: "danger",
    Result.AMBIGUOUS: "danger",
}


@admin.register(CarrierNews)
class CarrierNewsAdmin(ReadOnlyAdmin):
    list_display = ("received", "tracking_code", "status", "order_link", "result_label", "reason")
    list_display_links = None
    list_filter = (("result", ChoicesDropdownFilter), ("status", ChoicesDropdownFilter), "received_at")
    list_filter_submit = True
    list_select_related = ("order",)
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False
    sortable_by = ()
    search_fields = ("tracking_code__iexact", "order__code__iexact")
    search_help_text = _("Tracking code or order code")
    fields = readonly_fields = (
        "received", "source", "tracking_code", "order_link", "status", "occurred", "description", "result_label",
        "reason",
    )  # fmt: skip

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[CarrierNews], search_term: str
    ) -> tuple[QuerySet[CarrierNews], bool]:
        return super().get_search_results(request, queryset, compact_tracking(search_term))

    @admin.display(description=_("received"))
    def received(self, news: CarrierNews) -> str:
        return moment(news.received_at)

    @admin.display(description=_("when"))
    def occurred(self, news: CarrierNews) -> str:
        return moment(news.occurred_at)

    @admin.display(description=_("order"))
    def order_link(self, news: CarrierNews) -> SafeString | str:
        if news.order is None:
            return ""
        return format_html('<a class="text-link" href="{}">{}</a>', news.order.get_admin_url(), news.order.code)

    @label_column(RESULT_COLOURS, description=_("result"))
    def result_label(self, news: CarrierNews) -> tuple[str, str]:
        return news.result, news.get_result_display()


def annotate_timeline(_request: HttpRequest, events: Sequence[OrderEvent]) -> dict[int, SafeString]:
    """Under each event of an order (newest first): the news that became it, or that came while it was the last one.

    News that had no order is shown to every order with its tracking code, so that somebody sees it.
    """
    order = events[0].order
    mine = Q(order=order)
    if codes := tracking_codes(order.tracking_code):
        mine |= Q(order__isnull=True, tracking_code__in=codes)
    lines: defaultdict[int, list[CarrierNews]] = defaultdict(list)
    for news in CarrierNews.objects.filter(mine).exclude(result=Result.REPEATED):
        before = (event.pk for event in events if event.created_at <= news.received_at)
        lines[news.event_id or next(before, events[-1].pk)].append(news)
    return {pk: _lines_html(told) for pk, told in lines.items()}


def _lines_html(told: list[CarrierNews]) -> SafeString:
    lines = [(news, RESULT_COLOURS[news.result], moment(news.occurred_at)) for news in told]
    return render_to_string("admin/integrations/timeline_news.html", {"lines": lines})


timeline.register_annotator(annotate_timeline)
