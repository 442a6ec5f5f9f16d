"""The three statuses of an order and its delivery methods, as shops think of them."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class OrderStatus(TextChoices):
    PENDING = "pending", _("pending")
    CONFIRMED = "confirmed", _("confirmed")
    COMPLETED = "completed", _("completed")
    CANCELLED = "cancelled", _("cancelled")
    RETURNED = "returned", _("returned")


class PaymentStatus(TextChoices):
    PENDING = "pending", _("awaiting payment")
    PAID = "paid", _("paid")
    REFUNDED = "refunded", _("refunded")


class DeliveryStatus(TextChoices):
    PENDING = "pending", _("in preparation")
    SHIPPED = "shipped", _("shipped")
    OUT_FOR_DELIVERY = "out_for_delivery", _("out for delivery")
    DELIVERED = "delivered", _("delivered")
    FAILED_ATTEMPT = "failed_attempt", _("failed attempt")
    READY_FOR_PICKUP = "ready_for_pickup", _("ready for pickup")
    PICKED_UP = "picked_up", _("picked up")
    EXPIRED = "expired", _("pickup expired")


class DeliveryMethod(TextChoices):
    PICKUP = "pickup", _("Pickup at the store")
    COURIER = "courier", _("Courier (motorbike)")
    CORREIOS_PAC = "correios_pac", _("Correios PAC")
    CORREIOS_SEDEX = "correios_sedex", _("Correios SEDEX")
    CARRIER = "carrier", _("Carrier")


SHIPPING_METHODS = frozenset(DeliveryMethod) - {DeliveryMethod.PICKUP}
CORREIOS_METHODS = frozenset({DeliveryMethod.CORREIOS_PAC, DeliveryMethod.CORREIOS_SEDEX})
TRACKED_METHODS = CORREIOS_METHODS | {DeliveryMethod.CARRIER}

PICKUP_STATUSES = frozenset(
    {
        DeliveryStatus.PENDING,
        DeliveryStatus.READY_FOR_PICKUP,
        DeliveryStatus.PICKED_UP,
        DeliveryStatus.EXPIRED,
    }
)
SHIPPING_STATUSES = frozenset(DeliveryStatus) - PICKUP_STATUSES | {DeliveryStatus.PENDING}
# Nobody waits for anything of such an order any more.
OFF = frozenset({OrderStatus.CANCELLED, OrderStatus.RETURNED})
ON_THE_WAY = frozenset({DeliveryStatus.SHIPPED, DeliveryStatus.OUT_FOR_DELIVERY, DeliveryStatus.FAILED_ATTEMPT})
HANDED_OVER = frozenset({DeliveryStatus.DELIVERED, DeliveryStatus.PICKED_UP})
