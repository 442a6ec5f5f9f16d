"""Endpoints for tests, and the independent witness of what they got."""

from __future__ import annotations

from typing import Any

from standardwebhooks import Webhook

from orders.models import Store
from outgoing.models import Endpoint, OutgoingEvent
from tests.integrations.receiver import Hook


def make_endpoint(url: str = "https://loja.example/in", **values: Any) -> tuple[Endpoint, str]:
    """An endpoint of the default store, unless the test says otherwise, and its secret."""
    given = {"store": values.pop("store", None) or Store.get_default(), "description": "ERP"} | values
    endpoint = Endpoint(url=url, **given)
    secret = endpoint.new_secret()
    endpoint.save()
    return endpoint, secret


def verified(hook: Hook, secret: str) -> Any:
    """What the webhook tells, by the library that others verify with."""
    return Webhook(secret).verify(hook.raw, hook.headers)


def told(endpoint: Endpoint | None = None) -> list[tuple[str, str]]:
    """Each event's type and state, in their order."""
    rows = OutgoingEvent.objects.filter(endpoint=endpoint) if endpoint else OutgoingEvent.objects.all()
    return [(row.type, row.state) for row in rows.order_by("pk")]
