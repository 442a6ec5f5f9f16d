"""What version 1 tells. Clients are told to pass by fields that they do not know."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from urllib.parse import urljoin

from django.conf import settings
from django.urls import reverse
from ninja import Schema
from pydantic import Field

from api.models import OrderChange
from api.origins import public_source
from api.v1.given import NAMES
from flowlog.staffpages.people import name_of
from integrations.messages.sentences import sentence
from integrations.models import NotificationLog
from orders.models import Order, OrderEvent
from orders.transitions import TRANSITIONS, done_words

Result = Literal["created", "applied", "nothing_new", "late"]


class CustomerOut(Schema):
    name: str
    phone: str = Field(description="E.164; vazio se não há, e sempre nos pedidos de teste.")


class ItemOut(Schema):
    description: str
    quantity: str
    unit_price: str


class ReferenceOut(Schema):
    source: str
    id: str
    number: str


class OrderOut(Schema):
    code: str
    test: bool
    reference: ReferenceOut | None
    status: str
    payment_status: str
    delivery_status: str
    delivery_method: str
    delivery_address: str
    customer: CustomerOut
    items: list[ItemOut]
    freight: str
    discount: str
    total: str
    tracking_code: str
    tracking_url: str
    pickup_deadline: datetime | None
    tracking_page: str
    possible: list[str]
    created_at: datetime
    updated_at: datetime


class EventOut(Schema):
    transition: str
    label: str
    at: datetime
    status: str
    payment_status: str
    delivery_status: str
    note: str
    by: str = Field(description="O nome do token ou da pessoa; vazio para o que o sistema fez.")


class MessageOut(Schema):
    event: str
    status: str
    text: str
    created_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    error: str
    error_message: str


class OrderDetail(OrderOut):
    timeline: list[EventOut]
    messages: list[MessageOut] | None = Field(description="null sem a permissão messages:read.")


class MadeOut(OrderOut):
    reason: str = Field(description="O que do estado não foi feito, e por quê.")


class PutOut(MadeOut):
    result: Result
    differs: list[str] = Field(description="JSON pointers do que aqui está diferente e não foi mudado.")


class Orders(Schema):
    orders: list[OrderOut]
    next: str | None = Field(description="O endereço da próxima página; null na última.")
    resume: str | None = Field(description="Com updated_since: o endereço de onde continuar, agora ou da próxima vez.")


class Messages(Schema):
    messages: list[MessageOut]


class DryRun(Schema):
    dry_run: Literal[True] = True
    would_send: bool
    text: str = Field(description="O texto que iria; vazio se nenhum aviso seria escrito.")
    reason: str = Field(description="Por que não iria.")
    order: OrderOut


class ErrorOut(Schema):
    pointer: str | None = None
    parameter: str | None = None
    code: str
    message: str


class ProblemOut(Schema):
    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[ErrorOut]
    possible: list[str] | None = None


def possible(order: Order) -> list[str]:
    """The steps that the order's statuses allow now."""
    return [name for name in NAMES if TRANSITIONS[name].is_possible(order)]


def order_values(order: Order) -> dict[str, Any]:
    """The fields of `OrderOut`. The order's customer is loaded; without items fetched before, one query."""
    source, is_test = public_source(order.source)
    reference = {"source": source, "id": order.external_id, "number": order.external_number}
    return {
        "code": order.code,
        "test": is_test,
        "reference": reference if order.external_id or order.external_number else None,
        **{name: str(getattr(order, name)) for name in ("status", "payment_status", "delivery_status")},
        "delivery_method": str(order.delivery_method),
        "delivery_address": order.delivery_address,
        "customer": {"name": order.addressee, "phone": order.customer.phone},
        "items": [
            {
                "description": item.description,
                "quantity": f"{item.quantity.normalize():f}",
                "unit_price": f"{item.unit_price:.2f}",
            }
            for item in order.items.all()
        ],
        **{name: f"{getattr(order, name):.2f}" for name in ("freight", "discount", "total")},
        "tracking_code": order.tracking_code,
        "tracking_url": order.tracking_url,
        "pickup_deadline": order.pickup_deadline,
        "tracking_page": urljoin(settings.SITE_URL, reverse("tracking_page", args=[order.tracking_token])),
        "possible": possible(order),
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    }


def timeline(order: Order) -> list[EventOut]:
    """Oldest first. One query."""
    events = order.events.select_related("actor", "api_change__token").order_by("pk")
    return [
        EventOut(
            transition=event.transition,
            label=str(done_words(event.transition)),
            at=event.created_at,
            status=event.status,
            payment_status=event.payment_status,
            delivery_status=event.delivery_status,
            note=event.note,
            by=_by(event),
        )
        for event in events
    ]


def _by(event: OrderEvent) -> str:
    if event.actor:
        return name_of(event.actor)
    try:
        return event.api_change.token.name
    except OrderChange.DoesNotExist:
        return ""


def messages(order: Order) -> list[MessageOut]:
    """What the customer was told of it, and what waits. One query."""
    return list(map(_message, NotificationLog.objects.filter(order=order).order_by("pk")))


def _message(row: NotificationLog) -> MessageOut:
    return MessageOut(
        event=row.event,
        status=row.status,
        text=row.message,
        created_at=row.created_at,
        sent_at=row.sent_at,
        delivered_at=row.delivered_at,
        read_at=row.read_at,
        error=row.error_code,
        error_message=sentence(row.error_code) if row.error_code else "",
    )
