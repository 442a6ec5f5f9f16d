"""What a carrier's word means for the order whose parcel it tells of."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Meaning(TextChoices):
    """What each does to the order is said by its words: the staff choose among them. Those of `Status` are the same."""

    IGNORED = "ignored", _("nothing for an order")
    NOTED = "noted", _("in the timeline alone")
    POSTED = "posted", _("posted")
    OUT_FOR_DELIVERY = "out_for_delivery", _("out for delivery")
    FAILED_ATTEMPT = "failed_attempt", _("failed attempt")
    GOES_BACK = "goes_back", _("failed attempt, and the parcel goes back: told once")
    DELIVERED = "delivered", _("delivered")
    RETURNED = "returned", _("returned to the shop")
    STAFF = "staff", _("a person has to look at it")


WAY = (
    Meaning.POSTED,
    Meaning.OUT_FOR_DELIVERY,
    Meaning.FAILED_ATTEMPT,
    Meaning.GOES_BACK,
    Meaning.DELIVERED,
    Meaning.RETURNED,
)
"""Those that move an order, in the order of a parcel's way."""
