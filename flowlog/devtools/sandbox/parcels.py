"""Melhor Envio: the labels of the shop's parcels, its webhook, and what it answers who asks about them; written from
its documentation and others' code, of which none was run.

Its webhook is tried five times. The real one has no event for "out for delivery": what is sent here for it is a word
that only a connection knows which was told its meaning, as that of `manage.py dev` is.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from zoneinfo import ZoneInfo

from flowlog.devtools.sandbox.http import Answer, Request, answer
from flowlog.devtools.sandbox.messenger import Letter, Messenger
from flowlog.devtools.sandbox.shop import Label, ShopOrder

OUT_FOR_DELIVERY = "order.out_for_delivery"
EVENTS = {
    "posted": "order.posted",
    "out_for_delivery": OUT_FOR_DELIVERY,
    "delivered": "order.delivered",
    "back": "order.undelivered",
}
"""What is told for each word of `POST /sandbox/carry`."""
_ZONE = ZoneInfo("America/Sao_Paulo")
_TRIES = 5


@dataclass(frozen=True, slots=True)
class CarrierSettings:
    """Where its webhook goes, the app's secret, and the token of who may ask."""

    webhook: str
    secret: str
    token: str = ""


class Carrier:
    """Without settings it tells nobody anything, and nobody may ask."""

    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger
        self.settings: CarrierSettings | None = None

    def carry(self, order: ShopOrder, to: str) -> None:
        """Something happens to the order's parcel: a word of `EVENTS`."""
        label, now = order.label, datetime.now(UTC)
        label.status = EVENTS[to].partition(".")[2]
        label.posted = label.posted or now
        label.delivered = now if to == "delivered" else label.delivered
        event, status = EVENTS[to], label.status
        self._messenger.tell(f"label {label.id}", partial(self._write, order, event, status))

    def respond(self, request: Request, orders: Iterable[ShopOrder]) -> Answer:
        """`/api/v2/me/…`: labels by a tracking code, and what became of those of some ids."""
        if not self._may_ask(request):
            return answer(HTTPStatus.UNAUTHORIZED, {"message": "Unauthenticated."})
        labels = [each.label for each in orders if each.label.posted]
        match request.method, request.segments[3:]:
            case "GET", ["orders", "search"]:
                code = request.query.get("q", "")
                return answer(HTTPStatus.OK, [_told(each) for each in labels if each.tracking == code])
            case "POST", ["shipment", "tracking"]:
                asked = request.body.get("orders")
                ids = asked if isinstance(asked, list) else []
                return answer(HTTPStatus.OK, {each.id: _told(each) for each in labels if each.id in ids})
            case _:
                return answer(HTTPStatus.NOT_FOUND, {"message": "Not found."})

    def _may_ask(self, request: Request) -> bool:
        token = self.settings.token if self.settings else ""
        given = request.headers.get("Authorization", "")
        return bool(token) and secrets.compare_digest(given.encode(), f"Bearer {token}".encode())

    def _write(self, order: ShopOrder, event: str, status: str) -> Letter | None:
        label = order.label
        data = {
            "id": label.id,
            "protocol": f"ORD-{order.id}",
            "status": status,
            "tracking": label.tracking,
            "self_tracking": None,
            "tracking_url": f"https://www.melhorrastreio.com.br/rastreio/{label.tracking}",
            "tags": [{"tag": str(order.id), "url": None}],
        }
        body = json.dumps({"event": event, "data": data}, separators=(",", ":")).replace("/", "\\/").encode()
        if self.settings is None:
            return None
        what = f"Transportadora: {event}, pedido {order.id}"
        url, secret = self.settings.webhook, self.settings.secret
        return Letter(what, url, {}, "X-ME-Signature", secret, body, lambda _status: None, _TRIES)


def _told(label: Label) -> dict[str, object]:
    times = {"posted_at": label.posted, "delivered_at": label.delivered}
    written = {name: when.astimezone(_ZONE).strftime("%Y-%m-%d %H:%M:%S") for name, when in times.items() if when}
    return {"id": label.id, "status": label.status, "tracking": label.tracking, "delivered_at": None, **written}
