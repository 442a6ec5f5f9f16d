"""`/webhooks/orders/<source>/<token>/`: a shop's system tells of an order."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from integrations.inbound.wakeups import Waker
from integrations.shops import SHOPS
from integrations.shops.models import ShopConnection, ShopNews
from integrations.sources.door import Door

waker = Waker("integrations.tasks.work_off_shop_news")


def _store(connection: ShopConnection, headers: dict[str, str], body: bytes) -> None:
    off = {} if connection.is_on else {"result": ShopNews.Result.OFF, "due_at": None}
    ShopNews.objects.create(connection=connection, headers=headers, body=body, **off)


_door = Door(SHOPS, ShopConnection, _store, waker)


@csrf_exempt  # no browser posts here, and the signature says who does
@require_http_methods(["GET", "HEAD", "POST"])
def shop_news(request: HttpRequest, source: str, token: str) -> HttpResponse:
    """Take in what the shop tells, as `Door` does."""
    return _door.answer(request, source, token)
