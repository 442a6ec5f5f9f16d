"""What endpoints are told of: each kind with the type that a webhook names it by, and its words for the staff."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from flowlog.translations import Words
from orders.transitions import TRANSITIONS, UNDO, done_words

TEST = "test"
# By the names that the database's triggers give them. They are kept as they are: receivers compare these.
_TYPES_OF_STEPS = {
    "create": "created",
    "confirm": "confirmed",
    "pay": "paid",
    "refund": "refunded",
    "ship": "shipped",
    "deliver": "delivered",
    "fail_delivery": "delivery_failed",
    "pick_up": "picked_up",
    "expire_pickup": "pickup_expired",
    "cancel": "cancelled",
    "return_order": "returned",
    "correct_tracking": "tracking_corrected",
    "move_deadline": "deadline_moved",
    "change_address": "address_changed",
    "reopen": "reopened",
    "unpay": "unpaid",
    UNDO: "step_undone",
}
_OF_MESSAGES: dict[str, Words] = {
    "message.sent": _("Message sent"),
    "message.delivered": _("Message delivered"),
    "message.read": _("Message read"),
    "message.undelivered": _("Message not delivered"),
    "message.failed": _("Message failed"),
    "message.skipped": _("Message skipped"),
    "message.cancelled": _("Message cancelled"),
}


def choices() -> list[tuple[str, Words]]:
    """Every kind that an endpoint may choose, with its words."""
    steps: list[tuple[str, Words]] = [(f"order.{name}", done_words(name)) for name in (*TRANSITIONS, UNDO)]
    return [*steps, *_OF_MESSAGES.items()]


def type_of(kind: str) -> str:
    """What the webhook calls it: `order.paid`, `message.read`."""
    subject, _dot, name = kind.partition(".")
    return f"order.{_TYPES_OF_STEPS.get(name, name)}" if subject == "order" else kind


def words_of(kind: str) -> Words:
    """What the staff call it."""
    subject, _dot, name = kind.partition(".")
    return done_words(name) if subject == "order" else _OF_MESSAGES.get(kind, _("Test"))
