"""The pages that show each customer's phone. They need no key; they show, and change nothing."""

from __future__ import annotations

import functools
import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from http import HTTPStatus
from pathlib import Path

from django.template import Context, Engine
from django.utils.safestring import SafeString, mark_safe

from integrations.evolution.sandbox.archive import Message
from integrations.evolution.sandbox.faults import MAGIC_NUMBERS
from integrations.evolution.sandbox.formatting import preview, to_html
from integrations.evolution.sandbox.http import Answer, Request
from integrations.evolution.sandbox.jids import create_jid, digits_of, pretty
from integrations.evolution.sandbox.state import Sandbox

_FOLDER = Path(__file__).parent
_STATIC = {
    "phone.css": "text/css; charset=utf-8",
    "phone.js": "text/javascript; charset=utf-8",
    "wallpaper.svg": "image/svg+xml",
    "icon.svg": "image/svg+xml",
}
_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_SHOWN = 300
_MONTHS = (
    "janeiro",
    "fevereiro",
    "março",
    "abril",
    "maio",
    "junho",
    "julho",
    "agosto",
    "setembro",
    "outubro",
    "novembro",
    "dezembro",
)
# One tick: sent. Two: on the phone. Two in blue: read.
_TICKS = ("PENDING", "SERVER_ACK", "DELIVERY_ACK", "READ", "PLAYED")


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message in a chat."""

    id: str
    html: SafeString
    time: str
    ticks: str


@dataclass(frozen=True, slots=True)
class Day:
    """The messages of one day."""

    name: str
    bubbles: Sequence[Bubble]


@dataclass(frozen=True, slots=True)
class Phone:
    """One line of the list of phones."""

    digits: str
    name: str
    badge: str
    text: str
    time: str
    count: int
    selected: bool


class Pages:
    """Renders the pages for a time zone; `shop` is the name that customers see, or each instance's own."""

    def __init__(self, zone: tzinfo, shop: str = "") -> None:
        self._zone = zone
        self._shop = shop
        self._start = secrets.token_hex(4)
        self._engine = Engine(dirs=[str(_FOLDER / "templates")])

    def respond(self, sandbox: Sandbox, request: Request) -> Answer:
        """`/phone`, `/phone/<number>`, and their style and script under `/phone/static/`."""
        if request.method != "GET":
            return self._not_found()
        match request.segments:
            case ["phone"]:
                return self._page(sandbox, request, "")
            case ["phone", "static", name] if name in _STATIC:
                return Answer(HTTPStatus.OK, _static(name), _STATIC[name], {**_SECURITY, "Cache-Control": "no-cache"})
            case ["phone", number] if number.removeprefix("+").isdecimal():
                return self._page(sandbox, request, number.removeprefix("+"))
            case _:
                return self._not_found()

    def _page(self, sandbox: Sandbox, request: Request, digits: str) -> Answer:
        now = datetime.now(self._zone)
        # A page changes with a message, and with the day: "today" becomes "yesterday".
        tag = f'"{self._start}-{sandbox.revision}-{now:%j}"'
        headers = {**_SECURITY, "ETag": tag, "Cache-Control": "no-store"}
        if request.headers.get("If-None-Match") == tag:
            return Answer(HTTPStatus.NOT_MODIFIED, headers=headers)
        chats = sandbox.chats()
        jid = sandbox.resolve(digits)[0] if digits else ""
        messages = chats.get(jid, [])
        context = {
            "phones": [self._phone(chat, messages, jid, now.date()) for chat, messages in chats.items()],
            "phone": pretty(digits_of(jid or create_jid(digits))) if digits else "",
            "shop": self._shop_name(sandbox, messages),
            "days": self._days(messages[-_SHOWN:], now.date()),
            "hidden": max(len(messages) - _SHOWN, 0),
            "total": sum(len(messages) for messages in chats.values()),
            "magic_numbers": MAGIC_NUMBERS,
        }
        html = self._engine.get_template("phone.html").render(Context(context))
        return Answer(HTTPStatus.OK, html.encode(errors="replace"), "text/html; charset=utf-8", headers)

    def _not_found(self) -> Answer:
        html = self._engine.get_template("not_found.html").render(Context({}))
        return Answer(HTTPStatus.NOT_FOUND, html.encode(), "text/html; charset=utf-8", _SECURITY)

    def _shop_name(self, sandbox: Sandbox, messages: Sequence[Message]) -> str:
        if self._shop:
            return self._shop
        names = [message.instance for message in messages[-1:]] or [one.name for one in sandbox.instances()[:1]]
        name = (names or ["Loja"])[0].replace("-", " ").replace("_", " ")
        return name[:1].upper() + name[1:]

    def _phone(self, jid: str, messages: Sequence[Message], selected: str, today: date) -> Phone:
        last = messages[-1]
        digits = digits_of(jid)
        return Phone(
            digits=digits,
            name=pretty(digits),
            badge=digits[-2:],
            text=preview(last.text),
            time=self._short_time(last, today),
            count=len(messages),
            selected=jid == selected,
        )

    def _days(self, messages: Sequence[Message], today: date) -> list[Day]:
        by_day = itertools.groupby(messages, key=lambda message: self._local(message).date())
        return [Day(_day_name(day, today), [self._bubble(message) for message in group]) for day, group in by_day]

    def _bubble(self, message: Message) -> Bubble:
        # Safe: `to_html` escapes the text before it adds its own marks.
        html = mark_safe(to_html(message.text))  # noqa: S308
        latest = max((_TICKS.index(status) for status in message.updates if status in _TICKS), default=0)
        ticks = ("sent", "sent", "delivered", "read", "read")[latest]
        return Bubble(message.key_id, html, f"{self._local(message):%H:%M}", ticks)

    def _short_time(self, message: Message, today: date) -> str:
        moment = self._local(message)
        if moment.date() == today:
            return f"{moment:%H:%M}"
        return "ontem" if (today - moment.date()).days == 1 else f"{moment:%d/%m/%y}"

    def _local(self, message: Message) -> datetime:
        return datetime.fromtimestamp(message.arrived_at, self._zone)


def _day_name(day: date, today: date) -> str:
    match (today - day).days:
        case 0:
            return "Hoje"
        case 1:
            return "Ontem"
        case _:
            return f"{day.day} de {_MONTHS[day.month - 1]} de {day.year}"


@functools.cache
def _static(name: str) -> bytes:
    return (_FOLDER / "static" / name).read_bytes()
