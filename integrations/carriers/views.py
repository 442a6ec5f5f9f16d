"""Where carriers tell what happened to a parcel.

`/webhooks/tracking/<source>/<token>/` is a store's own: what is authentic is stored and worked off afterwards.
`/webhooks/tracking/<source>/` is for whoever has the secret that all stores share, and is answered with its outcome.
"""

from __future__ import annotations

import logging
from http import HTTPStatus

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from integrations.carriers import CARRIERS, SOURCES, inbox
from integrations.carriers.models import CarrierConnection, CarrierNews
from integrations.inbound.wakeups import Waker
from integrations.instances import tally
from integrations.models import WebhookTally
from integrations.sources import RefusedError
from integrations.sources.door import Door
from integrations.sources.storing import storing

logger = logging.getLogger(__name__)

MAX_BODY = 64 * 1024

_WITHOUT_ORDER = {
    CarrierNews.Result.UNKNOWN: (HTTPStatus.NOT_FOUND, "No order has this code."),
    CarrierNews.Result.AMBIGUOUS: (
        HTTPStatus.CONFLICT,
        "Several orders have this tracking code: name the one you mean in `order`.",
    ),
}

waker = Waker("integrations.tasks.work_off_carrier_news")


def _store(connection: CarrierConnection, headers: dict[str, str], body: bytes) -> None:
    now = timezone.now()
    on = {"result": CarrierNews.Result.RECEIVED, "due_at": now}
    off = {"result": CarrierNews.Result.OFF, "due_at": None}
    CarrierNews.objects.create(
        connection=connection, source=connection.source, headers=headers, body=body, occurred_at=now,
        **(on if connection.is_on else off),
    )  # fmt: skip


_AT_ONCE = storing(
    CarrierConnection,
    CarrierNews,
    {
        "source": "source",
        "tracking_code": "''",
        "status": "''",
        "description": "''",
        "occurred_at": "statement_timestamp()",
    },
)
_door = Door(CARRIERS, CarrierConnection, _store, waker, _AT_ONCE)


@csrf_exempt  # no browser posts here, and the signature says who does
@require_http_methods(["GET", "HEAD", "POST"])
def connected_news(request: HttpRequest, source: str, token: str) -> HttpResponse:
    """Take in what the carrier tells, as `Door` does."""
    return _door.answer(request, source, token)


@csrf_exempt  # no browser posts here, and the signature says who does
def tracking_news(request: HttpRequest, source: str) -> JsonResponse:
    """Take in what one request of the source says. Everything that is wrong is answered with a sentence in `error`."""
    if source not in SOURCES:
        return _error(HTTPStatus.NOT_FOUND, "There is no such source of news.")
    if request.method in ("GET", "HEAD"):
        return JsonResponse({})  # carriers ask so whether somebody is here
    if request.method != "POST":
        return _error(HTTPStatus.METHOD_NOT_ALLOWED, "Send the news with POST.", Allow="POST")
    try:
        news = _ingest(request, source)
    except RefusedError as refusal:
        logger.warning("News of a carrier was refused: %s", refusal)
        tally.note(WebhookTally.Source.CARRIER, source, refusal.status)
        return _error(refusal.status, str(refusal))
    except (OperationalError, InterfaceError) as failure:
        logger.warning("News of a carrier has to come again: %s", failure)
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, "The news cannot be taken in just now. Send it again.")
    tally.note(WebhookTally.Source.CARRIER, source, HTTPStatus.OK)
    return _answer(*news) if len(news) == 1 else JsonResponse({"news": [_told(each) for each in news]})


def _answer(news: CarrierNews) -> JsonResponse:
    """To a single piece of news: one without an order is an error, so that its sender sends it again later."""
    if problem := _WITHOUT_ORDER.get(CarrierNews.Result(news.result)):
        return _error(*problem)
    return JsonResponse(_told(news))


def _told(news: CarrierNews) -> dict[str, str]:
    return {"order": news.order.code if news.order else "", "result": news.result}


def _ingest(request: HttpRequest, source: str) -> list[CarrierNews]:
    secret = settings.TRACKING_WEBHOOK_SECRET
    if not secret:
        raise RefusedError(HTTPStatus.FORBIDDEN, "No news is taken here: TRACKING_WEBHOOK_SECRET is not set.")
    try:
        body = request.read(MAX_BODY + 1)
    except UnreadablePostError:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The body broke off.") from None
    if len(body) > MAX_BODY:
        raise RefusedError(HTTPStatus.CONTENT_TOO_LARGE, f"The body must have at most {MAX_BODY} bytes.")
    mark = SOURCES[source].verify(request.headers, body, secret)
    return inbox.ingest(SOURCES[source].parse(body), source=source, mark=mark)


def _error(status: HTTPStatus, sentence: str, **headers: str) -> JsonResponse:
    return JsonResponse({"error": sentence}, status=status, headers=headers)
