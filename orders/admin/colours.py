"""How an order stands, as coloured labels."""

from __future__ import annotations

from django.utils.safestring import SafeString

from flowlog.staffpages.base import label_html
from orders.models import Order
from orders.statuses import OFF, DeliveryStatus, OrderStatus, PaymentStatus

STATUS_COLOURS: dict[str, str] = {
    OrderStatus.PENDING: "warning",
    OrderStatus.CONFIRMED: "info",
    OrderStatus.COMPLETED: "success",
    OrderStatus.CANCELLED: "",
    OrderStatus.RETURNED: "danger",
}
PAYMENT_COLOURS: dict[str, str] = {
    PaymentStatus.PENDING: "warning",
    PaymentStatus.PAID: "success",
    PaymentStatus.REFUNDED: "",
}
DELIVERY_COLOURS: dict[str, str] = {
    DeliveryStatus.PENDING: "",
    DeliveryStatus.SHIPPED: "info",
    DeliveryStatus.OUT_FOR_DELIVERY: "info",
    DeliveryStatus.DELIVERED: "success",
    DeliveryStatus.FAILED_ATTEMPT: "danger",
    DeliveryStatus.READY_FOR_PICKUP: "info",
    DeliveryStatus.PICKED_UP: "success",
    DeliveryStatus.EXPIRED: "danger",
}


def payment_html(order: Order) -> SafeString | str:
    """Empty where it never came and nobody waits for it any more; `delivery_html` likewise."""
    if order.status in OFF and order.payment_status == PaymentStatus.PENDING:
        return ""
    return label_html(PAYMENT_COLOURS[order.payment_status], order.get_payment_status_display())


def delivery_html(order: Order) -> SafeString | str:
    if order.status in OFF and order.delivery_status == DeliveryStatus.PENDING:
        return ""
    return label_html(DELIVERY_COLOURS[order.delivery_status], order.get_delivery_status_display())
