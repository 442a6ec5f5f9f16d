"""Melhor Envio: its webhook tells what becomes of the labels that the shop's own app has bought; of others it can be
asked.

Of its documentation and of others' code that agrees: signature in base64 of the raw body, events, the body's fields,
that the webhook is registered in the panel alone and probed without a signature, that `data.status` may lag behind
`event`, and that answers about tracking are kept for about an hour. One capture, others' code: base64 and never hex.
Not confirmed: that `data` has times like `posted_at` (they are read if there, as Brasília's where they have no offset;
else the time of receiving counts), `GET /api/v2/me/orders/search` with a tracking code, and that SuperFrete, which
sends the same header, sends the same body. Nothing of it was run.

There is no event for "out for delivery" nor for a failed attempt. That a label is cancelled says nothing of the order.
A token lives for about 30 days, and is entered by hand: once it is over, the connection says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from http import HTTPStatus
from itertools import batched
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.carriers.news import Parcel, ParcelNews, Question, Told
from integrations.sources import RefusedError, reading
from integrations.sources.credentials import Credential
from integrations.sources.reading import Call, Fields, Headers, fields, rows, text
from orders.codes import tracking_key

TITLE = "Melhor Envio"
CREDENTIALS = (
    Credential(
        "secret",
        gettext_lazy("The app's secret"),
        gettext_lazy("In the app's panel."),
        secret=True,
        required=True,
        signs=True,
    ),
    Credential(
        "token",
        gettext_lazy("Token, to ask about labels bought elsewhere"),
        gettext_lazy("With the permissions to track and to list labels. It ends after about 30 days: enter a new one."),
        secret=True,
    ),
    Credential("mail", gettext_lazy("E-mail of who answers for the app"), gettext_lazy("Needed with the token.")),
    Credential("address", gettext_lazy("Its address, if another"), "https://melhorenvio.com.br"),
)
NEEDED_TO_ASK = ("token", "mail")
MEANINGS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "order.created", "order.pending", "order.released", "order.generated", "order.ready-to-print",
            "order.received",
        ),
        "ignored",
    ),
    "order.posted": "posted",
    "order.delivered": "delivered",
    **dict.fromkeys(("order.cancelled", "order.canceled", "order.expired"), "noted"),
    **dict.fromkeys(("order.undelivered", "order.paused", "order.suspended"), "staff"),
}  # fmt: skip
_ADDRESS = "https://melhorenvio.com.br"
_SIGNATURE = "X-ME-Signature"
_BRASILIA = ZoneInfo("America/Sao_Paulo")
_AT_ONCE, _MOST_SEARCHED = 50, 20
# What nobody has: asked for where there is nothing else to ask, so that a token that is over is noticed.
_NO_CODE = "AA000000000BR"


def is_probe(method: str, headers: Headers, _body: bytes) -> bool:
    """Its panel looks, without a signature, whether somebody is there, and takes nothing but success."""
    return method != "POST" or not reading.header(headers, _SIGNATURE)


def verify(headers: Headers, body: bytes, credentials: Mapping[str, str]) -> None:
    """Raises `RefusedError`."""
    reading.require_signature(headers, _SIGNATURE, body, credentials.get("secret", ""))


@reading.reader
def read(_headers: Headers, values: Fields) -> Told:
    """What the event says; the status beside it may be an older one."""
    event, data = reading.required(values, "event"), fields(values, "data")
    return _news(event, data, text(data, f"{event.rpartition('.')[2].replace('cancelled', 'canceled')}_at"))


def _news(word: str, data: Fields, at: str) -> ParcelNews:
    return ParcelNews(
        word=word,
        occurred_at=_moment(at),
        codes=reading.first_of(text(data, "tracking"), text(data, "self_tracking", "melhorenvio_tracking")),
        tags=reading.first_of(*(text(each, "tag") for each in rows(data, "tags"))),
        external_id=reading.required(data, "id"),
        tracking_url=text(data, "tracking_url"),
    )


def _moment(written: str) -> datetime | None:
    return reading.any_moment(written, _BRASILIA)


def questions(
    credentials: Mapping[str, str], parcels: Sequence[Parcel], call: Call, _memory: dict[str, Any]
) -> Iterator[Question]:
    """It is asked by its own ids, about some labels at once.

    The id of one bought elsewhere is found by the tracking code, each by itself, and only a few at a time.
    """
    ask, searched = partial(_ask, credentials, call), 0
    for some in batched(parcels, _AT_ONCE, strict=False):
        if known := tuple(each for each in some if each.external_id):
            yield Question(known, partial(_tracked, ask, {each.external_id: each.code for each in known}))
        unknown = [each for each in some if not each.external_id][: _MOST_SEARCHED - searched]
        searched += len(unknown)
        yield from (Question((each,), partial(_searched, ask, each.code)) for each in unknown)
    if not parcels:
        yield Question((), partial(_searched, ask, _NO_CODE))


def _searched(ask: Callable[..., Any], code: str) -> Iterator[ParcelNews]:
    found = rows({"labels": ask("GET", "orders/search", params={"q": code})}, "labels")
    key = tracking_key(code)
    ids = [
        text(label, "id") for label in found
        if key in {tracking_key(text(label, name)) for name in ("tracking", "self_tracking")}
    ]  # fmt: skip
    if ids:
        yield from _tracked(ask, dict.fromkeys(ids, code))


def _tracked(ask: Callable[..., Any], codes: Mapping[str, str]) -> Iterator[ParcelNews]:
    """What became of the labels with these ids; each has its tracking code."""
    found = ask("POST", "shipment/tracking", sent={"orders": list(codes)})
    for name, code in codes.items():
        if label := fields({"labels": found}, "labels", name):
            yield from _states({**label, "id": name}, code)


def _states(label: Fields, code: str) -> Iterator[ParcelNews]:
    """The steps that the label has behind it, and where it is if that is none of them."""
    told = {**label, "tracking": text(label, "tracking") or code}
    steps = {f"order.{name}": text(label, f"{name}_at") for name in ("posted", "delivered")}
    yield from (_news(word, told, at) for word, at in steps.items() if at)
    status = f"order.{text(label, 'status')}"
    if not steps.get(status) and status != "order.":
        yield _news(status, told, "")


def _ask(credentials: Mapping[str, str], call: Call, method: str, what: str, **sent: Any) -> Any:
    headers = {
        "Authorization": f"Bearer {credentials['token']}",
        "User-Agent": f"Flowlog ({credentials['mail']})",
    }
    url = f"{(credentials.get('address') or _ADDRESS).rstrip('/')}/api/v2/me/{what}"
    status, _headers, found = call(method, url, headers, **sent)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        words = _("Melhor Envio does not take the token: it is over, or may not do this. Make a new one and enter it.")
        raise RefusedError(HTTPStatus.BAD_GATEWAY, words)
    if status != HTTPStatus.OK:
        words = _("Melhor Envio does not answer as it should (%(status)d).") % {"status": status}
        raise RefusedError(HTTPStatus.BAD_GATEWAY, words)
    return found
