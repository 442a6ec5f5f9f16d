"""What became of every change, counted from what the database and the phones of the sandbox hold.

A copy of a message counts against Flowlog if the gateway had kept an earlier copy, for then a look-up would have found
it. If it had not (an instance that keeps nothing; a 400 of `message.create()` whose answer nobody lived to read), no
look-up can, and the copy has to be explained by a send of that very message whose outcome nobody knew.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from integrations.models import DeliveryAttempt, NotificationLog
from orders.models import OrderEvent
from orders.transitions import TRANSITIONS
from tests.faults.lives import NOT_ON_WHATSAPP

Status, Result, Kind = NotificationLog.Status, DeliveryAttempt.Result, DeliveryAttempt.Kind
# What the gateway said of a message that it refused for good, by the code on its row.
REFUSALS = {
    "not_on_whatsapp": '"exists": false',
    "meta_recipient_not_allowed": "(#131030)",
    "meta_outside_24_hours": "(#131047)",
}
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Arrival:
    """One copy of a message on a phone. `place` is its place among all that arrived; `stored`: the gateway kept it."""

    place: int
    at: datetime
    stored: bool


@dataclass(slots=True)
class Message:
    """A row, what was tried for it, and what arrived of it."""

    row: NotificationLog
    attempts: list[DeliveryAttempt]
    arrivals: list[Arrival] = field(default_factory=list)
    is_corrected: bool = False

    @property
    def is_refused(self) -> bool:
        """Whether it failed because the gateway said, in its own words, that it cannot be sent."""
        code = self.row.error_code
        said = [each.response_body for each in self.attempts if each.outcome == Result.PERMANENT]
        return self.row.status == Status.FAILED and code in REFUSALS and any(REFUSALS[code] in body for body in said)

    @property
    def is_lost(self) -> bool:
        """Whether the customer should have it and does not, or the row does not say so.

        What it told of was corrected before it left: then nobody should.
        """
        if self.is_corrected and self.row.status == Status.CANCELLED:
            return bool(self.arrivals)
        if self.row.recipient.endswith(NOT_ON_WHATSAPP):
            return not self.is_refused
        return not self.is_refused and not (self.row.status == Status.SENT and self.arrivals)

    @property
    def unknown_sends(self) -> int:
        """Sends whose outcome nobody knew: nothing on record, or too late, so that they had to be looked up."""
        looked_up = {each.claim_token for each in self.attempts if each.kind == Kind.LOOK_UP}
        sends = [each for each in self.attempts if each.kind == Kind.SEND]
        return sum(each.outcome in {"", Result.UNKNOWN} or each.claim_token in looked_up for each in sends)

    @property
    def copies(self) -> tuple[int, int]:
        """Copies after the first: those with an earlier copy that the gateway kept, and those without."""
        kept = next((place for place, arrival in enumerate(self.arrivals) if arrival.stored), len(self.arrivals))
        more = max(len(self.arrivals) - 1, 0)
        avoidable = max(len(self.arrivals) - 1 - kept, 0)
        return avoidable, more - avoidable

    def __str__(self) -> str:
        row = self.row
        lines = [f"{row.pk} {row.event} of order {row.order_id} to {row.recipient}: {row.status} {row.error_code}"]
        lines += [
            f"  {each.started_at:%H:%M:%S.%f} {each.kind} {each.claim_token}: {each.outcome or '-'} {each.error_code}"
            for each in self.attempts
        ]
        lines += [f"  {each.at:%H:%M:%S.%f} arrived, {'kept' if each.stored else 'not kept'}" for each in self.arrivals]
        return "\n".join([*lines, *(f"  | {line}" for line in _log_of(row.pk))])


@dataclass(slots=True)
class Report:
    """The counts; whatever is in `wrong` must not be, by what it is called."""

    messages: int = 0
    refused: int = 0
    wrong: dict[str, Sequence[object]] = field(default_factory=dict)
    copies_not_kept: int = 0
    unknown_not_kept: int = 0
    sends: Counter[str] = field(default_factory=Counter)
    look_ups: Counter[str] = field(default_factory=Counter)

    def complaints(self) -> str:
        """The offenders, a few of each kind, with all that is known of them."""
        return "\n\n".join(
            f"{what}: {len(offenders)}\n" + "\n".join(map(str, offenders[:SHOWN]))
            for what, offenders in self.wrong.items()
            if offenders
        )


def examine(acknowledged: Mapping[int, Sequence[str]], arrived: Iterable[dict[str, Any]], forgetful: str) -> Report:
    """Count everything. `acknowledged` are the changes of each order whose commit was confirmed to the writer."""
    messages = _messages()
    strays = _hand_out(messages, arrived)
    not_kept = [
        each
        for each in messages
        if _instance(each.row) == forgetful or any(not arrival.stored for arrival in each.arrivals)
    ]
    attempts = [attempt for each in messages for attempt in each.attempts]
    unanswered = "no answer on record"
    return Report(
        messages=len(messages),
        refused=sum(each.is_refused for each in messages),
        wrong={
            "lost": [*_missing(acknowledged), *(each for each in messages if each.is_lost)],
            "out of order": _out_of_order(messages),
            "not in a final state": [each for each in messages if each.row.status in each.row.UNFINISHED],
            "sent twice where the gateway keeps messages": [each for each in messages for _ in range(each.copies[0])],
            "more copies than sends of unknown outcome": [e for e in messages if e.copies[1] > e.unknown_sends],
            "failed but arrived": [each for each in messages if _arrived_in_vain(each)],
            "arrived without a row": strays,
        },
        copies_not_kept=sum(each.copies[1] for each in messages),
        unknown_not_kept=sum(each.unknown_sends for each in not_kept),
        sends=Counter(f"{a.outcome or unanswered} {a.error_code}".strip() for a in attempts if a.kind == Kind.SEND),
        look_ups=Counter(f"{a.outcome} {a.error_code}".strip() for a in attempts if a.kind == Kind.LOOK_UP),
    )


def _messages() -> list[Message]:
    rows = NotificationLog.objects.select_related("instance").prefetch_related("delivery_attempts")
    corrections = _corrections()
    return [
        Message(
            row,
            list(row.delivery_attempts.all()),
            is_corrected=any(
                event > (row.order_event_id or 0) and row.event in TRANSITIONS[name].corrects
                for event, name in corrections[row.order_id or 0]
            ),
        )
        for row in rows.order_by("order_event", "pk")
    ]


def _corrections() -> defaultdict[int, list[tuple[int, str]]]:
    """The entries of each order that took back a step which had turned out wrong, the first of them first."""
    found: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    names = [entry.name for entry in TRANSITIONS.values() if entry.corrects]
    for event in OrderEvent.objects.filter(transition__in=names).order_by("pk"):
        found[event.order_id].append((event.pk, event.transition))
    return found


def _hand_out(messages: Sequence[Message], arrived: Iterable[dict[str, Any]]) -> list[str]:
    """Give each message what arrived of it; returns what belongs to none.

    Two events of one order may have the same words (ready for pickup again, on the same day). Then it is a copy of
    the latest one that had been tried by then.
    """
    by_words: defaultdict[tuple[str, str], list[Message]] = defaultdict(list)
    for each in messages:
        by_words[each.row.recipient, each.row.message].append(each)
    strays = []
    for place, one in enumerate(arrived):
        at = datetime.fromisoformat(one["arrived_at"])
        same = by_words.get((f"+{one['number']}", one["text"]), [])
        tried = [each for each in same if each.row.first_attempt_at and each.row.first_attempt_at <= at]
        if tried:
            tried[-1].arrivals.append(Arrival(place, at, one["stored"]))
        else:
            strays.append(f"{at:%H:%M:%S.%f} to {one['number']}: {one['text']}")
    return strays


def _missing(acknowledged: Mapping[int, Sequence[str]]) -> list[str]:
    """Changes that were confirmed and are not in the timeline, and entries there without exactly one row."""
    timeline: defaultdict[int, Counter[str]] = defaultdict(Counter)
    rows = Counter(NotificationLog.objects.values_list("order_event", flat=True))
    missing, corrections = [], _corrections()
    for event in OrderEvent.objects.all():
        timeline[event.order_id][event.transition] += 1
        entry = TRANSITIONS[event.transition]
        wanted = _told_wrongly(event, corrections[event.order_id]) if entry.corrects else entry.notifies_customer
        # Of a correction the customer may be told in vain: what it corrects failed only later.
        if rows[event.pk] != wanted and not (entry.corrects and rows[event.pk] == 1):
            missing.append(f"order {event.order_id}, {event.transition}: {rows[event.pk]} rows")
    for order, names in acknowledged.items():
        gone = Counter(names) - timeline[order]
        missing += [f"order {order}, {name}: confirmed, but not in the timeline" for name in gone.elements()]
    return missing


def _told_wrongly(event: OrderEvent, corrections: Sequence[tuple[int, str]]) -> bool:
    """Whether the customer got what this correction takes back, since the same was corrected the last time."""
    last = max((pk for pk, name in corrections if name == event.transition and pk < event.pk), default=0)
    wrong = NotificationLog.objects.filter(
        order=event.order_id, order_event__gt=last, order_event__lt=event.pk, status=Status.SENT
    )
    return wrong.filter(event__in=TRANSITIONS[event.transition].corrects).exists()


def _out_of_order(messages: Iterable[Message]) -> list[Message]:
    """Messages that arrived first before one of an earlier event of their order did."""
    latest: defaultdict[int | None, int] = defaultdict(int)
    late = []
    for each in messages:
        if each.arrivals:
            if each.arrivals[0].place < latest[each.row.order_id]:
                late.append(each)
            latest[each.row.order_id] = max(latest[each.row.order_id], each.arrivals[0].place)
    return late


def _arrived_in_vain(message: Message) -> bool:
    """Whether the row says `failed` and the phone has it: excused only if nobody could know of the copies."""
    if message.row.status != Status.FAILED or not message.arrivals:
        return False
    return any(each.stored for each in message.arrivals) or len(message.arrivals) > message.unknown_sends


def _instance(row: NotificationLog) -> str:
    return row.instance.name if row.instance else ""


def _log_of(pk: int) -> list[str]:
    """What the workers have said about the message."""
    logs = sorted(Path(settings.LOG_DIR).glob("worker-*.log"))
    lines = [line for log in logs for line in log.read_text(errors="replace").splitlines()]
    return [line for line in lines if f"Notification {pk} " in line or f"Notification {pk}:" in line]
