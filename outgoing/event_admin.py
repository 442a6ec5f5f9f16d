"""What endpoints were told of, in the admin: each event with its tries, to be sent again or given up."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from flowlog.staffpages.base import TabularInline, UncountedAdmin, label_column
from flowlog.staffpages.filters import RelatedFilter
from flowlog.times import moment
from flowlog.translations import Words
from outgoing import bodies, delivery, kinds
from outgoing.models import OutgoingAttempt, OutgoingEvent

State = OutgoingEvent.State

COLOURS: dict[str, str] = {
    State.PENDING: "info", State.SENDING: "info", State.DELIVERED: "success", State.FAILED: "danger",
}  # fmt: skip


class AttemptInline(TabularInline):
    model = OutgoingAttempt
    fields = readonly_fields = ("when", "http_status", "milliseconds", "error", "answer")
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    @admin.display(description=gettext_lazy("when"))
    def when(self, attempt: OutgoingAttempt) -> str:
        return moment(attempt.at)


@admin.register(OutgoingEvent)
class OutgoingEventAdmin(UncountedAdmin):
    when_empty = gettext_lazy(
        "What the shop's own systems were told stands here, with what became of it. Their addresses are "
        "added in their own list."
    )
    list_display = ("when", "endpoint", "words", "order_link", "state_label", "attempts", "next_try")
    list_filter = (("state", ChoicesDropdownFilter), ("endpoint", RelatedFilter), "created_at")
    list_filter_submit = True
    list_select_related = ("endpoint", "order")
    list_per_page = 50
    sortable_by = ()
    search_fields = ("order__code__iexact",)
    search_help_text = gettext_lazy("Order code")
    fields = readonly_fields = (
        "when", "endpoint", "words", "order_link", "webhook_id", "state_label", "attempts", "next_try", "body",
    )  # fmt: skip
    inlines = (AttemptInline,)
    actions = ("send_again", "give_up")

    def has_repeat_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("outgoing.change_endpoint"))

    @admin.action(permissions=["repeat"], description=gettext_lazy("Send again"))
    def send_again(self, request: HttpRequest, queryset: QuerySet[OutgoingEvent]) -> None:
        """Under the same ids. What is on its way already goes on as it does."""
        rows = self._chosen(queryset)
        number = delivery.again(rows)
        delivery.wake()
        words = ngettext("%(number)d event is sent again.", "%(number)d events are sent again.", number)
        self.message_user(request, words % {"number": number}, messages.SUCCESS if number else messages.WARNING)

    @admin.action(permissions=["repeat"], description=gettext_lazy("Give up"))
    def give_up(self, request: HttpRequest, queryset: QuerySet[OutgoingEvent]) -> None:
        """They are not sent, so that what comes after them is. One that is being sent just now is left."""
        rows = self._chosen(queryset).filter(state=State.PENDING)
        number = rows.update(state=State.CANCELLED)
        words = ngettext("%(number)d event is not sent.", "%(number)d events are not sent.", number)
        self.message_user(request, words % {"number": number}, messages.SUCCESS if number else messages.WARNING)

    def _chosen(self, queryset: QuerySet[OutgoingEvent]) -> QuerySet[OutgoingEvent]:
        return OutgoingEvent.objects.filter(pk__in=list(queryset.order_by().values_list("pk", flat=True)))

    @admin.display(description=gettext_lazy("when"))
    def when(self, event: OutgoingEvent) -> str:
        return moment(event.created_at)

    @admin.display(description=gettext_lazy("event"))
    def words(self, event: OutgoingEvent) -> str:
        return f"{kinds.words_of(event.kind)} ({event.type})"

    @admin.display(description=gettext_lazy("order"))
    def order_link(self, event: OutgoingEvent) -> SafeString | str:
        if event.order is None:
            return ""
        return format_html('<a class="text-link" href="{}">{}</a>', event.order.get_admin_url(), event.order.code)

    @label_column(COLOURS, description=gettext_lazy("state"))
    def state_label(self, event: OutgoingEvent) -> tuple[str, Words]:
        return event.state, event.get_state_display()

    @admin.display(description=gettext_lazy("next try"))
    def next_try(self, event: OutgoingEvent) -> str:
        return moment(event.due_at) if event.state == State.PENDING else ""

    @admin.display(description=gettext_lazy("what is told"))
    def body(self, event: OutgoingEvent) -> SafeString:
        told = json.dumps(json.loads(bodies.body_of(event)), ensure_ascii=False, indent=2)
        return format_html('<pre class="flowlog-code">{}</pre>', told)
