"""What a source makes of a carrier's words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from integrations.sources import RefusedError
from orders.contacts import is_storable

_LONGEST = {"tracking_code": 60, "order": 12}
DESCRIPTION_LENGTH = 300
# A carrier's clock may be a little ahead; news from another year is a mistake.
_AHEAD = timedelta(minutes=5)
_OLD = timedelta(days=365)


class Status(TextChoices):
    """What carriers tell that an order knows of."""

    POSTED = "posted", _("posted")
    OUT_FOR_DELIVERY = "out_for_delivery", _("out for delivery")
    DELIVERED = "delivered", _("delivered")
    FAILED_ATTEMPT = "failed_attempt", _("failed attempt")


@dataclass(frozen=True, slots=True)
class Update:
    """What became of one parcel, and when by the carrier's clock. Raises `RefusedError` for what cannot be stored.

    The codes are as `orders.codes.compact_tracking` and `orders.codes.compact` have them; `order` is empty where the
    carrier does not know it. A customer reads the `description` of a failed attempt, so far as it is kept.
    """

    tracking_code: str
    status: Status
    occurred_at: datetime
    order: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        for name in ("tracking_code", "order", "description"):
            text = getattr(self, name)
            if not is_storable(text):
                raise wrong(f"{name} must be a string.")
            if len(text) > _LONGEST.get(name, len(text)):
                raise wrong(f"{name} must have at most {_LONGEST[name]} characters.")
        if not self.tracking_code:
            raise wrong("tracking_code is required.")
        now = datetime.now(UTC)
        if not now - _OLD <= self.occurred_at <= now + _AHEAD:
            raise wrong("occurred_at must lie within the last year, and not in the future.")


def wrong(sentence: str) -> RefusedError:
    """A request that is not as its source describes it."""
    return RefusedError(HTTPStatus.BAD_REQUEST, sentence)
