"""Webhooks as they came, for whoever looks after the system: did the gateway tell us, and what was made of it?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from flowlog.staffpages.base import UncountedAdmin, label_column
from flowlog.times import moment
from flowlog.translations import Words
from integrations.inbound.intake import known_events
from integrations.inbound.models import WebhookEvent
from integrations.inbound.verdicts import Verdict

WAITING, DONE = "waiting", "done"
RESULT_WORDS: dict[str, Words] = {
    WAITING: _("waiting"),
    DONE: _("worked off"),
    Verdict.UNEXPECTED: _("unexpected form"),
    Verdict.UNKNOWN_INSTANCE: _("unknown instance"),
    Verdict.OTHER_INSTANCE: _("names another instance than its address"),
    Verdict.UNKNOWN_SENDER: _("from nobody we know"),
    Verdict.UNKNOWN_MESSAGE: _("about a message that is not ours"),
    Verdict.FAILED: _("failed: see the log"),
}
RESULT_COLOURS: dict[str, str] = {
    WAITING: "info",
    DONE: "success",
    Verdict.UNKNOWN_INSTANCE: "danger",
    Verdict.OTHER_INSTANCE: "danger",
    Verdict.FAILED: "danger",
}


def result(webhook: WebhookEvent) -> str:
    """A key of `RESULT_WORDS`."""
    return webhook.error or (DONE if webhook.processed_at else WAITING)


class EventFilter(DropdownFilter):  # type: ignore[misc]
    """By event, among those that something is made of."""

    title = _("event")
    parameter_name = "event"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> Sequence[tuple[str, str]]:
        return [(event, event) for event in known_events()]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:
        return queryset.filter(event=self.value()) if self.value() else queryset


class ResultFilter(DropdownFilter):  # type: ignore[misc]
    """By what was made of it."""

    title = _("result")
    parameter_name = "result"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> Sequence[tuple[str, Words]]:
        return list(RESULT_WORDS.items())

    def queryset(self, _request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:
        wanted = self.value()
        if wanted in (WAITING, DONE):
            return queryset.filter(processed_at__isnull=wanted == WAITING, error="")
        return queryset.filter(error=wanted) if wanted else queryset


@admin.register(WebhookEvent)
class WebhookEventAdmin(UncountedAdmin):
    """Whole payloads, with numbers and texts of customers: of the staff's groups only *Operação* sees them, which looks
    after the system."""

    when_empty = _(
        "What WhatsApp tells stands here for some days: what was delivered, read and answered. The page of "
        "the number says whether its notices come."
    )
    list_display = ("received", "event", "instance_name", "result_label", "processed")
    list_filter = (EventFilter, ResultFilter, "received_at")
    list_filter_submit = True
    list_per_page = 50
    sortable_by = ()
    fields = readonly_fields = (
        "received", "event", "instance_name", "result_label", "processed", "payload_written",
    )  # fmt: skip

    @admin.display(description=_("received"))
    def received(self, webhook: WebhookEvent) -> str:
        return moment(webhook.received_at)

    @admin.display(description=_("processed"))
    def processed(self, webhook: WebhookEvent) -> str:
        return moment(webhook.processed_at)

    @label_column(RESULT_COLOURS, description=_("result"))
    def result_label(self, webhook: WebhookEvent) -> tuple[str, Words]:
        return result(webhook), RESULT_WORDS.get(result(webhook), webhook.error)

    @admin.display(description=_("payload"))
    def payload_written(self, webhook: WebhookEvent) -> SafeString:
        text = json.dumps(webhook.payload, ensure_ascii=False, indent=2)
        return format_html('<pre class="flowlog-code">{}</pre>', text)
