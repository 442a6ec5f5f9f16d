"""Where the gateway's webhooks come in. They are stored as they are; what they mean is found out afterwards.

The gateway drops a webhook that is answered with 400, 401 or 404, and repeats one that is answered with anything else
but success, ten times in twenty minutes. So those answers are for what no repetition could make right, and 503 for
a database that is away.
"""

from __future__ import annotations

import json
import logging
import re
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from flowlog.prepared import Standalone
from integrations.evolution.servers import KIND as EVOLUTION
from integrations.gateways.parsing import printable
from integrations.inbound import bodies, payloads, wakeups
from integrations.inbound.intake import HANDLERS
from integrations.inbound.models import TOO_LARGE, WRITTEN, WebhookEvent
from integrations.inbound.verdicts import Verdict
from integrations.instances import tally

logger = logging.getLogger(__name__)

_EVENT_LENGTH = 60
_BEGINNING = re.compile(rb'\s*{\s*"event"\s*:\s*"([^"\\]{1,60})"')
TOO_LARGE_HEADER = "X-Webhook-Too-Large"
# As `WebhookEvent.objects.create` would: by far the commonest of all statements of the web.
_STORE = Standalone(f"""
    INSERT INTO {WebhookEvent._meta.db_table} (source, instance_name, event, payload, error, processed_at)
    VALUES (%(source)s, %(instance)s, %(event)s, %(payload)s::jsonb, %(error)s,
        CASE WHEN %(to_do)s = '' THEN statement_timestamp() END)
    RETURNING 1
""")  # noqa: S608 - the model's own name


class Unread(HttpResponse):
    """An answer to a request whose body nobody reads.

    Once it has gone out, the body is read away: a proxy that cannot hand over the whole of it says 502, and the gateway
    repeats what it should drop.
    """

    def __init__(self, request: HttpRequest, status: HTTPStatus) -> None:
        super().__init__(status=status)
        self._request = request

    def close(self) -> None:
        super().close()
        with suppress(OSError):
            bodies.discard(self._request)


@csrf_exempt
@require_POST
def evolution_webhook(request: HttpRequest, instance: str) -> HttpResponse:
    """Store one webhook of the instance and have it worked off soon; 200 also for one that nobody knows.

    Of one that is too large to be kept, only that it came is stored. Nothing is read before the secret is known to be
    right.
    """
    answer = _answer(request, instance)
    if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
        tally.note(EVOLUTION, printable(instance), answer.status_code)
    return answer


def _answer(request: HttpRequest, instance: str) -> HttpResponse:
    if not _is_authorized(request):
        return Unread(request, HTTPStatus.UNAUTHORIZED)
    if not printable(instance):
        return Unread(request, HTTPStatus.NOT_FOUND)
    try:
        payload = payloads.parse(_read(request))
    except bodies.TooLargeError as error:
        return _store(instance, _event_of(error.beginning), {})
    except ValueError:
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    event = _event_name(payload)
    if not event:
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    return _store(instance, event, payload)


def _read(request: HttpRequest) -> bytes:
    """The body without its media; empty, which is no webhook, if it breaks off. Raises `TooLargeError`.

    The proxy hands on, without its body, what is too large for it.
    """
    length = request.headers.get("Content-Length", "")
    if TOO_LARGE_HEADER in request.headers or (length.isdecimal() and int(length) > bodies.LARGEST):
        raise bodies.TooLargeError
    try:
        return bodies.read(request)
    except UnreadablePostError:
        return b""


def _is_authorized(request: HttpRequest) -> bool:
    if not settings.EVOLUTION_WEBHOOK_SECRET:
        logger.error("A webhook was refused: EVOLUTION_WEBHOOK_SECRET is not set, so none can be trusted")
        return False
    expected = f"Bearer {settings.EVOLUTION_WEBHOOK_SECRET}"
    return constant_time_compare(request.headers.get("Authorization", ""), expected)


def _event_name(payload: Any) -> str:
    """The event, however the gateway spells it; empty for a payload without one."""
    name = payload.get("event") if isinstance(payload, dict) else None
    return printable(name).lower().replace("_", ".").replace("-", ".")[:_EVENT_LENGTH]


def _event_of(beginning: bytes) -> str:
    """What came of which this is the beginning: `TOO_LARGE` unless nobody wrote it."""
    begun = _BEGINNING.match(beginning)
    event = _event_name({"event": begun[1].decode(errors="replace")}) if begun else ""
    return TOO_LARGE if event in ("", *WRITTEN) else event


def _store(instance: str, event: str, payload: dict[str, Any]) -> HttpResponse:
    payload.pop("apikey", None)  # the instance's own key to the gateway
    error = "" if payload.get("instance", instance) == instance else Verdict.OTHER_INSTANCE
    to_do = event in HANDLERS and not error
    row = {"source": EVOLUTION, "instance": instance, "event": event, "error": error, "to_do": "yes" if to_do else ""}
    try:
        _STORE.fetched(**row, payload=json.dumps(payload))
    except DataError:
        logger.exception("A webhook (%s) cannot be stored", event)
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    except (OperationalError, InterfaceError) as failure:
        logger.warning("A webhook (%s) has to come again: %s", event, failure)
        return HttpResponse(status=HTTPStatus.SERVICE_UNAVAILABLE)
    if to_do:
        wakeups.wake_after_commit()
    return HttpResponse()
