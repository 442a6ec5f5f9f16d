"""The log of notifications in the admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter

from flowlog.prepared import among
from flowlog.staffpages.base import TabularInline, UncountedAdmin, label_column
from flowlog.staffpages.filters import RelatedFilter
from flowlog.staffpages.people import name_of
from flowlog.times import moment
from flowlog.translations import Words
from integrations.gateways.sentences import not_delivered
from integrations.instances.connections import why_held
from integrations.messages import attention, snapshot_words, timeline
from integrations.messages.exports import MESSAGES
from integrations.messages.formatting import to_html
from integrations.messages.kinds import kind_words, kinds
from integrations.messages.log import FROM_ITS_END
from integrations.messages.timeline import STATUS_COLOURS, receipt_html
from integrations.models import DeliveryAttempt, NotificationLog, earlier_unfinished
from orders import search, terms
from orders.admin.exports import ExportViews
from orders.admin.phones import phone_html
from orders.contacts import format_phone

timeline.register()


class EventFilter(DropdownFilter):  # type: ignore[misc]
    """By kind of message. The kinds come from the table, not from counting the rows."""

    title = _("event")
    parameter_name = "event"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> Sequence[tuple[str, Words]]:
        return kinds()

    def queryset(self, _request: HttpRequest, queryset: QuerySet[NotificationLog]) -> QuerySet[NotificationLog]:
        return queryset.filter(event=self.value()) if self.value() else queryset


class AttentionFilter(DropdownFilter):  # type: ignore[misc]
    """What home counts: the failures that are still to be seen to."""

    title = _("to see to")
    parameter_name = "attention"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> Sequence[tuple[str, Words]]:
        return [("1", _("not sent, to see to"))]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[NotificationLog]) -> QuerySet[NotificationLog]:
        # By key: the list's own order would otherwise lead PostgreSQL through the whole table.
        return queryset.filter(pk__in=attention.need_a_person().values("pk")) if self.value() else queryset


class AttemptInline(TabularInline):
    model = DeliveryAttempt
    fields = readonly_fields = ("started", "kind", "took", "outcome", "error_code", "http_status", "response")
    can_delete = False
    ordering = ("-pk",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    @admin.display(description=_("when"))
    def started(self, attempt: DeliveryAttempt) -> str:
        return moment(attempt.started_at)

    @admin.display(description=_("how long"))
    def took(self, attempt: DeliveryAttempt) -> str:
        return f"{number_format(attempt.duration.total_seconds(), 1)} s" if attempt.duration is not None else ""

    @admin.display(description=_("response"))
    def response(self, attempt: DeliveryAttempt) -> SafeString | str:
        if not attempt.response_body:
            return ""
        return format_html(
            '<details><summary class="text-link">{}</summary><pre class="flowlog-code">{}</pre></details>',
            gettext("Show"),
            attempt.response_body,
        )


class NotificationLogAdmin(ExportViews, UncountedAdmin):
    """Cheap with a million rows: nothing is counted, every column comes from the row itself.

    It is registered by `notifications.admin`, which knows what can be done with a message.
    """

    when_empty = _(
        "Each message to a customer stands here, with what became of it. The first one comes with the next "
        "step of an order."
    )
    list_before_template = "admin/in_out.html"
    export_columns, export_permission, export_name = MESSAGES, "orders.export_messages", "mensagens"
    inlines = (AttemptInline,)
    list_display = (
        "status_label", "receipt_label", "event_words", "order_link", "problem", "customer_name", "phone", "created",
        "sent",
    )  # fmt: skip
    list_display_links = ("status_label", "event_words")
    list_filter = (
        AttentionFilter,
        ("status", ChoicesDropdownFilter),
        EventFilter,
        ("instance", RelatedFilter),
        "created_at",
    )
    list_filter_submit = True
    list_per_page = 50
    sortable_by = ()
    search_fields = ("order__code__exact",)
    search_help_text = _("Order code, customer or phone")
    fieldsets = (
        (None, {"fields": (
            "bubble", "status_label", "receipt_label", "problem", "event_words", "order_link", "customer_link",
            "phone_link",
        )}),
        (_("Sending"), {"fields": (
            "created", "sent", "delivered", "read", "next_try", "attempts", "instance", "provider_message_id",
        )}),
        (_("By the staff"), {"fields": ("resend_link", "requested_by")}),
        (_("Snapshot of the order"), {"classes": ("collapse",), "fields": ("snapshot_written",)}),
    )  # fmt: skip
    readonly_fields = (
        "bubble", "status_label", "receipt_label", "problem", "event_words", "order_link", "customer_link",
        "phone_link", "created", "sent", "delivered", "read", "next_try", "resend_link", "snapshot_written",
    )  # fmt: skip

    @label_column(STATUS_COLOURS, description=_("status"))
    def status_label(self, row: NotificationLog) -> tuple[str, str]:
        return row.status, row.get_status_display()

    @admin.display(description=_("receipt"))
    def receipt_label(self, row: NotificationLog) -> SafeString | str:
        return receipt_html(row)

    @admin.display(description=_("event"))
    def event_words(self, row: NotificationLog) -> Words:
        return kind_words(row.event)

    @admin.display(description=_("order"))
    def order_link(self, row: NotificationLog) -> SafeString | str:
        if not row.order_id:
            return row.snapshot_order_code
        address = reverse("admin:orders_order_change", args=[row.order_id])
        return format_html('<a class="text-link" href="{}">{}</a>', address, row.snapshot_order_code or row.order_id)

    @admin.display(description=_("customer"))
    def customer_name(self, row: NotificationLog) -> str:
        return gettext("erased") if row.anonymised_at else row.parsed_snapshot.customer.name

    @admin.display(description=_("recipient"))
    def phone(self, row: NotificationLog) -> str:
        return gettext("erased") if row.anonymised_at else format_phone(row.recipient)

    @admin.display(description=_("customer"))
    def customer_link(self, row: NotificationLog) -> SafeString | str:
        """Their page, where the number is corrected."""
        customer = row.parsed_snapshot.customer
        if row.anonymised_at or not customer.id:
            return self.customer_name(row)
        address = reverse("admin:orders_customer_change", args=[customer.id])
        return format_html('<a class="text-link" href="{}">{}</a>', address, customer.name)

    @admin.display(description=_("recipient"))
    def phone_link(self, row: NotificationLog) -> SafeString | str:
        return gettext("erased") if row.anonymised_at else phone_html(row.recipient)

    @admin.display(description=_("created"))
    def created(self, row: NotificationLog) -> str:
        return moment(row.created_at)

    @admin.display(description=_("sent"))
    def sent(self, row: NotificationLog) -> str:
        return moment(row.sent_at)

    @admin.display(description=_("delivered"))
    def delivered(self, row: NotificationLog) -> str:
        return moment(row.delivered_at)

    @admin.display(description=_("read"))
    def read(self, row: NotificationLog) -> str:
        return moment(row.read_at)

    @admin.display(description=_("next attempt"))
    def next_try(self, row: NotificationLog) -> str:
        waits = row.status == NotificationLog.Status.PENDING and row.next_attempt_at > timezone.now()
        return moment(row.next_attempt_at) if waits else ""

    @admin.display(description=_("what happened"))
    def problem(self, row: NotificationLog) -> str:
        if row.status == NotificationLog.Status.PENDING and (why := self._why_it_waits(row)):
            return why
        if row.receipt == NotificationLog.Receipt.ERROR:
            return not_delivered(row.error_code)
        if row.cancelled_by and row.status == NotificationLog.Status.CANCELLED:
            return gettext("Cancelled by %(who)s.") % {"who": name_of(row.cancelled_by)}
        what = row.error_message or row.error_code
        if row.dismissed_at and row.dismissed_by:
            return gettext("%(what)s Dismissed by %(who)s.") % {"what": what, "who": name_of(row.dismissed_by)}
        return what

    def _why_it_waits(self, row: NotificationLog) -> str:
        if row.waits_for_earlier:  # type: ignore[attr-defined]
            return gettext("Waits for the earlier message of this order.")
        if self.next_try(row) and not (row.error_code or row.attempts):
            return gettext("Waits a moment: what it tells of can still be undone.")
        if row.instance and row.instance.held_at:
            return gettext("The instance is held: %(reason)s") % {"reason": why_held(row.instance)}
        return ""

    @admin.display(description=_("sent again for"))
    def resend_link(self, row: NotificationLog) -> SafeString | str:
        if row.resend_of is None:
            return ""
        address = reverse("admin:integrations_notificationlog_change", args=[row.resend_of_id])
        return format_html('<a class="text-link" href="{}">{}</a>', address, moment(row.resend_of.created_at))

    @admin.display(description=_("message"))
    def bubble(self, row: NotificationLog) -> SafeString | str:
        if row.anonymised_at:
            return gettext("Text, name and number were erased on %(when)s.") % {"when": moment(row.anonymised_at)}
        if not row.message:
            if row.status in NotificationLog.UNFINISHED:
                return gettext("The text is written when the message is sent.")
            return gettext("The message did not go out: no text was written.") if not row.sent_at else ""
        return format_html('<div class="flowlog-bubble">{}</div>', to_html(row.message))

    @admin.display(description=_("snapshot"))
    def snapshot_written(self, row: NotificationLog) -> SafeString:
        lines = snapshot_words.lines(row.parsed_snapshot)
        return render_to_string("admin/integrations/snapshot.html", {"lines": lines})

    def get_fieldsets(self, request: HttpRequest, obj: NotificationLog | None = None) -> Any:
        """What there is to tell of this message."""
        told = [
            (title, {**options, "fields": [name for name in options["fields"] if self._knows(obj, name)]})
            for title, options in super().get_fieldsets(request, obj)
        ]
        return [(title, options) for title, options in told if options["fields"]]

    def _knows(self, row: NotificationLog | None, name: Any) -> bool:
        if row is None:
            return True
        return (getattr(self, name)(row) if hasattr(self, name) else getattr(row, name)) not in ("", None)

    def get_queryset(self, request: HttpRequest) -> QuerySet[NotificationLog]:
        rows: QuerySet[NotificationLog] = super().get_queryset(request)
        rows = rows.select_related("instance", "resend_of", "cancelled_by", "dismissed_by")
        return rows.annotate(waits_for_earlier=earlier_unfinished())

    def get_search_results(
        self,
        request: HttpRequest,
        queryset: QuerySet[NotificationLog],
        search_term: str,
    ) -> tuple[QuerySet[NotificationLog], bool]:
        """By its order, as the list of orders finds it, or by the last digits of the number it went to."""
        if not search_term.strip():
            return queryset, False
        wanted = search.Wanted.by_orders(search_term, "order_id")
        if digits := terms.digits(search_term):
            sent = NotificationLog.objects.order_by().alias(from_its_end=FROM_ITS_END).exclude(recipient="")
            ended = sent.filter(from_its_end__startswith=digits[::-1])
            wanted = search.Wanted(Q(wanted.found) | Q(among("pk", ended.values("pk"))))
        return search.narrow_uncounted(request, queryset, wanted), False
