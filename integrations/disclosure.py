"""What this app keeps of a customer who asks for it: what was written to them, what they wrote, what carriers
and shops' systems told."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from flowlog.times import moment
from integrations.erasure import messages_of
from integrations.messages.kinds import kind_words
from integrations.models import CarrierNews, CustomerReply, NotificationLog, ShopNews
from orders.contacts import format_phone
from orders.disclosure import Record, filled
from orders.models import Customer, Order


def disclose(*, customers: list[Customer], orders: QuerySet[Order], **_kwargs: Any) -> Record:
    """The records of the customers, under titles in the active language. Four queries."""
    messages = messages_of(customers).filter(anonymised_at=None).order_by("created_at", "pk")
    replies = CustomerReply.objects.filter(customer__in=customers).order_by("received_at", "pk")
    news = CarrierNews.objects.filter(order__in=orders).order_by("pk")
    shops = ShopNews.objects.filter(order__in=orders).exclude(body=b"").select_related("connection").order_by("pk")
    return {
        _("Messages on WhatsApp"): [_message(row) for row in messages],
        _("What the customer wrote"): [_reply(row) for row in replies],
        _("What carriers told"): [_news(row) for row in news],
        _("What the shop's system told"): [_shop_news(row) for row in shops],
    }


def _message(row: NotificationLog) -> Record:
    return filled({
        _("created"): moment(row.created_at),
        _("event"): str(kind_words(row.event)),
        _("order"): row.snapshot_order_code,
        _("recipient"): format_phone(row.recipient),
        _("status"): str(row.get_status_display()),
        _("sent"): moment(row.sent_at),
        _("delivered"): moment(row.delivered_at),
        _("read"): moment(row.read_at),
        _("message"): row.message,
    })  # fmt: skip


def _reply(row: CustomerReply) -> Record:
    return filled({
        _("received"): moment(row.received_at),
        _("what"): str(row.get_kind_display()),
        _("text"): row.text,
        _("earlier texts"): [str(text) for text in row.earlier_texts],
        _("file"): row.file_name,
        _("deleted by the customer"): moment(row.deleted_at),
    })  # fmt: skip


def _news(row: CarrierNews) -> Record:
    return filled({
        _("when"): moment(row.occurred_at),
        _("tracking code"): row.tracking_code,
        _("status"): str(row.get_status_display()) or ", ".join(row.statuses),
        _("description"): row.description,
        _("as it was sent"): bytes(row.body).decode(errors="replace"),
    })  # fmt: skip


def _shop_news(row: ShopNews) -> Record:
    return filled({
        _("received"): moment(row.received_at),
        _("system"): row.connection.name,
        _("number in the shop"): row.external_number,
        _("as it was sent"): bytes(row.body).decode(errors="replace"),
    })  # fmt: skip
