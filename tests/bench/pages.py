"""Pages and jobs at the size of a shop group, beside the same ones at a small shop's: time and statements.

They are asked for with Django's test client, in this process, warm. To show a row costs more than to find it, so the
small shop has as much to show (`load.sql`): what each of the two answered is told with the floor, in kB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock
from urllib.parse import quote_plus, urlsplit

from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from api.models import ApiToken
from flowlog.staffpages.paging import MOST
from integrations import retention
from integrations.models import CustomerReply, NotificationLog
from notifications import claims, sweep
from orders.models import Customer, Order, Store
from orders.services import expire_due_pickups
from outgoing.models import OutgoingEvent
from tests.bench.figures import Figure
from tests.bench.load import load
from tests.bench.perfkit import statements_of, timed

ORDERS = "/admin/orders/order/"
MESSAGES = "/admin/integrations/notificationlog/"
CUSTOMERS = "/admin/orders/customer/"
REPLIES = "/admin/integrations/customerreply/"
EVENTS = "/admin/outgoing/outgoingevent/"
API = "/api/v1/orders"
AUTOCOMPLETE = "/admin/autocomplete/?app_label=orders&model_name=order&field_name=customer&term="
PER_PAGE = 50
MOST_STATEMENTS = 12
# Its session, its reader and nothing else: see `check_the_count`.
KNOWN_PAGE = "/admin/jsi18n/"


@dataclass(frozen=True, slots=True)
class Sizes:
    small: int
    orders: int
    rounds: int


FULL = Sizes(small=1000, orders=200_000, rounds=5)
QUICK = Sizes(small=100, orders=600, rounds=2)


@dataclass(frozen=True, slots=True)
class Seen:
    """The shortest time in milliseconds, the statements, and how long the answer is: the two sizes are not looked at in
    the same moments."""

    milliseconds: float
    statements: int
    kilobytes: int


def measure(sizes: Sizes) -> Iterator[Figure]:
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(User.objects.create_superuser("bench"))
    check_the_count(client)
    found = []
    for orders in (sizes.small, sizes.orders):
        load(orders)
        with mock.patch("flowlog.publishing.publish", lambda wake_ups, **_options: len(list(wake_ups))):
            works = pages(client) | programs() | jobs()
            found.append({name: look(work, sizes.rounds) for name, work in works.items()})
    small, large = found
    for name, seen in large.items():
        floor = small[name]
        shown = f", {floor.kilobytes} kB beside {seen.kilobytes}" if seen.kilobytes else ""
        yield Figure(name, seen.milliseconds, "ms", floor.milliseconds, f"with {sizes.small:,} orders{shown}",
                     most=1.5 if "q=" in name else 1.3)  # fmt: skip
    for name, seen in large.items():
        yield Figure(f"statements of {name}", seen.statements, most=MOST_STATEMENTS)


def look(work: Callable[[], object], rounds: int) -> Seen:
    """Once to get warm, once to count, and then some times against the clock."""
    answer = work()
    statements = len(statements_of(work))
    kilobytes = round(len(answer) / 1000) if isinstance(answer, bytes) else 0
    return Seen(min(timed(work) for _ in range(rounds)), statements, kilobytes)


def pages(client: Client) -> dict[str, Callable[[], object]]:
    """Each by its name; which order, customer and message they are about depends on how many there are."""
    number = Order.objects.count()
    order = Order.objects.select_related("customer").order_by("pk")[number // 2]
    tracked = Order.objects.exclude(tracking_code="").order_by("pk")[number // 10]
    # One of those whose name and end of the phone as many others have in a small shop as in a large one.
    customer = Customer.objects.earliest("pk")
    name, phone = quote_plus(customer.name), customer.phone
    message = NotificationLog.objects.order_by("pk")[number]
    addresses = {"first page": "/admin/"}
    addresses |= {f"orders {query}": f"{ORDERS}?{query}" for query in (
        "", "p=2", "status__exact=pending", "delivery_status__exact=shipped", "o=6", "q=Maria",
        "q=camiseta", "q=Maria+camiseta", "q=zzzzqq",
    )}  # fmt: skip
    addresses |= {
        "orders, the last page": f"{ORDERS}?p={max(min(number, MOST) // PER_PAGE, 1)}",
        "orders q=code": f"{ORDERS}?q={order.code}",
        "orders q=part of a code": f"{ORDERS}?q={order.code[2:7]}",
        "orders q=full name": f"{ORDERS}?q={name}",
        "orders q=phone": f"{ORDERS}?q={phone[3:]}",
        "orders q=end of a phone": f"{ORDERS}?q={phone[-4:]}",
        "orders q=tracking code": f"{ORDERS}?q={tracked.tracking_code}",
        "orders of a customer": f"{ORDERS}?customer__id__exact={order.customer_id}",
        "order": f"{ORDERS}{order.pk}/change/",
        "order, new": f"{ORDERS}add/",
        "customers to choose from q=": f"{AUTOCOMPLETE}Mar%C3%ADa",
    }
    addresses |= {f"messages {query}": f"{MESSAGES}?{query}" for query in (
        "", "p=2", "status__exact=failed", "status__exact=sent", "status__exact=unknown", "event=deliver", "q=Maria",
        "q=camiseta", "q=Maria+camiseta", "q=zzzzqq",
    )}  # fmt: skip
    addresses |= {
        "messages q=code": f"{MESSAGES}?q={order.code}",
        "messages q=phone": f"{MESSAGES}?q={phone[3:]}",
        "messages q=full name": f"{MESSAGES}?q={name}",
        "message": f"{MESSAGES}{message.pk}/change/",
        "customers": CUSTOMERS,
        "customers q=Maria": f"{CUSTOMERS}?q=Maria",
        "customers q=full name": f"{CUSTOMERS}?q={name}",
        "customers q=phone": f"{CUSTOMERS}?q={phone[3:]}",
        "customer": f"{CUSTOMERS}{order.customer_id}/change/",
        "a customer's orders as CSV": f"{ORDERS}export/csv/?customer__id__exact={order.customer_id}",
        "a customer's orders as XLSX": f"{ORDERS}export/xlsx/?customer__id__exact={order.customer_id}",
        "found customers as CSV": f"{CUSTOMERS}export/csv/?q={phone[3:]}",
        "inbox, all": f"{REPLIES}?p=2",
        "reply": f"{REPLIES}{CustomerReply.objects.earliest('pk').pk}/change/",
        "sent event": f"{EVENTS}{OutgoingEvent.objects.latest('pk').pk}/change/",
        "customer's page": f"/rastreio/{order.tracking_token}/",
        "metrics": "/metrics",
        "readyz": "/readyz",
    }
    others = [model for model in admin.site._registry if model not in (Order, NotificationLog, Customer)]
    addresses |= {
        f"list of {model.__name__}": reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for model in others
    }
    return {name.strip(): get(client, address) for name, address in addresses.items()}


def programs() -> dict[str, Callable[[], object]]:
    """What a program asks the API of one store for."""
    order = Order.objects.filter(store=Store.get_default()).order_by("pk")[Order.objects.count() // 20]
    token = ApiToken(store=order.store, name="bench", scopes=ApiToken.Scope.values)
    client = Client(headers={"host": "127.0.0.1", "authorization": f"Bearer {token.renew()}"})
    token.save()
    following = client.get(f"{API}?limit=10").json()["next"]
    addresses = {
        "API: orders": API,
        "API: a hundred orders": f"{API}?limit=100",
        "API: the next ten": f"{API}?{urlsplit(following).query}",
        "API: orders status=confirmed": f"{API}?status=confirmed",
        "API: orders delivery_status=shipped": f"{API}?delivery_status=shipped",
        "API: changed orders": f"{API}?updated_since={quote_plus(order.updated_at.isoformat())}",
        "API: order": f"{API}/{order.code}",
        "API: its messages": f"{API}/{order.code}/messages",
    }
    return {name: get(client, address) for name, address in addresses.items()}


def get(client: Client, address: str) -> Callable[[], bytes]:
    """Ask for the page; it has to be there. What a probe says may be that something is wrong."""

    def ask() -> bytes:
        answer: Any = client.get(address)
        assert answer.status_code == 200 or address == "/readyz", f"{address}: {answer.status_code}"
        said: bytes = answer.getvalue()
        assert said
        return said

    return ask


def jobs() -> dict[str, Callable[[], object]]:
    """What beat has done again and again, and a dry run of what it does at night."""
    return {
        "sweep": sweep.sweep,
        "purge --dry-run": retention.due,
        "pickups to expire": expire_due_pickups,
        "claim of nothing": lambda: claims.claim(1),
    }


def check_the_count(client: Client) -> None:
    """Nothing would be found out by a counter that counts none: of this page it is known."""
    counted = [each.split()[0] for each in statements_of(get(client, KNOWN_PAGE))]
    assert counted == ["SELECT", "SELECT"], counted
