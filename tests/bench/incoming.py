"""Orders that come in: shops' and carriers' webhooks taken in, those of orders worked off, and orders made by the API.

Floors: an address of the same server that only says 200, and a bare insert of the same rows, each order's in a
transaction of its own.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Model
from django.test import Client

from api.models import OrderChange
from integrations.models import NotificationLog, ShopNews
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


# How the other shops' systems sign.
SIGNED: dict[str, Callable[[bytes], dict[str, str]]] = {
    "yampi": lambda body: {"X-Yampi-Hmac-SHA256": shops.sign(body)},
    "nuvemshop": lambda body: {
        "x-linkedstore-hmac-sha256": hmac.new(shops.SECRET.encode(), body, "sha256").hexdigest()
    },
    "generic": _signed_by_us,
}


@dataclass(frozen=True, slots=True)
class Sizes:
    orders: int


FULL = Sizes(orders=1000)
QUICK = Sizes(orders=40)


def measure(sizes: Sizes) -> Iterator[Figure]:
    [store] = make_stores(1)
    with server(workers=1) as one:
        yield from webhooks(one, store, sizes.orders)
        for source in SIGNED:
            yield from taken_in(one, store, source, sizes.orders)
        yield from labels(one, store, sizes.orders)
        yield from made_by_the_api(one, store, sizes.orders)


def webhooks(one: Server, store: Store, number: int) -> Iterator[Figure]:
    """A webhook for each order, as WooCommerce sends it, from eight clients; then the orders made of them."""
    path = f"/webhooks/orders/woocommerce/{shops.make_connection(store=store).token}"
    posts = []
    for each in range(number + WARM_UP):
        body = shops.written(shops.order(id=each + 1, number=str(each + 1), billing=_customer(each)))
        posts.append((body, shops.headers(body, Connection="keep-alive")))
    one.post_all("/floor/shop", posts[:WARM_UP])
    one.post_all(path, posts[:WARM_UP])
    statements = statements_of(_work_off)
    _post_here(path, *posts[0])  # since then this process knows the connection
    known = statements_of(lambda: _post_here(path, *posts[0]))
    _work_off()
    yield from beside_the_floor(one, "woocommerce", path, posts[WARM_UP:])
    yield Figure("statements of a webhook", len(known), most=1)
    yield Figure("statements of an order taken in", len(statements) / WARM_UP)
    started = time.perf_counter()
    _work_off()
    made = number / (time.perf_counter() - started)
    assert Order.objects.count() == number + WARM_UP
    yield Figure("orders taken in by a worker", made, "/s", insert_again(), "a bare insert of the same rows")


def taken_in(one: Server, store: Store, source: str, number: int) -> Iterator[Figure]:
    """Webhooks of another source: stored as they are, whatever is in them."""
    path = f"/webhooks/orders/{source}/{shops.make_connection(source, store).token}"
    bodies = [shops.written(shops.order(id=each + 1)) for each in range(number)]
    posts = [(body, {"Content-Type": "application/json", **SIGNED[source](body)}) for body in bodies]
    one.post_all(path, posts[:WARM_UP])
    yield from beside_the_floor(one, source, path, posts)


def labels(one: Server, store: Store, number: int) -> Iterator[Figure]:
    """Webhooks of a carrier, as Melhor Envio sends them."""
    path = f"/webhooks/tracking/melhorenvio/{parcels.make_connection(store=store).token}"
    bodies = [parcels.label(id=str(each)) for each in range(number)]
    posts = [(body, {"Content-Type": "application/json", "X-ME-Signature": parcels.sign(body)}) for body in bodies]
    one.post_all(path, posts[:WARM_UP])
    yield from beside_the_floor(one, "melhorenvio", path, posts)


def beside_the_floor(
    one: Server, source: str, path: str, posts: Sequence[tuple[bytes, dict[str, str]]]
) -> Iterator[Figure]:
    """How many are taken in from eight clients, and what one costs, beside the address that only says 200."""
    bare, taken = one.post_all("/floor/shop", posts), one.post_all(path, posts)
    name = "only saying 200"
    yield Figure(f"{source}'s webhooks, one web process", taken.per_second, "/s", bare.per_second, name, least=0.6)
    yield Figure(f"{source}: processor for one", taken.cpu_ms, "ms", bare.cpu_ms, name, most=1.5)
    yield Figure(f"{source}: p95 of the answers", taken.p95, "ms", bare.p95, name)


def _post_here(path: str, body: bytes, headers: dict[str, str]) -> None:
    """To this very process."""
    answer = Client().post(path, body, "application/json", headers=headers)
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
