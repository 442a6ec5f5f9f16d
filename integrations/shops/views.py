"""`/webhooks/orders/<source>/<token>/`: a shop's system tells of an order; with `/lgpd/<topic>/` behind it, of what
somebody wishes of personal data."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from types import SimpleNamespace

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from integrations.inbound.views import Unread
from integrations.inbound.wakeups import Waker
from integrations.shops import SHOPS, wishes
from integrations.shops.models import ShopConnection, ShopNews
from integrations.sources.door import Door
from integrations.sources.storing import storing

waker = Waker("integrations.tasks.work_off_shop_news")


def _store(connection: ShopConnection, headers: dict[str, str], body: bytes) -> None:
    off = {} if connection.is_on else {"result": ShopNews.Result.OFF, "due_at": None}
    ShopNews.objects.create(connection=connection, headers=headers, body=body, **off)


_AT_ONCE = storing(
    ShopConnection, ShopNews, {"external_id": "''", "external_number": "''", "statuses": "'[]'", "attempts": "0"}
)
_door = Door(SHOPS, ShopConnection, _store, waker, _AT_ONCE)


@csrf_exempt  # no browser posts here, and the signature says who does
@require_http_methods(["GET", "HEAD", "POST"])
def shop_news(request: HttpRequest, source: str, token: str) -> HttpResponse:
    """Take in what the shop tells, as `Door` does."""
    return _door.answer(request, source, token)


# The app's secret is all that these take: an app that is not installed any more has no token.
_SIGNED = {
    name: SimpleNamespace(
        CREDENTIALS=[each for each in shop.CREDENTIALS if each.name == "secret"],
        is_probe=shop.is_probe,
        verify=shop.verify_wish,
    )
    for name, shop in SHOPS.items()
    if hasattr(shop, "verify_wish")
}


def _keep(topic: str, connection: ShopConnection, _headers: dict[str, str], body: bytes) -> None:
    wishes.store(topic, connection, body)


_doors = {topic: Door(_SIGNED, ShopConnection, partial(_keep, topic), waker) for topic in wishes.TOPICS}


@csrf_exempt  # no browser posts here, and the signature says who does
@require_http_methods(["GET", "HEAD", "POST"])
def shop_wish(request: HttpRequest, source: str, token: str, topic: str) -> HttpResponse:
    """Take in what the shop's system passes on of this topic, as `Door` does."""
    door = _doors.get(topic)
    return door.answer(request, source, token) if door else Unread(request, HTTPStatus.NOT_FOUND)
