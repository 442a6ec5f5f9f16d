"""Orders that come in: shops' and carriers' webhooks taken in, those of orders worked off, and orders made by the API.

Floors: an address of the same server that only says 200, and a bare insert of the same rows, each order's in a
transaction of its own.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db.models import Model
from django.test import Client

from api.models import OrderChange
from integrations.models import NotificationLog, ShopConnection, ShopNews
from integrations.shops import intake
from orders.models import Order, OrderEvent, OrderItem, Store
from tests.api.client import ORDER, make_token
from tests.bench.clients import Server, server
from tests.bench.figures import Figure
from tests.bench.perfkit import Insert, bare_connection, make_stores, statements_of
from tests.integrations import parcels, shops

WARM_UP = 16
# What an order leaves, each with how it names its order; its customer is left aside.
ROWS: dict[type[Model], str] = {
    Order: "pk", OrderItem: "order", OrderEvent: "order", OrderChange: "event__order", NotificationLog: "order",
}  # fmt: skip


def _signed_by_us(body: bytes) -> dict[str, str]:
    now = str(int(time.time()))
    signature = hmac.new(shops.SECRET.encode(), f"{now}.".encode() + body, "sha256").hexdigest()
    return {"X-Flowlog-Timestamp": now, "X-Flowlog-Signature": f"sha256={signature}"}


# How the shops' systems sign.
SIGNED: dict[str, Callable[[bytes], dict[str, str]]] = {
    "woocommerce": shops.headers,
    "yampi": lambda body: {"X-Yampi-Hmac-SHA256": shops.sign(body)},
    "nuvemshop": lambda body: {
        "x-linkedstore-hmac-sha256": hmac.new(shops.SECRET.encode(), body, "sha256").hexdigest()
    },
    "generic": _signed_by_us,
}


@dataclass(frozen=True, slots=True)
class Sizes:
    orders: int
    webhooks: int


FULL = Sizes(orders=1000, webhooks=2500)
QUICK = Sizes(orders=40, webhooks=40)


def measure(sizes: Sizes) -> Iterator[Figure]:
    store, other = make_stores(2)
    with server(workers=1) as one:
        yield from worked_off(other, sizes.orders)
        yield from taken_in(one, store, sizes.webhooks)
        yield from made_by_the_api(one, store, sizes.orders)


def worked_off(store: Store, number: int) -> Iterator[Figure]:
    """The orders made of webhooks, as WooCommerce sends them."""
    path = _path(shops.make_connection(store=store))
    bodies = [shops.written(shops.order(id=each + 1, number=str(each + 1), billing=_customer(each)))
              for each in range(number + WARM_UP)]  # fmt: skip
    for body in bodies[:WARM_UP]:
        _post_here(path, body)
    statements = statements_of(_work_off)
    yield Figure("statements of an order taken in", len(statements) / WARM_UP)
    for body in bodies[WARM_UP:]:
        _post_here(path, body)
    started = time.perf_counter()
    _work_off()
    made = number / (time.perf_counter() - started)
    assert Order.objects.count() == number + WARM_UP
    yield Figure("orders taken in by a worker", made, "/s", insert_again(), "a bare insert of the same rows")


def taken_in(one: Server, store: Store, number: int) -> Iterator[Figure]:
    """Webhooks of each source of orders, and of a carrier: stored as they are, whatever is in them."""
    bodies = [shops.written(shops.order(id=each + 1)) for each in range(number)]
    for source, signed in SIGNED.items():
        path = _path(shops.make_connection(source, store))
        posts = [(body, {"Content-Type": "application/json", **signed(body)}) for body in bodies]
        yield from one.beside_the_floors(f"{source}'s webhooks", path, posts, least=0.6)
    path = f"/webhooks/tracking/melhorenvio/{parcels.make_connection(store=store).token}"
    labels = [parcels.label(id=str(each)) for each in range(number)]
    posts = [(body, {"Content-Type": "application/json", "X-ME-Signature": parcels.sign(body)}) for body in labels]
    yield from one.beside_the_floors("melhorenvio's webhooks", path, posts, least=0.6)


def _path(connection: ShopConnection) -> str:
    return f"/webhooks/orders/{connection.source}/{connection.token}"


def _post_here(path: str, body: bytes) -> None:
    """To this very process."""
    answer = Client().post(path, body, "application/json", headers=shops.headers(body))
    assert answer.status_code == 200, answer.status_code


def _customer(number: int) -> dict[str, str]:
    billing: dict[str, str] = shops.order()["billing"]
    return billing | {"phone": f"(11) 9{80_000_000 + number:08d}"}


def _work_off() -> None:
    """What waits, in this process."""
    while intake.process():
        pass
    assert not ShopNews.objects.filter(due_at__isnull=False).exists()


def made_by_the_api(one: Server, store: Store, number: int) -> Iterator[Figure]:
    """Orders POSTed from eight clients."""
    Order.objects.all().delete()
    _token, secret = make_token(store)
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    posts = [
        (json.dumps({**ORDER, "reference": {"source": "bench", "id": str(each)}}).encode(), headers)
        for each in range(number + WARM_UP)
    ]
    one.post_all("/api/v1/orders", posts[:WARM_UP])
    made = one.post_all("/api/v1/orders", posts[WARM_UP:])
    assert Order.objects.count() == number + WARM_UP
    yield Figure("orders made by the API, one web process", made.per_second, "/s", insert_again(),
                 "a bare insert of the same rows")  # fmt: skip
    yield Figure("p95 of its answers", made.p95, "ms")


def insert_again() -> float:
    """How many a second of the orders that there are a bare connection inserts, which are deleted first."""
    orders = list(Order.objects.order_by("pk"))
    rows = [
        [Insert(row, key=True) for model, to in ROWS.items() for row in model._default_manager.filter(**{to: order.pk})]
        for order in orders
    ]
    ShopNews.objects.update(order=None)
    for model in reversed(ROWS):
        model._default_manager.all().delete()
    with bare_connection() as connection:
        cursor, started = connection.cursor(), time.perf_counter()
        for of_one in rows:
            for insert in of_one:
                insert(cursor)
            connection.commit()
        took = time.perf_counter() - started
    NotificationLog.objects.all().delete()
    OrderChange.objects.all().delete()
    return len(rows) / took
