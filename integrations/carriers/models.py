"""The carriers that stores are connected to, and the news that carriers told, one row each: their log, and what keeps a
request from counting twice."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from flowlog.staffpages.stores import StorePath
from flowlog.times import moment
from integrations.carriers import CARRIERS
from integrations.carriers.meanings import Meaning
from integrations.carriers.updates import DESCRIPTION_LENGTH
from integrations.sources.models import ID_LENGTH, REASON_LENGTH, Connection, check_statuses
from orders.models import Order, OrderEvent


def check_mapping(mapping: Any) -> None:
    """A model validator: from the carrier's words to meanings."""
    check_statuses(mapping, Meaning)


class CarrierConnection(Connection):
    """One store's way in from a carrier, or who goes between; its news moves no other store's orders.

    Asking about all parcels may take several turns: `round_since` says since when, and is empty between two rounds.
    """

    path = "/webhooks/tracking/"

    round_since = models.DateTimeField(null=True, editable=False)
    mapping = models.JSONField(default=dict, db_default={}, blank=True, editable=False, validators=[check_mapping])

    class Meta:
        app_label = "integrations"
        verbose_name = _("carrier's connection")
        verbose_name_plural = _("carriers' connections")
        ordering = ("name", "pk")

    @classmethod
    def only_asked(cls) -> tuple[str, ...]:
        """The sources that tell nothing by themselves."""
        return tuple(name for name, source in CARRIERS.items() if not getattr(source, "HAS_WEBHOOK", True))


class ParcelAsked(models.Model):
    """When a carrier was last asked about the parcel with this tracking code, so that each has its turn.

    Kept while it may be under way.
    """

    store_path: StorePath = "connection__store"

    connection = models.ForeignKey(CarrierConnection, models.CASCADE, db_index=False, related_name="+")
    code = models.CharField(max_length=60)
    asked_at = models.DateTimeField()

    class Meta:
        app_label = "integrations"
        constraints = (models.UniqueConstraint(fields=["connection", "code"], name="parcel_asked_once"),)

    def __str__(self) -> str:
        return f"{self.code} @ {self.asked_at:%Y-%m-%d %H:%M:%S}"


class CarrierNews(models.Model):
    """What a carrier said of a parcel, and what it meant for the order. `event` is the transition that it became.

    `occurred_at` is the carrier's clock, or ours where it does not say; `received_at` is ours. Without an order nobody
    knew, or knew for sure, whose parcel it was.

    What came by a `connection` is kept as it was sent, `headers` and `body`, and worked off at `due_at`, if there is
    one; until then nothing else is known of it. `statuses` has the carrier's own word, `external_id` its own name of
    the parcel. What needs a person does so until `seen_at`. All other news was judged when it came, and its
    `signature` is the request's; of what was asked for it says which piece of news it is.
    """

    # Whose nobody knows, and that came by no store's connection, is shown to who has all the stores.
    store_path: StorePath = ("order__store", "connection__store")

    Status = Meaning

    class Result(models.TextChoices):
        RECEIVED = "received", pgettext_lazy("news", "received")
        APPLIED = "applied", _("order changed")
        REFUSED = "refused", _("not possible for the order")
        LATE = "late", _("older than what is known")
        REPEATED = "repeated", _("told before")
        UNKNOWN = "unknown", _("no such order")
        AMBIGUOUS = "ambiguous", _("several orders with this code")
        NOTED = "noted", _("in the timeline alone")
        NOTHING = "nothing", _("nothing for an order")
        WAITING = "waiting", _("waits for another parcel")
        UNKNOWN_STATUS = "no_meaning", _("status without a meaning")
        STAFF = "staff", _("a person has to look at it")
        OFF = "off", _("came while switched off")
        ERROR = "error", _("could not be taken in")

    NEED_A_PERSON = (Result.UNKNOWN_STATUS, Result.STAFF, Result.ERROR, Result.REFUSED, Result.AMBIGUOUS)

    connection = models.ForeignKey(
        CarrierConnection,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="news",
        verbose_name=_("connection"),
    )
    external_id = models.CharField(_("id at the carrier"), max_length=ID_LENGTH, blank=True, default="", db_default="")
    headers = models.JSONField(default=dict, db_default={}, editable=False)
    body = models.BinaryField(default=b"", db_default=b"", editable=False)
    statuses = models.JSONField(default=list, db_default=[], editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    due_at = models.DateTimeField(null=True, editable=False)
    seen_at = models.DateTimeField(null=True, editable=False)

    source = models.CharField(_("source"), max_length=30)
    # Unique among those that have one.
    signature = models.CharField(max_length=64, null=True, unique=True, editable=False)  # noqa: DJ001
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
    status = models.CharField(_("status"), max_length=20, choices=Meaning)
    description = models.CharField(_("description"), max_length=DESCRIPTION_LENGTH, blank=True)
    occurred_at = models.DateTimeField(_("when"))
    received_at = models.DateTimeField(_("received"), db_default=Now())
    result = models.CharField(_("result"), max_length=12, choices=Result, default=Result.RECEIVED)
    reason = models.CharField(_("why"), max_length=REASON_LENGTH, blank=True)

    class Meta:
        app_label = "integrations"
        verbose_name = _("carrier's news")
        verbose_name_plural = _("carriers' news")
        ordering = ("-pk",)
        permissions = (
            ("read_carriernews", "Can read what a carrier sent as it is"),
            ("apply_carriernews", "Can apply a carrier's news again"),
        )
        indexes = (
            models.Index(fields=["tracking_code"], condition=Q(order__isnull=True), name="carrier_news_without_order"),
            models.Index(
                fields=["connection", "due_at", "id"], condition=Q(due_at__isnull=False), name="carrier_news_due"
            ),
            models.Index(
                fields=["connection", "external_id"], condition=~Q(external_id=""), name="carrier_news_of_parcel"
            ),
            models.Index(
                fields=["connection", "received_at"],
                condition=Q(connection__isnull=False),
                name="carrier_news_by_time",
            ),
            models.Index(
                fields=["result"],
                condition=Q(
                    connection__isnull=False,
                    result__in=("no_meaning", "staff", "error", "refused", "ambiguous"),
                    seen_at__isnull=True,
                ),
                name="carrier_news_for_staff",
            ),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(result="applied", event__isnull=False) | ~Q(result="applied") & Q(event__isnull=True),
                name="carrier_news_applied_is_event",
            ),
            models.CheckConstraint(
                condition=Q(order__isnull=False) | Q(result__in=("unknown", "ambiguous")) | Q(connection__isnull=False),
                name="carrier_news_order_or_why",
            ),
        )

    def __str__(self) -> str:
        said = self.get_status_display() or ", ".join(self.statuses)
        return " · ".join(filter(None, (self.tracking_code or self.external_id or moment(self.received_at), said)))
