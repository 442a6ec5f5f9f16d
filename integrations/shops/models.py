"""A shop's system that tells of orders, and what it told."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy, pgettext_lazy

from flowlog.staffpages.stores import StorePath
from flowlog.times import moment
from integrations.shops.meanings import Meaning
from integrations.sources.models import (
    ID_LENGTH,
    NUMBER_LENGTH,
    REASON_LENGTH,
    Connection,
    check_statuses,
    new_token,
)
from orders.models import Order

__all__ = ["ID_LENGTH", "NUMBER_LENGTH", "REASON_LENGTH", "ShopConnection", "ShopNews", "new_token"]


def check_mapping(mapping: Any) -> None:
    """A model validator: from the shop's words to meanings."""
    check_statuses(mapping, Meaning)


class ShopConnection(Connection):
    """One store's way in from the system in which it sells."""

    path = "/webhooks/orders/"

    mapping = models.JSONField(default=dict, db_default={}, blank=True, editable=False, validators=[check_mapping])

    class Meta:
        app_label = "integrations"
        verbose_name = gettext_lazy("shop's system")
        verbose_name_plural = gettext_lazy("shops' systems")
        ordering = ("name", "pk")
        constraints = (
            # Two shops of one kind number their orders alike.
            models.UniqueConstraint(
                fields=["store", "source"],
                name="shop_connection_one_of_a_kind",
                violation_error_message=gettext_lazy("This store has a connection to such a shop already."),
            ),
        )


class ShopNews(models.Model):
    """What came of one order: stored before anything is made of it.

    `body` and `headers` are as they were sent; what was asked for, not sent, is written as `integrations.shops.polled`
    does. It is to be worked off at `due_at`, if there is one. `changed_at` is the shop's clock. What needs a person
    does so until `seen_at`.
    """

    store_path: StorePath = "connection__store"

    class Result(models.TextChoices):
        RECEIVED = "received", pgettext_lazy("news", "received")
        APPLIED = "applied", gettext_lazy("order changed")
        NOTHING_NEW = "nothing_new", gettext_lazy("nothing new")
        LATE = "late", gettext_lazy("older than what is known")
        REFUSED = "refused", gettext_lazy("not possible for the order")
        UNKNOWN_STATUS = "unknown_status", gettext_lazy("status without a meaning")
        NOT_AN_ORDER = "not_an_order", gettext_lazy("nothing for an order")
        STAFF = "staff", gettext_lazy("a person has to look at it")
        WAITING = "waiting", gettext_lazy("to be fetched from the shop")
        OFF = "off", gettext_lazy("came while switched off")
        ERROR = "error", gettext_lazy("could not be taken in")

    JUDGED = (Result.APPLIED, Result.NOTHING_NEW, Result.REFUSED, Result.STAFF)
    NEED_A_PERSON = (Result.UNKNOWN_STATUS, Result.STAFF, Result.ERROR, Result.REFUSED)

    connection = models.ForeignKey(
        ShopConnection, models.PROTECT, related_name="news", verbose_name=gettext_lazy("shop's system")
    )
    external_id = models.CharField(gettext_lazy("id in the shop"), max_length=ID_LENGTH, blank=True, default="")
    external_number = models.CharField(
        gettext_lazy("number in the shop"), max_length=NUMBER_LENGTH, blank=True, default=""
    )
    headers = models.JSONField(default=dict, editable=False)
    body = models.BinaryField(editable=False)
    statuses = models.JSONField(default=list, editable=False)
    changed_at = models.DateTimeField(gettext_lazy("when"), null=True)
    order = models.ForeignKey(
        Order, models.PROTECT, null=True, blank=True, related_name="shop_news", verbose_name=gettext_lazy("order")
    )
    result = models.CharField(gettext_lazy("result"), max_length=20, choices=Result, default=Result.RECEIVED)
    reason = models.CharField(gettext_lazy("why"), max_length=REASON_LENGTH, blank=True, default="")
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    due_at = models.DateTimeField(null=True, db_default=Now(), editable=False)
    seen_at = models.DateTimeField(null=True, editable=False)
    received_at = models.DateTimeField(gettext_lazy("received"), db_default=Now())

    class Meta:
        app_label = "integrations"
        verbose_name = gettext_lazy("news of a shop's order")
        verbose_name_plural = gettext_lazy("news of shops' orders")
        ordering = ("-pk",)
        permissions = (
            ("read_shopnews", "Can read what a shop sent as it is"),
            ("apply_shopnews", "Can apply a shop's news again"),
        )
        indexes = (
            models.Index(
                fields=["connection", "due_at", "id"], condition=Q(due_at__isnull=False), name="shop_news_due"
            ),
            models.Index(fields=["connection", "external_id"], name="shop_news_of_order"),
            models.Index(fields=["connection", "received_at"], name="shop_news_by_time"),
            models.Index(
                fields=["result"],
                condition=Q(result__in=("unknown_status", "staff", "error", "refused"), seen_at__isnull=True),
                name="shop_news_for_staff",
            ),
        )

    def __str__(self) -> str:
        return f"{self.connection} · {self.external_number or self.external_id or moment(self.received_at)}"
