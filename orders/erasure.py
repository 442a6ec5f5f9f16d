"""Erasing who a customer is, which Brazil's law (LGPD, art. 18 VI) lets everybody ask for.

The shop keeps its books: sums, statuses, codes and the timeline's steps. What names the person goes. Of somebody who
wanted no messages a keyed hash of the WhatsApp account stays, so that a later order of the same number is not told of.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from flowlog.staffpages import stores
from flowlog.staffpages.once import forget_answers
from orders import consent, customers
from orders.accounts import account_key, numbers_of_account
from orders.desk_models import OrderNote
from orders.export_models import DataExport
from orders.import_models import DataImport
from orders.models import ConsentChange, Customer, Erasure, Order, OrderEvent, Store
from orders.signals import customers_being_erased, customers_erased

logger = logging.getLogger(__name__)

type Counts = dict[str, int]

# What of a person a step may have replaced.
_PERSONAL = ["delivery_address", "tracking_url"]
# By the names under which a proof counts them.
_WORDS = {
    "customers": gettext_lazy("Customers"),
    "orders": gettext_lazy("Orders: addresses, notes and names"),
    "notes": gettext_lazy("Notes of the timeline"),
    "consent_changes": gettext_lazy("Texts of consents"),
    "history": gettext_lazy("Names in the admin's history"),
    "messages": gettext_lazy("Messages anonymised"),
    "cancelled": gettext_lazy("Messages cancelled"),
    "replies": gettext_lazy("Customers' replies erased"),
    "webhooks": gettext_lazy("Webhooks deleted"),
    "carrier_news": gettext_lazy("Carriers' news without their words"),
    "shop_news": gettext_lazy("What shops' systems sent"),
    "outgoing": gettext_lazy("Phones in outgoing webhooks"),
}


class ErasureRefusedError(Exception):
    """The customer cannot be erased now; the text says why, for the person who asked."""


def erase(customer: Customer, *, actor: User | None = None, dry_run: bool = False) -> Erasure:
    """Erase the customer, and whoever else is the same WhatsApp account at the store; returns the proof.

    All or nothing: raises `ErasureRefusedError`, and has changed nothing, while it is not known of a message whether
    it leaves, or if the customer is erased already. With `dry_run` the proof says what would go, and nothing has.
    An order that is made meanwhile waits for the end and is then a new customer's. Raises
    `PermissionDenied` for a customer of a store that the actor does not work for.
    """
    stores.require(actor, customer)
    with transaction.atomic():
        proof = _erase(customer, actor)
        if dry_run:
            transaction.set_rollback(True)
    if not dry_run:
        logger.info("Customer %s erased by %s: %s", customer.pk, proof.actor_name or "manage.py", proof.counts)
    return proof


def as_lines(proof: Erasure) -> list[str]:
    """What was erased, in words with numbers; and whether a refusal is remembered."""
    lines = [f"{_WORDS.get(name, name)}: {number}" for name, number in proof.counts.items()]
    return [*lines, _("The wish to get no messages is kept.")] if proof.account_hash else lines


def recall_refusal(customer: Customer) -> None:
    """Opt a new customer out who wanted no messages when their data were erased. For a new row or a new phone."""
    if customer.phone and _kept(customer.store, customer.phone).exists():
        consent.opt_out([customer], _("wanted no messages when their data were erased"))
        customer.refresh_from_db(fields=["opted_out_at", "opted_out_how"])


def _erase(customer: Customer, actor: User | None) -> Erasure:
    store, phone = customer.store, customer.phone
    numbers = numbers_of_account(phone)
    if phone:
        customers.lock_account(store, phone)
    everyone = Customer.objects.filter(Q(pk=customer.pk) | Q(store=store, account=account_key(phone)) & ~Q(account=""))
    # Before the customers are locked: whoever has a message, a reply or a webhook may wait for them, or an order.
    counts = _answers(customers_being_erased.send(Customer, customers=list(everyone), numbers=numbers))
    locked = list(everyone.select_for_update(no_key=True).order_by("pk"))
    if not any(each.pk == customer.pk and each.phone == phone and each.erased_at is None for each in locked):
        raise ErasureRefusedError(_("This customer has been changed or erased meanwhile."))
    orders = Order.objects.filter(pk__in=_lock_orders(locked))
    told = customers_erased.send(Customer, customers=locked, numbers=numbers, orders=orders, actor=actor)
    counts |= _answers(told) | _forget_orders(orders)
    refused = any(each.opted_out_at for each in locked)
    counts |= _forget_customers(locked)
    _kept(store, phone).update(account_hash="")
    _forget_imports(store)
    return Erasure.objects.create(
        store=store,
        customer=customer,
        actor=actor,
        actor_name=actor.get_username() if actor else "",
        counts={name: number for name, number in counts.items() if number},
        account_hash=_hash(store, phone, settings.SECRET_KEY) if refused and phone else "",
    )


def _forget_imports(store: Store) -> None:
    """A spreadsheet that is looked at, what was not right in one, or a file that somebody is to fetch may name them.

    One that is being carried out is passed by: it may wait for the customers.
    """
    over = DataImport.objects.filter(Q(confirmed_at=None) | Q(finished_at__isnull=False), store=store)
    DataImport.objects.filter(pk__in=over.order_by().select_for_update(skip_locked=True).values("pk")).delete()
    DataExport.objects.all().delete()


def _answers(told: Sequence[tuple[object, Any]]) -> Counts:
    return {name: number for _receiver, counts in told for name, number in (counts or {}).items()}


def _lock_orders(locked: Sequence[Customer]) -> list[int]:
    orders = Order.objects.filter(customer__in=locked).select_for_update().order_by("pk")
    return list(orders.values_list("pk", flat=True))


def _forget_orders(rows: QuerySet[Order]) -> Counts:
    steps = OrderEvent.objects.filter(order__in=rows).exclude(note="")
    # What a step replaced is theirs, too.
    OrderEvent.objects.filter(order__in=rows, replaced__has_any_keys=_PERSONAL).update(replaced=None)
    OrderNote.objects.filter(order__in=rows).delete()
    return {
        "orders": rows.update(delivery_address="", notes="", ordered_as="", tracking_url=""),
        "notes": steps.update(note=""),
    }


def _forget_customers(locked: Sequence[Customer]) -> Counts:
    pks = [customer.pk for customer in locked]
    name = _("Erased customer")
    consents = ConsentChange.objects.filter(customer__in=pks).exclude(how="").update(how="")
    # The admin's history names each row as it was called then.
    history = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(Customer), object_id__in=[str(pk) for pk in pks]
    )
    forget_answers()
    values = {"name": name, "phone": "", "cpf": "", "opted_out_at": None, "opted_out_how": "", "erased_at": Now()}
    return {
        "consent_changes": consents,
        "history": history.update(object_repr=name),
        "customers": Customer.objects.filter(pk__in=pks).update(**values),
    }


def _kept(store: Store, phone: str) -> QuerySet[Erasure]:
    """The erasures that remember that this account wanted no messages, made with today's key or an earlier one."""
    keys = [settings.SECRET_KEY, *settings.EARLIER_SECRET_KEYS] if phone else []
    return Erasure.objects.filter(store=store, account_hash__in=[_hash(store, phone, key) for key in keys])


def _hash(store: Store, phone: str, key: str | bytes) -> str:
    named = f"{store.pk} {account_key(phone)}"
    return salted_hmac("orders.erasure", named, secret=key, algorithm="sha256").hexdigest()
