"""What needs a person of the shop now. Each is a line of the first page that leads to the list of what it counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from flowlog.monitoring import days, figures, rows
from flowlog.staffpages.asking import Numbers
from flowlog.staffpages.stores import within
from flowlog.translations import Words
from integrations.carriers import health as carriers
from integrations.inbound import inbox
from integrations.instances.connections import needs_phone
from integrations.messages import attention
from integrations.models import CarrierConnection, NotificationLog, ShopConnection
from integrations.shops import health as shops
from integrations.sources import health
from orders.models import Order
from orders.statuses import DeliveryStatus, OrderStatus
from outgoing import health as outgoing

Status = NotificationLog.Status

# What is told once it has been counted.
type Draft = Callable[[], Need]


@dataclass(frozen=True, slots=True)
class Need:
    """So many of these wait for somebody; `address` lists them. `shown` is the number as it is read.

    One alone may be `named`, and is not counted then.
    """

    words: str
    count: int
    address: str
    icon: str
    named: bool = False

    @property
    def shown(self) -> str:
        if self.named:
            return ""
        return shown(self.count)


def drafts(request: HttpRequest, instances: Sequence[Any], numbers: Numbers) -> list[Draft]:
    """All that there may be for this person, the most urgent first.

    Of the instances it has to be known whether they are `troubled`: see `way_back`.
    """
    user = request.user
    kinds: dict[str, list[Callable[[Any, Numbers], Draft]]] = {
        "integrations.view_evolutioninstance": [lambda _user, _numbers: lambda: _connections(instances)],
        "integrations.view_notificationlog": [_failures, _replies, _uncertain],
        "integrations.view_shopconnection": [_shops],
        "integrations.view_shopnews": [_shop_news],
        "integrations.view_carrierconnection": [_carriers],
        "integrations.view_carriernews": [_carrier_news],
        "outgoing.view_endpoint": [_outgoing],
        "orders.view_order": [_pickups],
    }
    return [kind(user, numbers) for needed, found in kinds.items() if user.has_perm(needed) for kind in found]


def present(drafts: Sequence[Draft]) -> list[Need]:
    """Those that there are."""
    return [need for draft in drafts if (need := draft()).count]


def _to_see_to(user: Any, status: Status, numbers: Numbers) -> tuple[Callable[[], int], str]:
    """How many messages of this status nobody has seen to, and the list of them."""
    found = within(attention.need_a_person().filter(status=status), user)
    address = list_of("integrations_notificationlog", attention="1", status__exact=status.value)
    return numbers.of(found, figures.COUNTED), address


def _failures(user: Any, numbers: Numbers) -> Draft:
    count, address = _to_see_to(user, Status.FAILED, numbers)
    return lambda: Need(
        ngettext("message did not go out", "messages did not go out", count()), count(), address, "sms_failed"
    )


def _replies(user: Any, numbers: Numbers) -> Draft:
    count = numbers.of(within(inbox.open_replies(), user), figures.COUNTED)
    return lambda: Need(
        ngettext("customer's answer waits for you", "customers' answers wait for you", count()),
        count(),
        list_of("integrations_customerreply"),
        "mark_chat_unread",
    )


def _uncertain(user: Any, numbers: Numbers) -> Draft:
    # These may have arrived: who takes them for unsent tells the customer twice.
    count, address = _to_see_to(user, Status.UNKNOWN, numbers)
    return lambda: Need(
        ngettext("message that may have gone out", "messages that may have gone out", count()), count(), address, "help"
    )


def _connections(instances: Sequence[Any]) -> Need:
    """Those that are held or cut off, and those of which no news comes back."""
    troubled = [each for each in instances if each.held_at or needs_phone(each) or each.troubled]
    if len(troubled) == 1:
        words = _("WhatsApp in trouble: %(name)s") % {"name": troubled[0].name}
        address = reverse("admin:integrations_evolutioninstance_change", args=[troubled[0].pk])
    else:
        words = _("WhatsApp numbers in trouble")
        address = list_of("integrations_evolutioninstance", pk__in=",".join(str(each.pk) for each in troubled))
    return Need(words, len(troubled), address, "phonelink_erase", named=len(troubled) == 1)


def _shops(user: Any, numbers: Numbers) -> Draft:
    """Shops' systems that are silent or refused, or cannot be asked."""
    words = gettext_lazy("Shop's system in trouble: %(name)s"), gettext_lazy("shops' systems in trouble")
    return _in_trouble(user, health.troubled(ShopConnection), words, "shopping_cart_off", numbers)


def _carriers(user: Any, numbers: Numbers) -> Draft:
    """Carriers that are silent or refused, or cannot be asked."""
    words = gettext_lazy("Carrier in trouble: %(name)s"), gettext_lazy("carriers in trouble")
    return _in_trouble(user, health.troubled(CarrierConnection), words, "local_shipping", numbers)


def _outgoing(user: Any, numbers: Numbers) -> Draft:
    """The shop's own systems that take no webhooks."""
    words = gettext_lazy("Outgoing webhook in trouble: %(name)s"), gettext_lazy("outgoing webhooks in trouble")
    return _in_trouble(user, outgoing.troubled(), words, "outbox", numbers)


def _in_trouble(user: Any, rows: QuerySet[Any], words: tuple[Words, Words], icon: str, numbers: Numbers) -> Draft:
    """Of the words the first name a single one, which one more query reads."""
    troubled, name = within(rows, user), rows.model._meta.label_lower.replace(".", "_")
    count = numbers.of(troubled, figures.COUNTED)

    def need() -> Need:
        if count() == 1 and (one := troubled.first()):
            address = reverse(f"admin:{name}_change", args=[one.pk])
            return Need(str(words[0]) % {"name": one}, 1, address, icon, named=True)
        return Need(str(words[1]), count(), list_of(name), icon)

    return need


def _shop_news(user: Any, numbers: Numbers) -> Draft:
    """Orders of shops that nobody but a person can take in or bring on, as one with a status without a meaning."""
    count = numbers.of(within(shops.need_a_person(), user), figures.COUNTED)
    return lambda: Need(
        ngettext("order of a shop to be looked at", "orders of shops to be looked at", count()),
        count(),
        list_of("integrations_shopnews", needs="1"),
        "move_to_inbox",
    )


def _carrier_news(user: Any, numbers: Numbers) -> Draft:
    """What carriers told that nobody but a person can make something of."""
    count = numbers.of(within(carriers.need_a_person(), user), figures.COUNTED)
    return lambda: Need(
        ngettext("parcel to be looked at", "parcels to be looked at", count()),
        count(),
        list_of("integrations_carriernews", needs="1"),
        "package_2",
    )


def _pickups(user: Any, numbers: Numbers) -> Draft:
    """Orders that wait at the counter and expire today or tomorrow."""
    end = days.today() + timedelta(days=2)
    waiting = rows.of(Order, user).filter(
        status=OrderStatus.CONFIRMED, delivery_status=DeliveryStatus.READY_FOR_PICKUP, pickup_deadline__lt=end
    )
    count = numbers.of(waiting, figures.COUNTED)
    address = list_of(
        "orders_order", status__exact="confirmed", delivery_status__exact="ready_for_pickup", pickup_deadline__lt=end
    )
    return lambda: Need(
        ngettext("order to be picked up until tomorrow", "orders to be picked up until tomorrow", count()),
        count(),
        address,
        "hourglass_bottom",
    )


def shown(count: int) -> str:
    """A number counted up to `figures.COUNTED` + 1 as it is read."""
    return f"{figures.COUNTED}+" if count > figures.COUNTED else str(count)


def list_of(model: str, **filters: Any) -> str:
    """The address of the admin's list of a model, `app_name`, narrowed down."""
    return reverse(f"admin:{model}_changelist", query=filters)
