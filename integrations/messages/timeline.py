"""What the integrations add to the pages of orders and customers: in the timeline the message that told of an event,
and what the customer wrote; in the list what became of the latest message; on a customer's page all that they wrote."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from flowlog.staffpages.base import label_html
from flowlog.staffpages.people import name_of
from flowlog.times import moment
from integrations.inbound import inbox
from integrations.inbound.correspondence import with_customer
from integrations.messages import attention
from integrations.messages.formatting import to_html
from integrations.messages.kinds import FREE_ANSWER, kind_words
from integrations.models import CustomerReply, NotificationLog
from orders.admin import columns, customers, timeline, views
from orders.models import Customer, Order, OrderEvent

Receipt = NotificationLog.Receipt

STATUS_COLOURS: dict[str, str] = {
    NotificationLog.Status.PENDING: "warning",
    NotificationLog.Status.SENDING: "info",
    NotificationLog.Status.SENT: "success",
    NotificationLog.Status.FAILED: "danger",
    NotificationLog.Status.UNKNOWN: "danger",
    NotificationLog.Status.SKIPPED: "",
    NotificationLog.Status.CANCELLED: "",
}
RECEIPT_COLOURS: dict[str, str] = {
    Receipt.PENDING: "",
    Receipt.SERVER_ACK: "",
    Receipt.ERROR: "danger",
    Receipt.DELIVERY_ACK: "info",
    Receipt.READ: "success",
}
# More than anybody reads on one page; the rest is in the database.
SHOWN_MESSAGES = 20


def register() -> None:
    """Called once, when the admin is loaded."""
    timeline.register_annotator(messages)
    timeline.register_annotator(replies)
    customers.register_section(customer_replies)
    customers.register_section(customer_messages)
    views.register_view(views.View("answered", _("answered"), _answered, _may_see))
    views.also_in_view("problems", _may_see, _whose_messages_need_a_person)
    columns.register_column(columns.Column("whatsapp", "WhatsApp", _may_see, latest_messages))


def receipt_html(row: NotificationLog) -> SafeString:
    """What became of a message after it was sent, and since when; empty while nobody knows."""
    if not row.receipt:
        return SafeString()
    label = label_html(RECEIPT_COLOURS[row.receipt], row.get_receipt_display())
    since = moment(row.read_at or row.delivered_at)
    return format_html('{} <span class="flowlog-quiet flowlog-unbroken">{}</span>', label, since) if since else label


def messages(request: HttpRequest, events: Sequence[OrderEvent]) -> dict[int, SafeString]:
    """Under each event of an order: the messages that told the customer, and resends, if they may see the log."""
    if not _may_see(request):
        return {}
    rows = list(NotificationLog.objects.filter(order=events[0].order).select_related("requested_by").order_by("pk"))
    resends: defaultdict[int, list[NotificationLog]] = defaultdict(list)
    for row in rows:
        resends[row.resend_of_id or 0].append(row)
    under: defaultdict[int, list[SafeString]] = defaultdict(list)
    for row in rows:
        if row.order_event_id:
            under[row.order_event_id] += [_message_html(each) for each in (row, *resends[row.pk])]
    return {pk: format_html_join("", "{}", ((html,) for html in each)) for pk, each in under.items()}


def replies(request: HttpRequest, events: Sequence[OrderEvent]) -> dict[int, SafeString]:
    """Under each event of an order: what the customer wrote after it, the latest last."""
    if not _may_see(request) or not events:
        return {}
    order = events[0].order
    said = with_customer(order.customer, order).about
    oldest_first = sorted(events, key=lambda event: event.pk)
    under: defaultdict[int, list[CustomerReply]] = defaultdict(list)
    for reply in reversed(said):
        earlier = [event for event in oldest_first if event.created_at <= reply.received_at]
        under[(earlier or oldest_first[:1])[-1].pk].append(reply)
    return {pk: format_html_join("", "{}", ((reply_html(each),) for each in replies)) for pk, replies in under.items()}


def customer_replies(request: HttpRequest, customer: Customer) -> SafeString | str:
    """What the customer wrote, whatever order it was about, the latest first; what waits for an answer stands above."""
    if not _may_see(request) or not (shown := with_customer(customer).over):
        return ""
    replies = [reply_html(reply, reply.order) for reply in shown]
    return render_to_string("admin/integrations/customer_replies.html", {"replies": replies})


def customer_messages(request: HttpRequest, customer: Customer) -> SafeString | str:
    """The latest messages that the customer was sent, whatever order they were about."""
    told = NotificationLog.objects.filter(order__customer=customer).select_related("requested_by", "order")
    if not _may_see(request) or not (shown := told.order_by("-pk")[:SHOWN_MESSAGES]):
        return ""
    messages = [
        (row, kind_words(row.event), moment(row.sent_at or row.created_at), _message_html(row)) for row in shown
    ]
    return render_to_string("admin/integrations/customer_messages.html", {"messages": messages})


def _answered(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Those of which an answer waits in the inbox, finished or not."""
    return orders.filter(pk__in=inbox.open_replies().filter(order__isnull=False).order_by().values("order"))


def _whose_messages_need_a_person() -> QuerySet[Any, Any]:
    """The orders of the messages that home counts, finished or not."""
    return attention.need_a_person().filter(order__isnull=False).order_by().values("order")


def latest_messages(orders: Sequence[Order]) -> dict[int, SafeString]:
    """What became of the latest message of each order, and whether an answer of the customer waits in the inbox."""
    pks = [order.pk for order in orders]
    latest = NotificationLog.objects.filter(order__in=pks).order_by("order_id", "-pk").distinct("order_id")
    rows = {row.order_id: _latest_html(row) for row in latest if row.order_id}
    for order_id in set(inbox.open_replies().filter(order__in=pks).order_by().values_list("order_id", flat=True)):
        answered = label_html("warning", gettext("answered"))
        rows[order_id] = format_html("{} {}", rows[order_id], answered) if order_id in rows else answered
    return rows


def _latest_html(row: NotificationLog) -> SafeString:
    told_of_more = row.receipt in (Receipt.ERROR, Receipt.DELIVERY_ACK, Receipt.READ)
    if told_of_more:
        return label_html(RECEIPT_COLOURS[row.receipt], row.get_receipt_display())
    return label_html(STATUS_COLOURS[row.status], row.get_status_display())


def _may_see(request: HttpRequest) -> bool:
    return request.user.has_perm("integrations.view_notificationlog")


def _message_html(row: NotificationLog) -> SafeString:
    # What somebody wrote is read whole; what the system says, everybody knows.
    text = row.parsed_snapshot.text or row.message.partition("\n")[0]
    sent = row.status == NotificationLog.Status.SENT
    return render_to_string(
        "admin/integrations/timeline_message.html",
        {
            "address": reverse("admin:integrations_notificationlog_change", args=[row.pk]),
            "colour": STATUS_COLOURS[row.status],
            "status": row.get_status_display(),
            "receipt": receipt_html(row),
            "resent": _resent_words(row) or _written_words(row),
            "words": to_html(text) if sent or not row.error_message else row.error_message,
        },
    )


def _resent_words(row: NotificationLog) -> str:
    """Who had it sent again, and when; empty for a message that is no resend."""
    if not row.resend_of_id:
        return ""
    when = moment(row.created_at)
    if row.requested_by is None:
        return gettext("Sent again on %(when)s") % {"when": when}
    return gettext("Sent again by %(who)s on %(when)s") % {"who": name_of(row.requested_by), "when": when}


def _written_words(row: NotificationLog) -> str:
    """Who wrote it; empty for a message that the system made."""
    if row.event != FREE_ANSWER or row.requested_by is None:
        return ""
    return gettext("Written by %(who)s") % {"who": name_of(row.requested_by)}


def reply_html(reply: CustomerReply, order: Order | None = None) -> SafeString:
    return render_to_string(
        "admin/integrations/timeline_reply.html",
        {
            "received": moment(reply.received_at),
            "kind": "" if reply.kind == CustomerReply.Kind.TEXT else reply.get_kind_display(),
            "order": order,
            "text": to_html(reply.text),
            "file_name": reply.file_name,
            "handled": _handled_words(reply),
            "erased": reply.kind == CustomerReply.Kind.TEXT and not reply.text,
            "edited": moment(reply.edited_at),
            "deleted": moment(reply.deleted_at),
            "earlier_texts": reply.earlier_texts,
        },
    )


def _handled_words(reply: CustomerReply) -> str:
    """Who has handled it, and when; empty while it waits, and for what nobody need handle."""
    if reply.handled_at is None:
        return ""
    if reply.handled_by is None:
        return gettext("handled on %(when)s") % {"when": moment(reply.handled_at)}
    return gettext("handled by %(who)s on %(when)s") % {
        "who": name_of(reply.handled_by),
        "when": moment(reply.handled_at),
    }
