"""What a shop's status means for an order here, and what several of them mean together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Meaning(TextChoices):
    """What each does to the order is said by its words: the staff choose among them."""

    IGNORED = "ignored", _("nothing: it is no order, or only tidying up")
    SILENT = "silent", _("order placed, without telling the customer")
    PLACED = "placed", _("order placed")
    CONFIRMED = "confirmed", _("confirmed")
    PAID = "paid", _("paid")
    READY = "ready", _("ready for pickup")
    SHIPPED = "shipped", _("shipped")
    SHIPPED_IF_TRACKED = "shipped_if_tracked", _("shipped, if there is a tracking code")
    OUT_FOR_DELIVERY = "out_for_delivery", _("out for delivery")
    DELIVERED = "delivered", _("delivered or picked up")
    FAILED_ATTEMPT = "failed_attempt", _("delivery failed")
    RETURNED = "returned", _("returned")
    CANCELLED = "cancelled", _("cancelled")
    REFUNDED = "refunded", _("refunded")
    STAFF = "staff", _("a person has to look at it")


def meanings_of(
    statuses: Iterable[str], own: Mapping[str, Any], usual: Mapping[str, str]
) -> tuple[frozenset[Meaning], list[str]]:
    """What the statuses mean, by the connection's `own` mapping before the source's `usual` one; and those that
    neither knows."""
    found: set[Meaning] = set()
    unknown = []
    for status in statuses:
        meaning = str(own.get(status) or usual.get(status, ""))
        if meaning in Meaning:
            found.add(Meaning(meaning))
        else:
            unknown.append(status)
    return frozenset(found), unknown
