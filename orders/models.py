"""Stores, customers, orders and the orders' timeline.

The constraints make rows impossible that no sequence of transitions reaches; statuses change only through
`orders.services`.
"""

from __future__ import annotations

import math
from datetime import datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Now, Upper
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from flowlog.staffpages.once import UsedForm  # noqa: F401 - Django looks for models here
from flowlog.staffpages.stores import StorePath
from orders import codes, wording
from orders.accounts import StoredField, account_key_in_sql
from orders.amounts import in_cents
from orders.contacts import CNPJ_LENGTH, format_phone, validate_document, validate_phone
from orders.desk_models import BulkJob, OrderNote  # noqa: F401 - likewise
from orders.export_models import DataExport  # noqa: F401 - likewise
from orders.import_models import DataImport  # noqa: F401 - likewise
from orders.members import Member  # noqa: F401 - likewise
from orders.parcels import SEVERAL, Parcel, parcels_of
from orders.statuses import (
    HANDED_OVER,
    PICKUP_STATUSES,
    SHIPPING_STATUSES,
    TRACKED_METHODS,
    DeliveryMethod,
    DeliveryStatus,
    OrderStatus,
    PaymentStatus,
)
from orders.throttle import RequestCounter  # noqa: F401 - likewise
from orders.words import customer_words, item_words, order_words, origin_words

# What most orders of a shop have come to.
_USUAL = (
    ("status", ["completed"], "order_few_by_status"),
    ("payment_status", ["paid"], "order_few_by_payment"),
    ("delivery_status", ["delivered", "picked_up"], "order_few_by_delivery"),
)


def _one_of(field: str, choices: type[models.TextChoices]) -> models.CheckConstraint:
    return models.CheckConstraint(condition=Q(**{f"{field}__in": choices.values}), name=f"order_{field}_known")


class Store(models.Model):
    """A shop. Most installations have exactly one, the default."""

    store_path: StorePath = "pk"

    class OnUnknownOutcome(models.TextChoices):
        RESEND = "resend", _("send it again")
        ASK_STAFF = "ask_staff", _("ask the staff")

    name = models.CharField(_("name"), max_length=100)
    phone = models.CharField(_("contact phone"), max_length=16, blank=True, validators=[validate_phone])
    pickup_address = models.CharField(_("pickup address"), max_length=300, blank=True)
    signature = models.TextField(
        _("signature"),
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text=_("How your messages end. Empty: the store's name in italics."),
    )
    opening_hours = models.CharField(
        _("opening hours"),
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text=_("As customers read it, such as: Monday to Friday, 9 to 18 h; Saturday until 13 h."),
    )
    pickup_days = models.PositiveSmallIntegerField(
        _("days to pick up"),
        default=7,
        validators=[MinValueValidator(1)],
        help_text=_("How many days an order waits at the counter before it expires."),
    )
    pickup_until = models.TimeField(
        _("time to pick up until"), default=time(18), help_text=_("When the counter closes on the last day.")
    )
    on_unknown_outcome = models.CharField(
        _("message that may not have arrived"),
        max_length=10,
        choices=OnUnknownOutcome,
        default=OnUnknownOutcome.RESEND,
        db_default=OnUnknownOutcome.RESEND,
        help_text=_(
            "What to do when the gateway cannot say whether a message went out: send it again, at the risk of sending "
            "it twice, or leave it to the staff."
        ),
    )
    tells_customers = models.BooleanField(
        _("tells customers on WhatsApp"),
        default=True,
        db_default=True,
        help_text=_(
            "Without it no customer of this store is told anything of their orders. Only who answers SAIR or VOLTAR "
            "still gets the confirmation."
        ),
    )
    silent_transitions = models.JSONField(
        _("news that customers are not told"),
        default=list,
        db_default=Value([], models.JSONField()),
        blank=True,
    )
    quiet_from = models.TimeField(_("quiet from"), null=True, blank=True)
    quiet_until = models.TimeField(
        _("quiet until"),
        null=True,
        blank=True,
        help_text=_(
            "Between the two customers are not written to: what may wait goes when the quiet hours end. That the order "
            "is out for delivery, or that nobody was at home, is told at once. Leave both empty to write at any hour."
        ),
    )
    time_zone = models.CharField(_("time zone"), max_length=40, blank=True, default="", db_default="")
    is_default = models.BooleanField(_("default store"), default=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("store")
        verbose_name_plural = _("stores")
        ordering = ("name",)
        permissions = (("work_in_all_stores", "Can work in all stores"),)
        constraints = (
            models.UniqueConstraint(fields=["is_default"], condition=Q(is_default=True), name="store_one_default"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of its clocks."""
        return ZoneInfo(self.time_zone or settings.TIME_ZONE)

    @classmethod
    def get_default(cls) -> Store:
        """The default store; made on first use, so that there is always exactly one."""
        store, _created = cls.objects.get_or_create(is_default=True, defaults={"name": "Minha loja"})
        return store


class StoreStaff(models.Model):
    """That a member of the staff works for a store, and sees what is its own: see `flowlog.staffpages.stores`."""

    store_path: StorePath = "store"

    # By the database: the release before, which does not know this table, may delete either.
    store = models.ForeignKey(Store, models.DB_CASCADE, related_name="memberships", verbose_name=_("store"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.DB_CASCADE, related_name="memberships", verbose_name=_("person")
    )

    class Meta:
        verbose_name = _("member of a store's staff")
        verbose_name_plural = _("staff of the stores")
        constraints = (models.UniqueConstraint(fields=["user", "store"], name="staff_once_per_store"),)

    def __str__(self) -> str:
        return f"{self.user} · {self.store}"


class Customer(models.Model):
    """A person who buys at a store. The phone may be missing; then nothing can be sent.

    `account` is the phone's `orders.accounts.account_key`, kept by PostgreSQL, whoever writes the row. A store has one
    customer for an account, or two from before accounts were known: then the refusal of one counts for both.
    """

    store_path: StorePath = "store"

    store = models.ForeignKey(Store, models.PROTECT, verbose_name=_("store"), related_name="customers")
    name = models.CharField(_("name"), max_length=120)
    phone = models.CharField(_("phone (WhatsApp)"), max_length=16, blank=True, validators=[validate_phone])
    account = StoredField(
        expression=account_key_in_sql("phone"),
        output_field=models.CharField(max_length=16, blank=True),
        db_persist=True,
        editable=False,
    )
    # Of a person the CPF, of a company the CNPJ.
    cpf = models.CharField(_("CPF or CNPJ"), max_length=CNPJ_LENGTH, blank=True, validators=[validate_document])
    opted_out_at = models.DateTimeField(_("opted out of WhatsApp at"), null=True, blank=True)
    opted_out_how = models.CharField(_("how they opted out"), max_length=200, blank=True)
    erased_at = models.DateTimeField(_("personal data erased"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering = ("name", "pk")
        permissions = (
            ("erase_customer", "Can erase a customer's personal data"),
            ("import_customer", "Can import customers"),
            ("export_customer", "Can export customers"),
            ("disclose_customer", "Can hand out what is kept about a customer"),
        )
        indexes = (
            models.Index(fields=["store", "account"], name="customer_by_account"),
            models.Index(fields=["name", "id"], name="customer_by_name"),
            GinIndex(customer_words(), fastupdate=False, name="customer_words"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["store", "phone"],
                condition=~Q(phone=""),
                name="customer_phone_once_per_store",
                violation_error_message=_("This store already has a customer with this phone."),
            ),
            models.CheckConstraint(
                condition=Q(phone="") | Q(phone__regex=r"^\+[1-9][0-9]{6,14}$"), name="customer_phone_e164"
            ),
            models.CheckConstraint(
                condition=Q(opted_out_at__isnull=True, opted_out_how="")
                | Q(opted_out_at__isnull=False) & ~Q(opted_out_how=""),
                name="customer_opt_out_says_how",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} · {format_phone(self.phone)}" if self.phone else self.name

    def others_of_account(self) -> models.QuerySet[Customer]:
        """The store's other customers of the same WhatsApp account, from before accounts were known."""
        same = Customer.objects.filter(store=self.store_id, account=self.account).exclude(pk=self.pk)
        return same if self.phone else same.none()


class ConsentChange(models.Model):
    """That a customer, or the staff for them, said whether they want messages. Written by `orders.consent` alone, once.

    `at` is our clock, `written_at` WhatsApp's, where the customer wrote it and it is known when.
    """

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="consent_changes", verbose_name=_("customer"))
    opted_out = models.BooleanField(_("wants no messages"))
    how = models.CharField(_("how"), max_length=200)
    at: models.DateTimeField[Any, datetime] = models.DateTimeField(_("when"), db_default=Now())
    written_at = models.DateTimeField(_("written"), null=True)

    class Meta:
        verbose_name = _("change of consent")
        verbose_name_plural = _("changes of consent")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.customer_id} {'out' if self.opted_out else 'in'} @ {self.when:%Y-%m-%d %H:%M:%S}"

    @property
    def when(self) -> datetime:
        """When it was said, as people want to know it."""
        return self.written_at or self.at


class Erasure(models.Model):
    """The proof that a customer's personal data were erased: when, by whom, how much.

    Written by `orders.erasure` alone. `account_hash` is a keyed hash of the WhatsApp account of somebody who wanted no
    messages.
    """

    store = models.ForeignKey(Store, models.PROTECT, related_name="+")
    customer = models.ForeignKey(Customer, models.SET_NULL, null=True, related_name="erasures")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    actor_name = models.CharField(_("who"), max_length=150, blank=True)
    counts = models.JSONField(_("what"))
    account_hash = models.CharField(max_length=64, blank=True)
    at: models.DateTimeField[Any, datetime] = models.DateTimeField(_("when"), db_default=Now())

    class Meta:
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["store", "account_hash"], condition=~Q(account_hash=""), name="erasure_of_refusing"),
        )

    def __str__(self) -> str:
        return f"{self.customer_id} @ {self.at:%Y-%m-%d %H:%M:%S}"


class Order(models.Model):
    """One sale and its way to the customer. Status fields are written by `orders.services` alone.

    What was made elsewhere has its `source`; there it is `external_id`, and people call it `external_number`. They are
    nobody's personal data: an erasure leaves them.
    """

    store_path: StorePath = "store"

    code = models.CharField(_("code"), max_length=12, unique=True, default=codes.order_code, editable=False)
    store = models.ForeignKey(Store, models.PROTECT, verbose_name=_("store"), related_name="orders")
    customer = models.ForeignKey(Customer, models.PROTECT, verbose_name=_("customer"), related_name="orders")
    ordered_as = models.CharField(
        _("in the name of"),
        max_length=120,
        blank=True,
        db_default="",
        help_text=_("Who the messages of this order greet, if it is not the customer whose phone it is."),
    )
    status = models.CharField(
        _("status"), max_length=20, choices=OrderStatus, default=OrderStatus.PENDING, editable=False
    )
    payment_status = models.CharField(
        _("payment"), max_length=20, choices=PaymentStatus, default=PaymentStatus.PENDING, editable=False
    )
    delivery_status = models.CharField(
        _("delivery"), max_length=20, choices=DeliveryStatus, default=DeliveryStatus.PENDING, editable=False
    )
    delivery_method = models.CharField(_("delivery method"), max_length=20, choices=DeliveryMethod)
    delivery_address = models.CharField(_("delivery address"), max_length=300, blank=True)
    delivery_attempts = models.PositiveSmallIntegerField(
        pgettext_lazy("order", "delivery attempts"), default=0, editable=False
    )
    tracking_code = models.CharField(_("tracking code"), max_length=60, blank=True)
    tracking_url = models.URLField(_("carrier's tracking page"), max_length=300, blank=True)
    tracking_token = models.CharField(max_length=40, unique=True, default=codes.tracking_token, editable=False)
    pickup_code = models.CharField(_("pickup code"), max_length=12, default=codes.pickup_code, editable=False)
    pickup_deadline = models.DateTimeField(_("pick up until"), null=True, blank=True)
    freight = models.DecimalField(
        _("freight"),
        max_digits=10,
        decimal_places=2,
        default=Decimal(0),
        db_default=Decimal(0),
        validators=[MinValueValidator(Decimal(0))],
    )
    discount = models.DecimalField(
        _("discount"),
        max_digits=10,
        decimal_places=2,
        default=Decimal(0),
        db_default=Decimal(0),
        validators=[MinValueValidator(Decimal(0))],
    )
    total = models.DecimalField(_("total"), max_digits=12, decimal_places=2, default=Decimal(0), editable=False)
    source = models.CharField(_("source"), max_length=30, blank=True, default="", db_default="", editable=False)
    external_id = models.CharField(max_length=100, blank=True, default="", db_default="", editable=False)
    external_number = models.CharField(max_length=60, blank=True, default="", db_default="", editable=False)
    notes = models.TextField(_("internal notes"), blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, db_default=Now(), editable=False)
    # By a trigger of the database, whoever changes the row.
    updated_at: models.DateTimeField[Any, datetime] = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ("-created_at", "-pk")
        permissions = (
            ("import_order", "Can import orders"),
            ("export_order", "Can export orders"),
            ("export_messages", "Can export messages"),
        )
        indexes = (
            models.Index(fields=["-created_at", "-id"], name="order_newest_first"),
            models.Index(fields=["store", "-created_at", "-id"], name="order_of_store_newest"),
            models.Index(fields=["store", "updated_at", "id"], name="order_of_store_changed"),
            models.Index(
                fields=["pickup_deadline"],
                condition=Q(status=OrderStatus.CONFIRMED, delivery_status=DeliveryStatus.READY_FOR_PICKUP),
                name="order_pickup_due",
            ),
            models.Index(Upper("tracking_code"), condition=~Q(tracking_code=""), name="order_tracking_code"),
            models.Index(fields=["id"], condition=SEVERAL, name="order_several_parcels"),
            models.Index(
                fields=["status", "delivery_status", "-created_at"],
                condition=Q(status__in=("pending", "confirmed")),
                name="order_unfinished",
            ),
            # Filters of the list by what few orders are. Of what most are the newest are found at once.
            *(
                models.Index(fields=[field, "-created_at", "-id"], condition=~Q(**{f"{field}__in": most}), name=name)
                for field, most, name in _USUAL
            ),
            GinIndex(order_words(), fastupdate=False, name="order_words"),
            GinIndex(origin_words(), condition=~Q(source=""), fastupdate=False, name="order_origin_words"),
        )
        constraints = (
            _one_of("status", OrderStatus),
            _one_of("payment_status", PaymentStatus),
            _one_of("delivery_status", DeliveryStatus),
            _one_of("delivery_method", DeliveryMethod),
            models.UniqueConstraint(
                fields=["store", "source", "external_id"], condition=~Q(external_id=""), name="order_once_per_origin"
            ),
            models.CheckConstraint(condition=Q(total__gte=0), name="order_total_not_negative"),
            models.CheckConstraint(condition=Q(freight__gte=0, discount__gte=0), name="order_charges_not_negative"),
            models.CheckConstraint(
                condition=Q(delivery_method=DeliveryMethod.PICKUP, delivery_status__in=sorted(PICKUP_STATUSES))
                | ~Q(delivery_method=DeliveryMethod.PICKUP) & Q(delivery_status__in=sorted(SHIPPING_STATUSES)),
                name="order_delivery_status_fits_method",
            ),
            models.CheckConstraint(
                condition=~Q(status=OrderStatus.PENDING) | Q(delivery_status=DeliveryStatus.PENDING),
                name="order_pending_is_not_on_its_way",
            ),
            models.CheckConstraint(
                condition=Q(status=OrderStatus.RETURNED)
                | Q(status=OrderStatus.COMPLETED, delivery_status__in=sorted(HANDED_OVER))
                | ~Q(status=OrderStatus.COMPLETED) & ~Q(delivery_status__in=sorted(HANDED_OVER)),
                name="order_completed_is_handed_over",
            ),
            models.CheckConstraint(
                condition=~Q(status=OrderStatus.RETURNED)
                | Q(delivery_status__in=sorted([*HANDED_OVER, DeliveryStatus.FAILED_ATTEMPT])),
                name="order_returned_had_left",
            ),
            models.CheckConstraint(
                condition=~Q(delivery_method__in=sorted(TRACKED_METHODS))
                | Q(delivery_status=DeliveryStatus.PENDING)
                | ~Q(tracking_code=""),
                name="order_shipped_is_tracked",
                violation_error_message=_("A shipped order needs its tracking code."),
            ),
            models.CheckConstraint(
                condition=~Q(delivery_status=DeliveryStatus.READY_FOR_PICKUP) | Q(pickup_deadline__isnull=False),
                name="order_ready_has_deadline",
                violation_error_message=_("An order that waits at the counter needs a deadline."),
            ),
        )

    def __str__(self) -> str:
        return self.code

    @property
    def addressee(self) -> str:
        """The name of whoever the order's messages greet; empty once the customer's data are erased."""
        return "" if self.customer.erased_at else self.ordered_as or self.customer.name

    @property
    def parcels(self) -> list[Parcel]:
        """What the customer follows at the carrier."""
        return parcels_of(self.delivery_method, self.tracking_code, self.tracking_url)

    @property
    def tracking_link(self) -> str:
        """Where the customer follows the first parcel at its carrier; empty when there is no such page."""
        return next((parcel.link for parcel in self.parcels), "")

    def get_admin_url(self) -> str:
        return reverse("admin:orders_order_change", args=[self.pk])


class OrderItem(models.Model):
    """One line of an order: so many pieces, or so much by weight.

    `quantity` is both. The release before knows whole numbers alone, in the column of that name: there it finds the
    next one, and `exact_quantity` holds what it cannot.
    """

    order = models.ForeignKey(Order, models.CASCADE, related_name="items")
    description = models.CharField(_("description"), max_length=200)
    whole_quantity = models.PositiveIntegerField(
        _("quantity"), default=1, validators=[MinValueValidator(1)], db_column="quantity", editable=False
    )
    exact_quantity = models.DecimalField(_("quantity"), max_digits=9, decimal_places=3, null=True, editable=False)
    unit_price = models.DecimalField(
        _("unit price"), max_digits=10, decimal_places=2, validators=[MinValueValidator(Decimal(0))]
    )

    class Meta:
        verbose_name = _("item")
        verbose_name_plural = _("items")
        ordering = ("pk",)
        indexes = (GinIndex(item_words(), fastupdate=False, name="item_words"),)
        constraints = (
            models.CheckConstraint(condition=Q(whole_quantity__gte=1), name="item_quantity_positive"),
            models.CheckConstraint(condition=Q(exact_quantity__gt=0), name="item_exact_quantity_positive"),
            models.CheckConstraint(condition=Q(unit_price__gte=0), name="item_price_not_negative"),
        )

    def __str__(self) -> str:
        return f"{wording.quantity(self.quantity)}× {self.description}"

    @property
    def quantity(self) -> Decimal:
        whole, exact = Decimal(self.whole_quantity), self.exact_quantity
        # If the release before has changed the column that it knows, that is what counts.
        return whole if exact is None or math.ceil(exact) != whole else exact

    @quantity.setter
    def quantity(self, quantity: Decimal) -> None:
        self.whole_quantity = math.ceil(quantity)
        self.exact_quantity = None if quantity == self.whole_quantity else quantity

    @property
    def subtotal(self) -> Decimal:
        return in_cents(self.quantity * self.unit_price)


class OrderEvent(models.Model):
    """One transition of an order: the timeline. Never deleted alone, never changed but for a note that is erased.

    The three statuses are those after the transition; the `from_…` ones those before (empty for `create`).
    """

    order = models.ForeignKey(Order, models.CASCADE, related_name="events")
    transition = models.CharField(_("what happened"), max_length=30)
    from_status = models.CharField(max_length=20, blank=True)
    status = models.CharField(max_length=20)
    from_payment_status = models.CharField(max_length=20, blank=True)
    payment_status = models.CharField(max_length=20)
    from_delivery_status = models.CharField(max_length=20, blank=True)
    delivery_status = models.CharField(max_length=20)
    note = models.CharField(_("note"), max_length=300, blank=True)
    # What else of the order it changed, as that was before; for `undo`, which entries were taken back. Emptied by an
    # erasure; the release before knew none.
    replaced = models.JSONField(null=True, editable=False, encoder=DjangoJSONEncoder)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("who")
    )
    created_at: models.DateTimeField[Any, datetime] = models.DateTimeField(
        _("when"), default=timezone.now, db_default=Now()
    )

    class Meta:
        verbose_name = _("timeline entry")
        verbose_name_plural = _("timeline")
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=["order"], condition=Q(transition="create"), name="event_one_create"),
            models.CheckConstraint(
                condition=Q(transition="create", from_status="")
                | ~Q(transition="create")
                & ~Q(from_status="")
                & ~Q(
                    status=F("from_status"),
                    payment_status=F("from_payment_status"),
                    delivery_status=F("from_delivery_status"),
                )
                | Q(transition="correct_tracking") & ~Q(from_status="")
                | Q(transition__in=("move_deadline", "change_address", "undo")) & ~Q(from_status=""),
                name="event_changes_or_corrects",
            ),
        )

    def __str__(self) -> str:
        return f"{self.order_id} {self.transition}"
