"""What a shop that is new here does first, one thing after the other, until all of it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from flowlog.monitoring import rows
from flowlog.staffpages.asking import Numbers
from integrations.gateways.guides import guide_of
from integrations.models import EvolutionInstance, NotificationLog
from notifications.models import MessageText
from orders.models import Order, Store

# What `Store.get_default` calls a store that nobody has named.
_UNNAMED = "Minha loja"


@dataclass(frozen=True, slots=True)
class Step:
    """`address` is where it is done; empty for who may not do it."""

    words: str
    why: str
    done: bool
    address: str


def draft(request: HttpRequest, instances: Sequence[EvolutionInstance], numbers: Numbers) -> Callable[[], list[Step]]:
    """The first steps, each done or not; nothing once all are. One query beside the counts, whatever there is."""
    user = request.user
    sent = rows.of(NotificationLog, user).filter(status=NotificationLog.Status.SENT)
    told, ordered, written = (numbers.of(each, 0) for each in (sent, rows.of(Order, user), rows.of(MessageText, user)))
    return lambda: _steps(user, instances, told=bool(told()), ordered=bool(ordered()), written=bool(written()))


def _steps(
    user: Any, instances: Sequence[EvolutionInstance], *, told: bool, ordered: bool, written: bool
) -> list[Step]:
    store = rows.of(Store, user).order_by("-is_default", "pk").first()
    found = [
        _store(store),
        _phone(instances, told=told),
        # Who has told customers is content with the words.
        _text(store, done=told or written),
        _order(done=ordered),
        _message(done=told),
    ]
    if all(step.done for step in found):
        return []
    needed = (
        "orders.change_store",
        "integrations.change_evolutioninstance",
        "notifications.change_messagetext",
        "orders.add_order",
        "orders.view_order",
    )
    return [
        step if user.has_perm(permission) else Step(step.words, step.why, step.done, "")
        for step, permission in zip(found, needed, strict=True)
    ]


def _store(store: Store | None) -> Step:
    address = reverse("admin:orders_store_change", args=[store.pk]) if store else reverse("admin:orders_store_add")
    done = store is not None and store.name != _UNNAMED and bool(store.phone or store.pickup_address)
    why = _("Its name stands in every message; with a phone or an address customers find it.")
    return Step(_("Say what the shop is called"), why, done, address)


def _phone(instances: Sequence[EvolutionInstance], *, told: bool) -> Step:
    # One that was connected once is no first step any more.
    done = told or any(each.state == EvolutionInstance.State.OPEN for each in instances)
    # The first that has a phone, else the first.
    ours = min(instances, key=lambda each: not guide_of(each.gateway).has_phone, default=None)
    address = guide_of(ours.gateway).set_up_at(ours) if ours else reverse("admin:integrations_evolutioninstance_add")
    why = _("With the shop's phone and a QR code, as for WhatsApp on a computer.")
    return Step(_("Connect the WhatsApp"), why, done, address)


def _text(store: Store | None, *, done: bool) -> Step:
    why = _("Read what customers will: change what you would say otherwise, or leave it as it is.")
    query = {"store": store.pk} if store else {}
    address = reverse("admin:notifications_messagetext_changelist", query=query)
    return Step(_("Look at the message texts"), why, done, address)


def _order(*, done: bool) -> Step:
    why = _(
        "With your own number as the customer's you see what your customers will. Orders of an online shop come in by "
        "themselves once it is connected, under “Shops' systems”."
    )
    return Step(_("Enter the first order"), why, done, reverse("admin:orders_order_add"))


def _message(*, done: bool) -> Step:
    why = _("Confirm the order: the customer is told by itself.")
    return Step(_("Send the first message"), why, done, reverse("admin:orders_order_changelist"))
