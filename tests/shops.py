"""Two shops in one installation, each with a row of everything that the admin shows, for tests of who sees what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.db.models.functions import Now
from django.utils import timezone

from api.models import ApiToken
from integrations.models import (
    CarrierConnection,
    CarrierNews,
    CustomerReply,
    EvolutionInstance,
    NotificationLog,
    ShopConnection,
    ShopNews,
    WebhookEvent,
)
from notifications.models import MessageText
from orders.members import Member
from orders.models import Customer, Order, Store, StoreStaff
from orders.services import create_order
from outgoing.models import Endpoint, OutgoingEvent
from tests.factories import make_instance


@dataclass(frozen=True)
class Shop:
    """A shop with one row of each model of the admin, and the words by which each could be recognised on a page."""

    store: Store
    order: Order
    rows: dict[type[Model], Model]
    marks: tuple[str, ...]


def make_shop(name: str, *, digits: str, tracking: str) -> Shop:
    """`digits` are the last four of its customer's phone; every word of it is its own."""
    store = Store.objects.create(name=f"Loja {name}", pickup_address=f"Rua {name}, 1")
    instance = make_instance(store, name=f"zap-{name}")
    endpoint = Endpoint(store=store, description=f"Sistema {name}", url=f"https://{name.lower()}.example/in")
    endpoint.new_secret()
    endpoint.save()
    order = create_order(
        store=store,
        customer_name=f"Cliente {name}",
        customer_phone=f"+551198765{digits}",
        items=[{"description": f"Camisa {name}", "quantity": 1, "unit_price": "10"}],
        delivery_method="correios_pac",
        notify=True,
    )
    Order.objects.filter(pk=order.pk).update(tracking_code=tracking, notes=f"Nota {name}")
    EvolutionInstance.objects.update(held_at=Now(), held_code="connection_closed", held_reason="x", probe_at=Now())
    reply = CustomerReply.objects.create(
        instance=instance, customer=order.customer, order=order, provider_message_id=f"r{digits}", kind="text",
        text=f"Oi {name}", received_at=timezone.now(), wish="unsure",
    )  # fmt: skip
    news = CarrierNews.objects.create(
        source="generic", signature=digits, tracking_code=tracking, order=order, status="in_transit",
        occurred_at=timezone.now(), result="refused",
    )  # fmt: skip
    webhook = WebhookEvent.objects.create(
        source="evolution", instance_name=instance.name, event="messages.upsert", payload={"de": f"Cliente {name}"}
    )
    connection = ShopConnection.objects.create(store=store, source="woocommerce", name=f"Site {name}")
    carrier = CarrierConnection.objects.create(store=store, source="melhorenvio", name=f"Envio {name}")
    told = ShopNews.objects.create(
        connection=connection, body=f"Cliente {name}".encode(), external_number=f"N-{name}", due_at=None, order=order,
        result="staff",
    )  # fmt: skip
    message = NotificationLog.objects.get(order=order)
    sent = OutgoingEvent.objects.get(endpoint=endpoint)
    text = MessageText.objects.create(store=store, event="confirm", text=f"{name} {{código}}")
    member = Member.objects.create(username=f"ana@{name}.example", email=f"ana@{name}.example", is_staff=True)
    StoreStaff.objects.create(store=store, user=member)
    token = ApiToken(store=store, name=f"Programa {name}", scopes=["orders:read"])
    token.renew()
    token.save()
    found: dict[type[Model], Model] = {
        type(row): row
        for row in (
            store, order, order.customer, instance, reply, news, webhook, message, member, text, connection, told,
            carrier, token, endpoint, sent,
        )
    }  # fmt: skip
    marks = (name, order.code, digits, tracking, order.tracking_token)
    return Shop(store, order, found, marks)


def rows_of(shop: Shop) -> dict[str, Any]:
    """The rows of one shop, and how often somebody did something with them."""
    done = LogEntry.objects.filter(object_id__in=[str(row.pk) for row in shop.rows.values()])
    of_shop = [
        done.filter(content_type__model=model._meta.model_name, object_id=str(row.pk)).count()
        for model, row in shop.rows.items()
    ]
    stored = {model.__name__: model._base_manager.filter(pk=row.pk).values().get() for model, row in shop.rows.items()}
    return stored | {"done": of_shop}


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows of both shops, to be compared with what there is later."""
    models: tuple[Any, ...] = (
        Member,
        StoreStaff,
        Store,
        Customer,
        Order,
        EvolutionInstance,
        NotificationLog,
        CustomerReply,
        CarrierConnection,
        CarrierNews,
        WebhookEvent,
        ShopConnection,
        ShopNews,
        MessageText,
        ApiToken,
        Endpoint,
        OutgoingEvent,
    )
    return {model.__name__: list(model._base_manager.order_by("pk").values()) for model in models}
