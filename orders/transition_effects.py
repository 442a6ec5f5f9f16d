"""What the data of a transition must be like, and what it means to the order beside its statuses."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext

from orders.codes import same_code
from orders.statuses import CORREIOS_METHODS, TRACKED_METHODS, DeliveryStatus
from orders.transition_entry import Data, TransitionNotAllowed

if TYPE_CHECKING:
    from orders.models import Order


def check_tracking(order: Order, data: Data) -> None:
    code = data.get("tracking_code") or order.tracking_code
    if order.delivery_method in TRACKED_METHODS and not code:
        raise TransitionNotAllowed(
            gettext("Order %(code)s goes by %(method)s: give its tracking code.")
            % {"code": order.code, "method": order.get_delivery_method_display()}
        )
    if data.get("tracking_url"):
        try:
            URLValidator(schemes=["https", "http"])(data["tracking_url"])
        except ValidationError:
            raise TransitionNotAllowed(
                gettext("The tracking page must be an address like https://example.com.")
            ) from None


def tracking(order: Order, data: Data) -> tuple[str, str]:
    """The order's code and page as the data has them."""
    code = data.get("tracking_code") or order.tracking_code
    # Capitals of other letters may be more characters than there is room for.
    capitals = order.delivery_method in CORREIOS_METHODS and code.isascii()
    return code.upper() if capitals else code, data.get("tracking_url") or order.tracking_url


def set_tracking(order: Order, data: Data) -> None:
    order.tracking_code, order.tracking_url = tracking(order, data)


def check_correction(order: Order, data: Data) -> None:
    check_tracking(order, data)
    now = (order.tracking_code, order.tracking_url)
    if tracking(order, data) == now:
        raise TransitionNotAllowed(
            gettext("Order %(code)s has this tracking already: there is nothing to correct.") % {"code": order.code}
        )


def deadline(data: Data) -> datetime | None:
    when = parse_datetime(data.get("pickup_deadline", ""))
    return when if when and when.tzinfo else None


def check_deadline(order: Order, data: Data) -> None:
    when = deadline(data)
    if when is None or when <= timezone.now():
        raise TransitionNotAllowed(gettext("Order %(code)s: the new deadline must lie ahead.") % {"code": order.code})
    if when == order.pickup_deadline:
        raise TransitionNotAllowed(gettext("Order %(code)s has this deadline already.") % {"code": order.code})


def move_deadline(order: Order, data: Data) -> None:
    order.pickup_deadline = deadline(data)


def check_address(order: Order, data: Data) -> None:
    if data.get("delivery_address", "") in {"", order.delivery_address}:
        raise TransitionNotAllowed(gettext("Order %(code)s: give the new delivery address.") % {"code": order.code})


def change_address(order: Order, data: Data) -> None:
    order.delivery_address = data["delivery_address"]


def check_pickup_code(order: Order, data: Data) -> None:
    given = data.get("pickup_code")
    if given and not same_code(given, order.pickup_code):
        raise TransitionNotAllowed(
            gettext("The code that the customer showed is not the one of order %(code)s.") % {"code": order.code}
        )


def set_pickup_deadline(order: Order, _data: Data) -> None:
    """When the counter closes on the last day, by the clock where the store is."""
    store = order.store
    last_day = timezone.localdate(timezone=store.zone) + timedelta(days=store.pickup_days)
    order.pickup_deadline = datetime.combine(last_day, store.pickup_until, store.zone)


def renew_pickup_deadline(order: Order, data: Data) -> None:
    """What waits at the counter again has time left."""
    if order.pickup_deadline is None or order.pickup_deadline <= timezone.now():
        set_pickup_deadline(order, data)


def reopen(order: Order, data: Data) -> None:
    if order.delivery_status == DeliveryStatus.READY_FOR_PICKUP:
        renew_pickup_deadline(order, data)


def count_delivery_attempt(order: Order, _data: Data) -> None:
    order.delivery_attempts += 1
