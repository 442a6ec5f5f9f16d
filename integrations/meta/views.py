"""Where Meta's webhooks come in: `/webhooks/meta/<instance>/`, the same kind of place as the gateway's.

Meta repeats for days what is not answered with 200. Everything that it has signed is answered so and stored, one row
for each receipt and each message, as Meta wrote them; what they mean is found out afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.db import DataError, InterfaceError, OperationalError, transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from flowlog.secrets_at_rest import Unreadable
from integrations.gateways.parsing import printable
from integrations.inbound import payloads, wakeups
from integrations.inbound.models import META_OTHER, WebhookEvent
from integrations.inbound.verdicts import Verdict
from integrations.inbound.views import Unread
from integrations.instances import tally
from integrations.meta import signature, webhooks
from integrations.meta.gateway import KIND as META
from integrations.meta.webhooks import Part
from integrations.models import MetaNumber

logger = logging.getLogger(__name__)

# Meta says that it sends up to 3 MB.
LARGEST = 4 * 1024 * 1024


@csrf_exempt
@require_http_methods(["GET", "POST"])
def meta_webhook(request: HttpRequest, instance: str) -> HttpResponse:
    """Answer Meta's question whether the address is ours, or store what it tells of the instance's number.

    Nothing is stored before the signature over the whole body is known to be right.
    """
    number = MetaNumber.objects.select_related("instance").filter(instance__name=instance).first()
    if request.method == "GET":
        wanted = signature.challenge(request.GET, number.verify_token if number else "")
        if wanted is None:
            return HttpResponse(status=HTTPStatus.FORBIDDEN)
        return HttpResponse(wanted, content_type="text/plain")
    answer = _answer(request, number)
    if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
        tally.note(META, printable(instance), answer.status_code)
    return answer


def _answer(request: HttpRequest, number: MetaNumber | None) -> HttpResponse:
    if number is None:
        return Unread(request, HTTPStatus.NOT_FOUND)
    try:
        body = request.read(LARGEST + 1)
    except UnreadablePostError:
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    if len(body) > LARGEST:
        return Unread(request, HTTPStatus.CONTENT_TOO_LARGE)
    if not signature.is_authentic(_secret(number), body, request.headers.get(signature.HEADER, "")):
        return HttpResponse(status=HTTPStatus.UNAUTHORIZED)
    try:
        payload = payloads.parse(body)
    except ValueError:
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    return _store(number, payload)


def _secret(number: MetaNumber) -> str:
    """The app's secret; empty, with which nothing is authentic, if there is none that can be read."""
    try:
        return number.app_secret.reveal()
    except Unreadable as error:
        logger.error("A webhook of Meta's was refused: %s", error)
        return ""


def _store(number: MetaNumber, payload: Any) -> HttpResponse:
    parts = webhooks.split(payload)
    names = _names(number, {part.phone_number_id for part in parts})
    rows = [_row(number, part, names) for part in parts] or [_other(number, payload)]
    try:
        WebhookEvent.objects.bulk_create(rows)
    except DataError:
        logger.exception("A webhook of Meta's cannot be stored")
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    except (OperationalError, InterfaceError) as failure:
        logger.warning("A webhook of Meta's has to come again: %s", failure)
        return HttpResponse(status=HTTPStatus.SERVICE_UNAVAILABLE)
    if any(row.processed_at is None for row in rows):
        transaction.on_commit(wakeups.wake, robust=True)
    return HttpResponse()


def _names(number: MetaNumber, ids: set[str]) -> dict[str, str]:
    """The instances by the ids of their numbers: this one's, and others of the same app, which has one address."""
    names = {number.phone_number_id: number.instance.name}
    others = MetaNumber.objects.filter(phone_number_id__in=ids - names.keys()).select_related("instance")
    return names | {each.phone_number_id: each.instance.name for each in others if each.app_secret == number.app_secret}


def _row(number: MetaNumber, part: Part, names: Mapping[str, str]) -> WebhookEvent:
    name = names.get(part.phone_number_id)
    return WebhookEvent(
        source=META,
        instance_name=name or number.instance.name,
        event=part.event,
        payload=part.payload,
        error="" if name else Verdict.OTHER_INSTANCE,
        processed_at=None if name else Now(),
    )


def _other(number: MetaNumber, payload: Any) -> WebhookEvent:
    """What Meta tells beside messages, as of a template that was paused: for whoever looks for it."""
    return WebhookEvent(
        source=META,
        instance_name=number.instance.name,
        event=META_OTHER,
        payload={"data": payload},
        processed_at=Now(),
    )
