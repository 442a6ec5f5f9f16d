"""What shops told, in the admin: its list, what was sent as it is, and its lines in an order's timeline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.contrib import admin
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from flowlog.staffpages.base import label_column
from flowlog.staffpages.filters import RelatedFilter
from flowlog.times import moment
from integrations.shops import health, intake, wishes
from integrations.shops.models import ShopNews
from integrations.shops.views import waker
from integrations.sources.news_admin import NeedsFilter, NewsAdmin
from orders.admin import timeline
from orders.models import OrderEvent

Result = ShopNews.Result

RESULT_COLOURS: dict[str, str] = {
    Result.RECEIVED: "info",
    Result.APPLIED: "success",
    Result.REFUSED: "warning",
    Result.WAITING: "info",
    Result.OFF: "warning",
    Result.UNKNOWN_STATUS: "danger",
    Result.STAFF: "danger",
    Result.ERROR: "danger",
}


@admin.register(ShopNews)
class ShopNewsAdmin(NewsAdmin):
    when_empty = gettext_lazy(
        "What the shops' systems tell stands here, with what became of it. They are connected under “Shops' systems”."
    )
    need_a_person = staticmethod(health.need_a_person)
    again = staticmethod(intake.again)
    waker = waker
    may_read, may_apply = "integrations.read_shopnews", "integrations.apply_shopnews"
    shown = (
        "received", "connection", "external_number", "external_id", "order_link", "told", "changed", "result_label",
        "reason", "customer_link", "next_try",
    )  # fmt: skip

    list_display = ("received", "connection", "external_number", "order_link", "told", "result_label", "reason")
    list_filter = (NeedsFilter, ("result", ChoicesDropdownFilter), ("connection", RelatedFilter), "received_at")
    list_select_related = ("order", "connection")
    search_fields = ("external_number__iexact", "external_id__iexact", "order__code__iexact")
    search_help_text = gettext_lazy("Order code, or its number in the shop")

    @admin.display(description=gettext_lazy("when"))
    def changed(self, news: ShopNews) -> str:
        return moment(news.changed_at)

    @admin.display(description=gettext_lazy("statuses in the shop"))
    def told(self, news: ShopNews) -> str:
        return ", ".join(news.statuses)

    @admin.display(description=gettext_lazy("customer"))
    def customer_link(self, news: ShopNews) -> SafeString | str:
        """Of whoever asks what is kept about them: the file is taken there."""
        if news.order is None or not wishes.is_one(news):
            return ""
        address = reverse("admin:orders_customer_change", args=[news.order.customer_id])
        return format_html('<a class="text-link" href="{}">{}</a>', address, _("Customer's page"))

    @label_column(RESULT_COLOURS, description=gettext_lazy("result"))
    def result_label(self, news: ShopNews) -> tuple[str, str]:
        return news.result, news.get_result_display()


def annotate_timeline(_request: HttpRequest, events: Sequence[OrderEvent]) -> dict[int, SafeString]:
    """Under each event of an order (newest first): what its shop told while it was the last one, if it did not simply
    move the order on."""
    if not events[0].shop_told:  # type: ignore[attr-defined]
        return {}
    lines: defaultdict[int, list[ShopNews]] = defaultdict(list)
    quiet = (Result.APPLIED, Result.NOTHING_NEW, Result.NOT_AN_ORDER, Result.RECEIVED)
    for news in ShopNews.objects.filter(order=events[0].order).exclude(result__in=quiet).defer("body"):
        before = (event.pk for event in events if event.created_at <= news.received_at)
        lines[next(before, events[-1].pk)].append(news)
    return {pk: _lines_html(told) for pk, told in lines.items()}


def _lines_html(told: list[ShopNews]) -> SafeString:
    lines = [(news, RESULT_COLOURS.get(news.result, ""), moment(news.changed_at or news.received_at)) for news in told]
    return render_to_string("admin/integrations/timeline_shop.html", {"lines": lines})


timeline.register_annotator(annotate_timeline, shop_told=Exists(ShopNews.objects.filter(order=OuterRef("order"))))
