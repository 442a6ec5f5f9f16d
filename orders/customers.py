"""Which customer of a store an order is for."""

from __future__ import annotations

import unicodedata

from django.db import connection
from django.db.models import QuerySet

from orders.accounts import account_key
from orders.models import Customer, Order, Store

_LOCKS = 0x666C_6F77  # the first half of each lock's key: any number that nothing else in this database uses


def holder(store: Store, phone: str) -> Customer | None:
    """The store's customer whose WhatsApp account the phone (E.164) is, in whichever form it was written.

    Where the store has two of them from earlier times, the one with this very phone, else the older. One query.
    """
    return _of_account(Customer.objects.all(), store, phone)


def locked_holder(store: Store, phone: str) -> Customer | None:
    """The same, locked until the transaction ends: whoever is being erased is waited for, and is then nobody's."""
    return _of_account(Customer.objects.select_for_update(no_key=True), store, phone)


def _of_account(rows: QuerySet[Customer], store: Store, phone: str) -> Customer | None:
    same = rows.filter(store=store, account=account_key(phone)).order_by("pk")
    return min(same, key=lambda customer: customer.phone != phone, default=None)


def tell_change(customer: Customer) -> None:
    """Have their orders count as changed: whoever reads what has changed is told their name and phone with them.

    The customer is saved before, as an erasure locks them before their orders.
    """
    orders = Order.objects.filter(customer=customer).select_for_update(no_key=True).order_by("pk")
    # The trigger of the table writes the time.
    Order.objects.filter(pk__in=list(orders.values_list("pk", flat=True))).update(customer=customer)


def lock_account(store: Store, phone: str) -> None:
    """Let no other transaction that asks for this, too, make a customer for the account until this one ends.

    Two orders at the same moment, one with each form of a number, would else make two customers.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCKS, f"{store.pk} {account_key(phone)}"])


def same_name(one: str, other: str) -> bool:
    """Whether two names differ by capitals, accents and spaces at most."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", " ".join(name.split()).casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
