"""`python -m flowlog.devtools.demo`: two orders, from creation to the customer's hands, over the real system.

Exits 0 only if every message was sent and each phone got exactly one copy of it. The phones are fictitious, and
the gateway is the sandbox. With `--first-time-only` it does nothing where there are orders already.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import django
import requests

from flowlog.devtools.console import Console

if TYPE_CHECKING:
    from integrations.models import NotificationLog
    from orders.models import Order

DEADLINE = 60.0
POLL_INTERVAL = 0.2
PHONE_TIMEOUT = 10


@dataclass(frozen=True, slots=True)
class Story:
    """What happens to one demo order."""

    customer: str
    phone: str
    delivery_method: str
    address: str
    item: str
    price: str
    transitions: tuple[tuple[str, dict[str, Any]], ...]


STORIES = (
    Story(
        customer="Ana Demonstração",
        phone="+5511900001001",
        delivery_method="correios_sedex",
        address="Rua do Exemplo, 100, São Paulo/SP",
        item="Caneca de cerâmica",
        price="49.90",
        transitions=(
            ("confirm", {}),
            ("pay", {}),
            ("ship", {"tracking_code": "AA123456785BR"}),
            ("out_for_delivery", {}),
            ("deliver", {}),
        ),
    ),
    Story(
        customer="Bruno Demonstração",
        phone="+5511900001002",
        delivery_method="pickup",
        address="",
        item="Camiseta azul",
        price="79.00",
        transitions=(("confirm", {}), ("ready_for_pickup", {}), ("pick_up", {})),
    ),
)


def run(console: Console) -> bool:
    """Take all stories through; whether every message reached its phone exactly once."""
    orders = [_live(story, console) for story in STORIES]
    rows = _await_messages(orders, console)
    complete = all(row.status == "sent" for row in rows)
    for order in orders:
        own = [row for row in rows if row.order_id == order.pk]
        complete &= _compare_with_phone(order, own, console)
    console.line("\nNotification Logs")
    console.line(f"  {'id':>5}  {'event':<17} {'status':<8} {'recipient':<10} {'seconds':>7}  provider id")
    for row in rows:
        seconds = f"{(row.sent_at - row.created_at).total_seconds():.2f}" if row.sent_at else "–"
        why = row.provider_message_id or f"{row.error_code} {row.error_message}".strip()
        masked = f"…{row.recipient[-4:]}"
        console.line(f"  {row.pk:>5}  {row.event:<17} {row.status:<8} {masked:<10} {seconds:>7}  {why}")
    sent = sum(row.status == "sent" for row in rows)
    verdict = "each on its phone exactly once" if complete else "NOT as it should be"
    console.line(f"\n{sent} of {len(rows)} messages sent, {verdict}.")
    return complete


def _live(story: Story, console: Console) -> Order:
    from orders.models import Store  # noqa: PLC0415 - needs the app registry
    from orders.services import apply_transition, create_order  # noqa: PLC0415

    names = ["create", *(name for name, _ in story.transitions)]
    with console.step(f"Demo order ({story.delivery_method}): {', '.join(names)}"):
        order = create_order(
            store=Store.get_default(),
            customer_name=story.customer,
            customer_phone=story.phone,
            items=[{"description": story.item, "quantity": 1, "unit_price": story.price}],
            delivery_method=story.delivery_method,
            delivery_address=story.address,
        )
        for name, data in story.transitions:
            order = apply_transition(order, name, **data)
    return order


def _await_messages(orders: Sequence[Order], console: Console) -> list[NotificationLog]:
    """The orders' rows, once all are settled or the time is over; each is reported as it settles."""
    from integrations.models import NotificationLog  # noqa: PLC0415 - needs the app registry

    expected = sum(1 + len(story.transitions) for story in STORIES)
    console.line(f"  Waiting for {expected} messages:")
    started = time.monotonic()
    seen: set[int] = set()
    while True:
        rows = list(NotificationLog.objects.filter(order__in=orders).select_related("order").order_by("pk"))
        for row in rows:
            if row.pk not in seen and row.status not in NotificationLog.UNFINISHED:
                seen.add(row.pk)
                console.line(f"    {time.monotonic() - started:5.1f} s  {row.order} {row.event}: {row.status}")
        if len(seen) >= expected:
            return rows
        if time.monotonic() - started > DEADLINE:
            console.line(f"    Gave up after {DEADLINE:.0f} s with {len(seen)} of {expected} messages settled.")
            return rows
        time.sleep(POLL_INTERVAL)


def _compare_with_phone(order: Order, rows: Sequence[NotificationLog], console: Console) -> bool:
    """Show what the phone holds of this order; whether it is exactly one copy of each message."""
    on_phone = [text for text in _phone(order.customer.phone) if order.code in text]
    console.line(f"\nOn the phone …{order.customer.phone[-4:]} (order {order.code})")
    for text in on_phone:
        for number, line in enumerate(text.splitlines()):
            console.line(f"  {'│' if number else '┌'} {line}")
    return bool(rows) and Counter(on_phone) == Counter(row.message for row in rows)


def _phone(phone: str) -> list[str]:
    """The texts on a customer's phone, oldest first, as the gateway has them."""
    from django.conf import settings  # noqa: PLC0415 - so that importing this module needs no settings

    answer = requests.post(
        f"{settings.EVOLUTION_API_URL}/chat/findMessages/{settings.EVOLUTION_INSTANCE}",
        headers={"apikey": settings.EVOLUTION_API_KEY},
        json={
            "where": {"key": {"remoteJid": f"{phone.removeprefix('+')}@s.whatsapp.net", "fromMe": True}},
            "page": 1,
            "offset": 100,
        },
        timeout=PHONE_TIMEOUT,
    )
    answer.raise_for_status()
    records: list[dict[str, Any]] = answer.json()["messages"]["records"]
    return [str(record["message"].get("conversation", "")) for record in reversed(records)]


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="flowlog.devtools.demo")
    parser.add_argument("--first-time-only", action="store_true")
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flowlog.settings")
    django.setup()
    from orders.models import Order  # noqa: PLC0415 - needs the app registry

    if arguments.first_time_only and Order.objects.exists():
        return 0
    return 0 if run(Console()) else 1


if __name__ == "__main__":
    sys.exit(main())
