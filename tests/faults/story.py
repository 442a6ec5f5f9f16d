"""What became of the messages: the rows, their attempts, and what the phones have."""

from __future__ import annotations

from operator import itemgetter

from integrations.models import DeliveryAttempt, EvolutionInstance, NotificationLog
from notifications import texts
from orders.models import Order
from orders.services import apply_transition
from tests.factories import make_order
from tests.integrations.sandbox import SandboxProcess
from tests.processes import wait_until

Status = NotificationLog.Status
Kind = DeliveryAttempt.Kind


def phone(number: int) -> str:
    """The phone of one of many customers."""
    return f"+55119000011{number:02}"


def rows() -> list[NotificationLog]:
    return list(NotificationLog.objects.order_by("pk"))


def statuses() -> list[str]:
    return [row.status for row in rows()]


def wait_for(*expected: str) -> list[NotificationLog]:
    """Wait until the rows, in the order of their creation, have these statuses; returns them."""
    try:
        wait_until(lambda: statuses() == list(expected), f"{[str(each) for each in expected]}")
    except AssertionError as error:
        error.add_note("\n".join(_story(row) for row in rows()))
        raise
    return rows()


def wait_for_attempts(outcome: str, number: int = 1) -> None:
    """Wait until so many attempts have ended like that."""
    ended = DeliveryAttempt.objects.filter(outcome=outcome)
    wait_until(lambda: ended.count() >= number, f"{number} attempts that ended {outcome}")


def outcomes(row: NotificationLog, kind: Kind = Kind.SEND) -> list[str]:
    """How each send of the row, or each look-up of it, ended; empty for one whose worker did not live to tell."""
    return list(row.delivery_attempts.filter(kind=kind).order_by("pk").values_list("outcome", flat=True))


def say_first(phone: str = "+5511900000001") -> NotificationLog:
    """A message that simply goes: it shows that the worker works, and later that the gateway keeps what it sends."""
    own = NotificationLog.objects.filter(order=make_order(notify=True, customer_phone=phone))
    wait_until(own.filter(status=Status.SENT).exists, "an ordinary message")
    return own.get()


def say_two(phone: str = "+5511987654321") -> Order:
    """An order with two messages: the one that meets the trouble, and the next, which must wait for it."""
    order = make_order(notify=True, customer_phone=phone)
    apply_transition(order, "confirm")
    return order


def _story(row: NotificationLog) -> str:
    attempts = [(each.kind, each.outcome, each.error_code) for each in row.delivery_attempts.all()]
    return f"{row.pk} {row.event}: {row.status} {row.error_code}, attempts {attempts}"


def wait_for_hold(code: str) -> None:
    """Wait until the instance is held for that reason."""
    wait_until(EvolutionInstance.objects.filter(held_at__isnull=False, held_code=code).exists, f"a hold: {code}")


def text_of(row: NotificationLog) -> str:
    """What the row has to say, made anew from its snapshot."""
    return texts.render(row.event, row.parsed_snapshot)


def assert_told(gateway: SandboxProcess, *told: NotificationLog) -> None:
    """The phones have exactly these messages, once each, in this order, and each row has the id of its own."""
    assert _arrived(gateway) == [_as_it_arrives(row) for row in told]
    assert [row.message for row in told] == [text_of(row) for row in told]


def assert_told_each(gateway: SandboxProcess, told: list[NotificationLog]) -> None:
    """The same, but in this order on each phone only."""
    by_phone = itemgetter(0)
    assert sorted(_arrived(gateway), key=by_phone) == sorted(map(_as_it_arrives, told), key=by_phone)


def _arrived(gateway: SandboxProcess) -> list[tuple[str, ...]]:
    return [(message["number"], message["text"], message["key_id"]) for message in gateway.messages()]


def _as_it_arrives(row: NotificationLog) -> tuple[str, ...]:
    return row.recipient.removeprefix("+"), text_of(row), row.provider_message_id


def assert_at_rest() -> None:
    """Nothing of a message that is over holds anything: no lease, no look-up, no slot, no hold."""
    assert not NotificationLog.objects.filter(lease_until__isnull=False).exists()
    assert not NotificationLog.objects.filter(lookup_at__isnull=False).exists()
    assert list(EvolutionInstance.objects.values_list("slot_token", "held_at")) == [(None, None)]
