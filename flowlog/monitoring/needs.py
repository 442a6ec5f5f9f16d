"""What needs a person of the shop now. Each is a line of the first page that leads to the list of what it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from flowlog.monitoring import days, figures, rows
from flowlog.staffpages.stores import within
from flowlog.translations import Words
from integrations.carriers import health as carriers
from integrations.inbound import inbox, way_back
from integrations.instances.connections import needs_phone
from integrations.messages import attention
from integrations.models import CarrierConnection, EvolutionInstance, NotificationLog, ShopConnection
from integrations.shops import health as shops
from integrations.sources import health
from integrations.sources.models import Connection
from orders.models import Order
from orders.statuses import DeliveryStatus, OrderStatus
from outgoing import health as outgoing

Status = NotificationLog.Status


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


def present(request: HttpRequest, instances: Sequence[EvolutionInstance]) -> list[Need]:
    """All that there are for this person, the most urgent first."""
    needs: list[Need | None] = []
    if request.user.has_perm("integrations.view_evolutioninstance"):
        needs.append(_connections(instances))
    if request.user.has_perm("integrations.view_notificationlog"):
        needs += [_failures(request.user), _replies(request.user), _uncertain(request.user)]
    if request.user.has_perm("integrations.view_shopconnection"):
        needs.append(_shops(request.user))
    if request.user.has_perm("integrations.view_shopnews"):
        needs.append(_shop_news(request.user))
    if request.user.has_perm("integrations.view_carrierconnection"):
        needs.append(_carriers(request.user))
    if request.user.has_perm("integrations.view_carriernews"):
        needs.append(_carrier_news(request.user))
    if request.user.has_perm("outgoing.view_endpoint"):
        needs.append(_outgoing(request.user))
    if request.user.has_perm("orders.view_order"):
        needs.append(_pickups(request.user))
    return [need for need in needs if need and need.count]


def _to_see_to(user: Any, status: Status) -> tuple[int, str]:
    """How many messages of this status nobody has seen to, and the list of them."""
    found = within(attention.need_a_person().filter(status=status), user)
    return counted(found), list_of("integrations_notificationlog", attention="1", status__exact=status.value)


def _failures(user: Any) -> Need:
    count, address = _to_see_to(user, Status.FAILED)
    words = ngettext("message did not go out", "messages did not go out", count)
    return Need(words, count, address, "sms_failed")


def _replies(user: Any) -> Need:
    count = counted(within(inbox.open_replies(), user))
    words = ngettext("customer's answer waits for you", "customers' answers wait for you", count)
    return Need(words, count, list_of("integrations_customerreply"), "mark_chat_unread")


def _uncertain(user: Any) -> Need:
    # These may have arrived: who takes them for unsent tells the customer twice.
    count, address = _to_see_to(user, Status.UNKNOWN)
    words = ngettext("message that may have gone out", "messages that may have gone out", count)
    return Need(words, count, address, "help")


def _connections(instances: Sequence[EvolutionInstance]) -> Need:
    """Those that are held or cut off, and those of which no news comes back."""
    silent = set(way_back.troubled().values_list("pk", flat=True))
    troubled = [each for each in instances if each.held_at or needs_phone(each) or each.pk in silent]
    if len(troubled) == 1:
        words = _("WhatsApp in trouble: %(name)s") % {"name": troubled[0].name}
        address = reverse("admin:integrations_evolutioninstance_change", args=[troubled[0].pk])
    else:
        words = _("WhatsApp numbers in trouble")
        address = list_of("integrations_evolutioninstance", pk__in=",".join(str(each.pk) for each in troubled))
    return Need(words, len(troubled), address, "phonelink_erase", named=len(troubled) == 1)


def _shops(user: Any) -> Need:
    """Shops' systems that are silent or refused, or cannot be asked."""
    words = gettext_lazy("Shop's system in trouble: %(name)s"), gettext_lazy("shops' systems in trouble")
    return _connected(user, ShopConnection, words, "shopping_cart_off")


def _carriers(user: Any) -> Need:
    """Carriers that are silent or refused, or cannot be asked."""
    words = gettext_lazy("Carrier in trouble: %(name)s"), gettext_lazy("carriers in trouble")
    return _connected(user, CarrierConnection, words, "local_shipping")


def _outgoing(user: Any) -> Need:
    """The shop's own systems that take no webhooks."""
    words = gettext_lazy("Outgoing webhook in trouble: %(name)s"), gettext_lazy("outgoing webhooks in trouble")
    return _in_trouble(user, outgoing.troubled(), words, "outbox")


def _connected(user: Any, model: type[Connection], words: tuple[Words, Words], icon: str) -> Need:
    return _in_trouble(user, health.troubled(model), words, icon)


def _in_trouble(user: Any, rows: QuerySet[Any], words: tuple[Words, Words], icon: str) -> Need:
    """Of the words the first name a single one."""
    troubled = list(within(rows, user)[: figures.COUNTED])
    name, is_one = rows.model._meta.label_lower.replace(".", "_"), len(troubled) == 1
    if is_one:
        address = reverse(f"admin:{name}_change", args=[troubled[0].pk])
        return Need(str(words[0]) % {"name": troubled[0]}, 1, address, icon, named=True)
    return Need(str(words[1]), len(troubled), list_of(name), icon)


def _shop_news(user: Any) -> Need:
    """Orders of shops that nobody but a person can take in or bring on, as one with a status without a meaning."""
    count = counted(within(shops.need_a_person(), user))
    words = ngettext("order of a shop to be looked at", "orders of shops to be looked at", count)
    return Need(words, count, list_of("integrations_shopnews", needs="1"), "move_to_inbox")


def _carrier_news(user: Any) -> Need:
    """What carriers told that nobody but a person can make something of."""
    count = counted(within(carriers.need_a_person(), user))
    words = ngettext("parcel to be looked at", "parcels to be looked at", count)
    return Need(words, count, list_of("integrations_carriernews", needs="1"), "package_2")


def _pickups(user: Any) -> Need:
    """Orders that wait at the counter and expire today or tomorrow."""
    end = days.today() + timedelta(days=2)
    waiting = rows.of(Order, user).filter(
        status=OrderStatus.CONFIRMED, delivery_status=DeliveryStatus.READY_FOR_PICKUP, pickup_deadline__lt=end
    )
    count = counted(waiting)
    words = ngettext("order to be picked up until tomorrow", "orders to be picked up until tomorrow", count)
    address = list_of(
        "orders_order", status__exact="confirmed", delivery_status__exact="ready_for_pickup", pickup_deadline__lt=end
    )
    return Need(words, count, address, "hourglass_bottom")


def shown(count: int) -> str:
    """A number of `counted` as it is read."""
    return f"{figures.COUNTED}+" if count > figures.COUNTED else str(count)


def counted(found: QuerySet[Any]) -> int:
    """How many, up to one more than anybody needs to know."""
    return found.order_by()[: figures.COUNTED + 1].count()


def list_of(model: str, **filters: Any) -> str:
    """The address of the admin's list of a model, `app_name`, narrowed down."""
    return reverse(f"admin:{model}_changelist", query=filters)
