"""What the phone pages show of messages, ready for the templates."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from django.utils.safestring import SafeString, mark_safe

from flowlog.devtools.sandbox.archive import Message
from flowlog.devtools.sandbox.formatting import preview, to_html
from flowlog.devtools.sandbox.jids import digits_of, pretty
from flowlog.devtools.sandbox.state import Sandbox

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
_TICKS = {"SERVER_ACK": "sent", "DELIVERY_ACK": "delivered", "READ": "read", "PLAYED": "read"}


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message in a chat: the shop's, or the customer's own. `quote` is the message that it answers."""

    id: str
    html: SafeString
    time: str
    ticks: str
    own: bool
    quote: str
    edited: bool
    deleted: bool


@dataclass(frozen=True, slots=True)
class Day:
    """The messages of one day."""

    name: str
    bubbles: Sequence[Bubble]


@dataclass(frozen=True, slots=True)
class Phone:
    """One line of the list of phones. `count` is how many of the shop's messages it has."""

    digits: str
    name: str
    badge: str
    text: str
    time: str
    count: int
    selected: bool


class Chats:
    """The chats as people of a time zone see them now."""

    def __init__(self, sandbox: Sandbox, now: datetime, zone: tzinfo) -> None:
        self._sandbox = sandbox
        self._today = now.date()
        self._zone = zone

    def phone(self, jid: str, messages: Sequence[Message], selected: str) -> Phone:
        """The line of a phone that has messages."""
        last = messages[-1]
        digits = digits_of(jid)
        text = "Mensagem apagada" if last.deleted else preview(last.text)
        return Phone(
            digits=digits,
            name=pretty(digits),
            badge=digits[-2:],
            text=text if last.from_me else f"Você: {text}",
            time=self._short_time(last),
            count=sum(message.from_me for message in messages),
            selected=jid == selected,
        )

    def days(self, messages: Sequence[Message]) -> list[Day]:
        """A chat, day by day."""
        by_day = itertools.groupby(messages, key=lambda message: self._local(message).date())
        return [Day(self._day_name(day), [self._bubble(message) for message in group]) for day, group in by_day]

    def quote(self, key_id: str) -> str:
        """What is shown of a message that is answered."""
        quoted = self._sandbox.message(key_id)
        return preview(quoted.text) if quoted else ""

    def own_text(self, key_id: str) -> str:
        """The customer's own words in a message, to be changed; empty if there is nothing to change."""
        own = self._sandbox.message(key_id)
        return own.text if own and not own.from_me and not own.deleted else ""

    def _bubble(self, message: Message) -> Bubble:
        return Bubble(
            id=message.key_id,
            # Safe: `to_html` escapes the text before it adds its own marks.
            html=mark_safe(to_html(message.text)),  # noqa: S308
            time=f"{self._local(message):%H:%M}",
            ticks=_ticks(message),
            own=not message.from_me,
            quote=self.quote(message.quoted),
            edited=message.edited,
            deleted=message.deleted,
        )

    def _short_time(self, message: Message) -> str:
        moment = self._local(message)
        match (self._today - moment.date()).days:
            case 0:
                return f"{moment:%H:%M}"
            case 1:
                return "ontem"
            case _:
                return f"{moment:%d/%m/%y}"

    def _day_name(self, day: date) -> str:
        match (self._today - day).days:
            case 0:
                return "Hoje"
            case 1:
                return "Ontem"
            case _:
                return f"{day.day} de {_MONTHS[day.month - 1]} de {day.year}"

    def _local(self, message: Message) -> datetime:
        return datetime.fromtimestamp(message.arrived_at, self._zone)


def has_unread(messages: Sequence[Message]) -> bool:
    """Whether a click on "read" would change anything."""
    return any(message.from_me and _ticks(message) in {"sent", "delivered"} for message in messages)


def _ticks(message: Message) -> str:
    reached = [name for status, name in _TICKS.items() if status in message.updates]
    if "ERROR" in message.updates and not {"delivered", "read"} & set(reached):
        return "error"
    return reached[-1] if reached else "sent"
