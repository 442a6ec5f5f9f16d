"""`POST /webhooks/tracking/<source>/`: a carrier tells what happened to a parcel."""

from __future__ import annotations

import logging
from http import HTTPStatus

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, JsonResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from integrations.carriers import SOURCES, inbox
from integrations.carriers.models import CarrierNews
from integrations.instances import tally
from integrations.models import WebhookTally
from integrations.sources import RefusedError

logger = logging.getLogger(__name__)

MAX_BODY = 64 * 1024

_WITHOUT_ORDER = {
    CarrierNews.Result.UNKNOWN: (HTTPStatus.NOT_FOUND, "No order has this code."),
    CarrierNews.Result.AMBIGUOUS: (
        HTTPStatus.CONFLICT,
        "Several orders have this tracking code: name the one you mean in `order`.",
    ),
}


@csrf_exempt  # no browser posts here, and the signature says who does
def tracking_news(request: HttpRequest, source: str) -> JsonResponse:
    """Take in what one request of the source says. Everything that is wrong is answered with a sentence in `error`."""
    if source not in SOURCES:
        return _error(HTTPStatus.NOT_FOUND, "There is no such source of news.")
    if request.method != "POST":
        return _error(HTTPStatus.METHOD_NOT_ALLOWED, "Send the news with POST.", Allow="POST")
    try:
        news = _take_in(request, source)
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


def _take_in(request: HttpRequest, source: str) -> list[CarrierNews]:
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
    return inbox.take_in(SOURCES[source].parse(body), source=source, mark=mark)


def _error(status: HTTPStatus, sentence: str, **headers: str) -> JsonResponse:
    return JsonResponse({"error": sentence}, status=status, headers=headers)
