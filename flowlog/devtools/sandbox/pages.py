"""The pages: each customer's phone, the shop's connections, and what it sells. They need no key.

What they change, they change by forms, which only these pages themselves may send.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urlsplit

from django.template import Context, Engine

from flowlog.devtools.sandbox import connection, shop_page
from flowlog.devtools.sandbox.actions import ACTIONS
from flowlog.devtools.sandbox.archive import Message
from flowlog.devtools.sandbox.chats import Chats, has_unread
from flowlog.devtools.sandbox.errors import ActionError
from flowlog.devtools.sandbox.faults import MAGIC_NUMBERS
from flowlog.devtools.sandbox.http import Answer, Request, is_loopback
from flowlog.devtools.sandbox.jids import create_jid, digits_of, pretty
from flowlog.devtools.sandbox.options import Options, ReplyForm
from flowlog.devtools.sandbox.state import Instance, Sandbox

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
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not less: without it, browsers do not say from which page a form comes.
    "Referrer-Policy": "same-origin",
}
_HTML = "text/html; charset=utf-8"
_SHOWN = 300
# What can be pressed beside an instance.
_CONNECTION: dict[str, Callable[[Sandbox, Instance], object]] = {
    "connect": connection.connect,
    "disconnect": connection.disconnect,
    "show-code": connection.start_pairing,
    "pair": connection.pair,
    "log-out": functools.partial(connection.disconnect, reason=connection.LOGGED_OUT),
}
# What can be chosen on the same page: a row, a choice in it, and the options that it sets.
_BEHAVIOUR: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("Confirmações de entrega", "chegam", {"receipts": True}),
    ("Confirmações de entrega", "não chegam", {"receipts": False}),
    ("Leitura", "sozinha, após um momento", {"read_seconds": Options().read_seconds}),
    ("Leitura", "só com um clique", {"read_seconds": None}),
    ("Respostas", "com o número", {"reply_form": ReplyForm.NUMBER}),
    ("Respostas", "com @lid e o número", {"reply_form": ReplyForm.LID}),
    ("Respostas", "sem o número", {"reply_form": ReplyForm.ANONYMOUS}),
    ("Respostas", "sem nada", {"reply_form": ReplyForm.NAMELESS}),
)


class Pages:
    """Renders the pages for a time zone; `shop` is the name that customers see, or each instance's own."""

    def __init__(self, zone: tzinfo, shop: str = "") -> None:
        self._zone = zone
        self._shop = shop
        self._start = secrets.token_hex(4)
        self._engine = Engine(dirs=[str(_FOLDER / "templates")])

    def respond(self, sandbox: Sandbox, request: Request) -> Answer:
        """`/phone`, `/phone/<number>`, `/phone/instances`, `/phone/shop`, and what they show under `/phone/static/`."""
        if request.method != "GET":
            return self._act(sandbox, request) if request.method == "POST" else self._not_found()
        match request.segments:
            case ["phone"]:
                return self._page(sandbox, request, "welcome.html", {})
            case ["phone", "instances"]:
                return self._page(sandbox, request, "instances.html", _connections(sandbox))
            case ["phone", "shop"]:
                return self._page(sandbox, request, "shop.html", shop_page.context(sandbox, self._zone))
            case ["phone", number] if number.removeprefix("+").isdecimal():
                return self._page(sandbox, request, "phone.html", {}, number.removeprefix("+"))
            case segments:
                return _file(sandbox, segments) or self._not_found()

    def _act(self, sandbox: Sandbox, request: Request) -> Answer:
        """Do what a form asks, and show its page again. What cannot be done is not: the page shows how things are."""
        if not _is_own(request):
            return Answer(HTTPStatus.FORBIDDEN, b"", "text/plain", _SECURITY)
        match request.segments:
            case ["phone", "behaviour", choice] if choice.isdecimal() and int(choice) < len(_BEHAVIOUR):
                sandbox.configure(dict(_BEHAVIOUR[int(choice)][2]))
                return _see("/phone/instances")
            case ["phone", "instances", name, action] if action in _CONNECTION:
                if instance := sandbox.instance(name):
                    _CONNECTION[action](sandbox, instance)
                return _see("/phone/instances")
            case ["phone", "shop", *action] if shop_page.press(sandbox, action, request.body):
                return _see("/phone/shop")
            case ["phone", number, "reply" | "read" | "edit" | "delete" as action] if number.isdecimal():
                _on_phone(sandbox, request, number, action)
                return _see(f"/phone/{number}")
            case _:
                return self._not_found()

    def _page(
        self, sandbox: Sandbox, request: Request, template: str, more: dict[str, object], digits: str = ""
    ) -> Answer:
        now = datetime.now(self._zone)
        # A page changes with everything that happens, and with the day: "today" becomes "yesterday".
        tag = f'"{self._start}-{sandbox.revision}-{now:%j}"'
        headers = {**_SECURITY, "ETag": tag, "Cache-Control": "no-store"}
        if request.headers.get("If-None-Match") == tag:
            return Answer(HTTPStatus.NOT_MODIFIED, headers=headers)
        chats = Chats(sandbox, now, self._zone)
        by_jid = sandbox.chats()
        jid = sandbox.resolve(digits)[0] if digits else ""
        phones = [chats.phone(chat, messages, jid) for chat, messages in by_jid.items()]
        context = {
            "phones": phones,
            "total": sum(phone.count for phone in phones),
            "magic_numbers": MAGIC_NUMBERS,
            "disconnected": [instance.name for instance in sandbox.instances() if instance.state != "open"],
            **(self._chat(sandbox, request, chats, jid or create_jid(digits)) if digits else {}),
            **more,
        }
        html = self._engine.get_template(template).render(Context(context))
        return Answer(HTTPStatus.OK, html.encode(errors="replace"), _HTML, headers)

    def _chat(self, sandbox: Sandbox, request: Request, chats: Chats, jid: str) -> dict[str, object]:
        messages = sandbox.chat(jid)
        answered, edited = request.query.get("responder", ""), request.query.get("editar", "")
        return {
            "phone": pretty(digits_of(jid)),
            "digits": digits_of(jid),
            "shop": self._shop_name(sandbox, messages),
            "days": chats.days(messages[-_SHOWN:]),
            "hidden": max(len(messages) - _SHOWN, 0),
            "unread": has_unread(messages),
            "answered": answered,
            "quote": chats.quote(answered),
            "edited": edited,
            "edited_text": chats.own_text(edited),
        }

    def _not_found(self) -> Answer:
        html = self._engine.get_template("not_found.html").render(Context({}))
        return Answer(HTTPStatus.NOT_FOUND, html.encode(), _HTML, _SECURITY)

    def _shop_name(self, sandbox: Sandbox, messages: Sequence[Message]) -> str:
        if self._shop:
            return self._shop
        names = [message.instance for message in messages[-1:]] or [one.name for one in sandbox.instances()[:1]]
        name = (names or ["Loja"])[0].replace("-", " ").replace("_", " ")
        return name[:1].upper() + name[1:]


def _file(sandbox: Sandbox, segments: Sequence[str]) -> Answer | None:
    """What the pages are made of: style, script and pictures, and the code to pair an instance with."""
    match segments:
        case ["phone", "static", name] if name in _STATIC:
            return Answer(HTTPStatus.OK, _static(name), _STATIC[name], {**_SECURITY, "Cache-Control": "no-cache"})
        case ["phone", "instances", name, "code.png"] if (instance := sandbox.instance(name)) and instance.qr:
            return Answer(HTTPStatus.OK, instance.qr.png, "image/png", {**_SECURITY, "Cache-Control": "no-store"})
        case _:
            return None


def _on_phone(sandbox: Sandbox, request: Request, number: str, action: str) -> None:
    """Read the chat or, which reads it too, write in it, change what was written, or take it back."""
    body = {"number": number, "text": request.body.get("quick") or request.body.get("text")}
    about = {name: request.body.get(name) for name in ("quoted", "key_id")}
    try:
        ACTIONS["read"](sandbox, body)
        if action != "read":
            ACTIONS[action](sandbox, body | about)
    except ActionError:
        return


def _connections(sandbox: Sandbox) -> dict[str, object]:
    options, rows = sandbox.options, dict[str, list[dict[str, object]]]()
    for index, (row, label, changes) in enumerate(_BEHAVIOUR):
        chosen = all(getattr(options, name) == value for name, value in changes.items())
        rows.setdefault(row, []).append({"index": index, "label": label, "chosen": chosen})
    instances = [{"it": each, "path": quote(each.name, safe="")} for each in sandbox.instances()]
    return {"instances": instances, "behaviour": rows}


def _is_own(request: Request) -> bool:
    """Whether the form was sent by one of these pages, and not by some page elsewhere on the web."""
    host = request.headers.get("Host", "")
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return is_loopback(name) and request.headers.get("Origin") in {None, f"http://{host}"}


def _see(path: str) -> Answer:
    return Answer(HTTPStatus.SEE_OTHER, b"", "text/plain", {**_SECURITY, "Location": path})


@functools.cache
def _static(name: str) -> bytes:
    return (_FOLDER / "static" / name).read_bytes()
