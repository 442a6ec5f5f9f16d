"""What the integrations add to the pages of orders and customers: in the timeline the message that told of an event,
and what the customer wrote; in the list what became of the latest message; on a customer's page all that they wrote."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Prefetch
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from flowlog.staffpages.base import label_html, name_of
from flowlog.times import moment
from integrations.inbound.replies import is_obeyed
from integrations.models import CustomerReply, NotificationLog
from orders.admin import columns, customers, timeline
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
_RESENDS = NotificationLog.objects.select_related("requested_by").order_by("pk")
# More than anybody reads on one page; the rest is in the database.
SHOWN_REPLIES = 50


def register() -> None:
    """Called once, when the admin is loaded."""
    timeline.register_annotator(messages)
    timeline.register_annotator(replies)
    customers.register_section(customer_replies)
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
    rows = NotificationLog.objects.filter(order_event__in=[event.pk for event in events])
    told = rows.prefetch_related(Prefetch("resends", _RESENDS))
    under: defaultdict[int, list[SafeString]] = defaultdict(list)
    for row in told.order_by("pk"):
        under[row.order_event_id or 0].append(_with_resends_html(row))
    return {pk: format_html_join("", "{}", ((html,) for html in each)) for pk, each in under.items()}


def replies(request: HttpRequest, events: Sequence[OrderEvent]) -> dict[int, SafeString]:
    """Under each event of an order: what the customer wrote after it, the latest last."""
    if not _may_see(request) or not events:
        return {}
    said = CustomerReply.objects.filter(order=events[0].order_id).order_by("-received_at", "-pk")[:SHOWN_REPLIES]
    oldest_first = sorted(events, key=lambda event: event.pk)
    under: defaultdict[int, list[CustomerReply]] = defaultdict(list)
    for reply in reversed(said):
        earlier = [event for event in oldest_first if event.created_at <= reply.received_at]
        under[(earlier or oldest_first[:1])[-1].pk].append(reply)
    return {pk: format_html_join("", "{}", ((_reply_html(each),) for each in replies)) for pk, replies in under.items()}


def customer_replies(request: HttpRequest, customer: Customer) -> SafeString | str:
    """What the customer wrote, whatever order it was about, the latest first."""
    said = customer.replies.select_related("order").order_by("-received_at", "-pk")
    if not _may_see(request) or not (shown := said[:SHOWN_REPLIES]):
        return ""
    replies = [_reply_html(reply, reply.order) for reply in shown]
    return render_to_string("admin/integrations/customer_replies.html", {"replies": replies})


def latest_messages(orders: Sequence[Order]) -> dict[int, SafeString]:
    """What became of the latest message of each order, and whether the customer has answered since it was sent.

    What the system has obeyed is no answer, and neither is what home asks the staff about, or what was deleted.
    """
    pks = [order.pk for order in orders]
    latest = NotificationLog.objects.filter(order__in=pks).order_by("order_id", "-pk").distinct("order_id")
    # An erased text may have been a command, and nobody can answer it any more.
    said = CustomerReply.objects.filter(order__in=pks, deleted_at=None).exclude(kind=CustomerReply.Kind.TEXT, text="")
    said = said.exclude(wish=CustomerReply.Wish.UNSURE, decided_at=None).order_by("received_at")
    rows = said.values_list("order_id", "kind", "text", "wish", "received_at")
    answered = {order: received_at for order, *what, received_at in rows if not is_obeyed(*what)}
    return {row.order_id: _latest_html(row, answered.get(row.order_id)) for row in latest if row.order_id}


def _latest_html(row: NotificationLog, answered_at: datetime | None) -> SafeString:
    told_of_more = row.receipt in (Receipt.ERROR, Receipt.DELIVERY_ACK, Receipt.READ)
    label = (
        label_html(RECEIPT_COLOURS[row.receipt], row.get_receipt_display())
        if told_of_more
        else label_html(STATUS_COLOURS[row.status], row.get_status_display())
    )
    if answered_at is None or answered_at < (row.sent_at or row.created_at):
        return label
    return format_html("{} {}", label, label_html("warning", gettext("answered")))


def _may_see(request: HttpRequest) -> bool:
    return request.user.has_perm("integrations.view_notificationlog")


def _with_resends_html(row: NotificationLog) -> SafeString:
    return format_html_join("", "{}", ((_message_html(each),) for each in (row, *row.resends.all())))


def _message_html(row: NotificationLog) -> SafeString:
    text = row.message.partition("\n")[0]
    sent = row.status == NotificationLog.Status.SENT
    return render_to_string(
        "admin/integrations/timeline_message.html",
        {
            "address": reverse("admin:integrations_notificationlog_change", args=[row.pk]),
            "colour": STATUS_COLOURS[row.status],
            "status": row.get_status_display(),
            "receipt": receipt_html(row),
            "resent": _resent_words(row),
            "words": text if sent else row.error_message or text,
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


def _reply_html(reply: CustomerReply, order: Order | None = None) -> SafeString:
    return render_to_string(
        "admin/integrations/timeline_reply.html",
        {
            "received": moment(reply.received_at),
            "kind": "" if reply.kind == CustomerReply.Kind.TEXT else reply.get_kind_display(),
            "order": order,
            "text": reply.text,
            "erased": reply.kind == CustomerReply.Kind.TEXT and not reply.text,
            "edited": moment(reply.edited_at),
            "deleted": moment(reply.deleted_at),
            "earlier_texts": reply.earlier_texts,
        },
    )
