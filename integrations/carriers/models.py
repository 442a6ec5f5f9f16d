"""The news that carriers told, one row each: their log, and what keeps a request from counting twice."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from integrations.carriers.updates import DESCRIPTION_LENGTH, Status
from orders.models import Order, OrderEvent


class CarrierNews(models.Model):
    """What a carrier said of a parcel, and what it meant for the order. `event` is the transition that it became.

    `occurred_at` is the carrier's clock, `received_at` ours. Without an order nobody knew, or knew for sure, whose
    parcel it was.
    """

    Status = Status

    class Result(models.TextChoices):
        RECEIVED = "received", _("received")
        APPLIED = "applied", _("order changed")
        REFUSED = "refused", _("not possible for the order")
        LATE = "late", _("older than what is known")
        REPEATED = "repeated", _("told before")
        UNKNOWN = "unknown", _("no such order")
        AMBIGUOUS = "ambiguous", _("several orders with this code")

    source = models.CharField(_("source"), max_length=30)
    signature = models.CharField(max_length=64, unique=True, editable=False)
    tracking_code = models.CharField(_("tracking code"), max_length=60)
    order = models.ForeignKey(
        Order, models.PROTECT, null=True, blank=True, related_name="carrier_news", verbose_name=_("order")
    )
    event = models.OneToOneField(
        OrderEvent,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="carrier_news",
        verbose_name=_("timeline entry"),
    )
    status = models.CharField(_("status"), max_length=20, choices=Status)
    description = models.CharField(_("description"), max_length=DESCRIPTION_LENGTH, blank=True)
    occurred_at = models.DateTimeField(_("when"))
    received_at = models.DateTimeField(_("received"), db_default=Now())
    result = models.CharField(_("result"), max_length=12, choices=Result, default=Result.RECEIVED)
    reason = models.CharField(_("why"), max_length=500, blank=True)

    class Meta:
        app_label = "integrations"
        verbose_name = _("carrier's news")
        verbose_name_plural = _("carriers' news")
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["tracking_code"], condition=Q(order__isnull=True), name="carrier_news_without_order"),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(result="applied", event__isnull=False) | ~Q(result="applied") & Q(event__isnull=True),
                name="carrier_news_applied_is_event",
            ),
            models.CheckConstraint(
                condition=Q(order__isnull=False) | Q(result__in=("unknown", "ambiguous")),
                name="carrier_news_has_order_or_says_why",
            ),
        )

    def __str__(self) -> str:
        return f"{self.tracking_code} · {self.get_status_display()}"
