"""Who may use the API, what they did with it, and what they were answered."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from flowlog.staffpages.stores import StorePath
from orders.models import Order, OrderEvent, Store

LIVE, TEST = "flw_live_", "flw_test_"
_SHOWN = 4


def hash_of(token: str) -> str:
    """What is kept of a token: it has 256 random bits, so that nobody finds it by its hash."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


class ApiToken(models.Model):
    """One program's way in to one store. The token itself is shown once and kept nowhere.

    One for tests sees the orders alone that such ones made, whose customers it stores without their phones.
    """

    store_path: StorePath = "store"

    class Scope(models.TextChoices):
        ORDERS_READ = "orders:read", _("read orders")
        ORDERS_WRITE = "orders:write", _("make orders and bring them where the shop says they are")
        TRANSITIONS = "transitions", _("take orders through their steps, and cancel them")
        MESSAGES_READ = "messages:read", _("read the messages of orders")

    store = models.ForeignKey(Store, models.PROTECT, related_name="+", verbose_name=_("store"))
    name = models.CharField(_("name"), max_length=60, help_text=_("Which program uses it: the timeline says so."))
    is_test = models.BooleanField(
        _("for tests"),
        default=False,
        help_text=_("Everything is checked, but customers' phones are not kept: none of them is ever written to."),
    )
    scopes = models.JSONField(_("may"), default=list)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(_("begins with"), max_length=20, editable=False)
    expires_at = models.DateTimeField(_("valid until"), null=True, blank=True, help_text=_("Empty: until revoked."))
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+", verbose_name=_("who")
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ("name", "pk")
        default_permissions = ("view", "add", "change")

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    def renew(self) -> str:
        """Give it a new token, which is returned and kept nowhere; the row is not saved by it."""
        token = (TEST if self.is_test else LIVE) + secrets.token_urlsafe(32)
        self.token_hash, self.hint = hash_of(token), token[: len(LIVE) + _SHOWN]
        return token

    def is_valid(self, now: datetime | None = None) -> bool:
        """Whether it still opens anything."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > (now or timezone.now()))


class RateBucket(models.Model):
    """How many requests a token may still make: it fills up with time. Written by `api.rate` alone."""

    token = models.OneToOneField(ApiToken, models.CASCADE, primary_key=True, related_name="+")
    level = models.FloatField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.token_id}: {self.level:.1f}"


class StoredAnswer(models.Model):
    """What a request with an `Idempotency-Key` was answered. `fingerprint` is of its method, address and body.

    Once the order's customer is erased both are empty: the key stays used.
    """

    token = models.ForeignKey(ApiToken, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.TextField()
    order = models.ForeignKey(Order, models.CASCADE, null=True, related_name="+")
    created_at: models.DateTimeField[Any, datetime] = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (models.UniqueConstraint(fields=["token", "key"], name="api_answer_once"),)
        indexes = (models.Index(fields=["created_at"], name="api_answer_oldest_first"),)

    def __str__(self) -> str:
        return f"{self.token_id} {self.status} @ {self.created_at:%Y-%m-%d %H:%M:%S}"


class ShopClock(models.Model):
    """The `changed_at` of the newest state that the shop has put of an order: an older one comes too late."""

    order = models.OneToOneField(Order, models.CASCADE, primary_key=True, related_name="+")
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.order_id} @ {self.changed_at:%Y-%m-%d %H:%M:%S}"


class OrderChange(models.Model):
    """That a step in an order's timeline was taken by a program, and with which token."""

    event = models.OneToOneField(OrderEvent, models.CASCADE, primary_key=True, related_name="api_change")
    token = models.ForeignKey(ApiToken, models.PROTECT, db_index=False, related_name="+")

    def __str__(self) -> str:
        return f"{self.event_id} by {self.token_id}"
