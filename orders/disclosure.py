"""What is kept about a customer, as files to hand out: Brazil's law (LGPD, art. 18 II) lets everybody ask for it.

A ZIP of `dados.txt`, for people, and `dados.json`, for programs, with the same in both. In Portuguese, as the law is.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import override

from flowlog.staffpages import stores
from flowlog.times import moment
from orders.accounts import account_key
from orders.contacts import format_document, format_phone
from orders.models import Customer, Order
from orders.signals import customer_data_asked
from orders.transitions import done_words
from orders.wording import money

type Record = dict[str, Any]

_LANGUAGE = "pt-br"


def archive(customer: Customer, *, actor: User | None = None) -> bytes:
    """All that is kept about the customer, and whoever else is the same WhatsApp account at the store, as a ZIP file.

    Raises `PermissionDenied` for a customer of a store that the actor does not work for.
    """
    stores.require(actor, customer)
    with override(_LANGUAGE):
        told = collect(customer)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as files:
            files.writestr("dados.txt", "\ufeff" + "\r\n".join(_lines(told)) + "\r\n")
            files.writestr("dados.json", json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    return packed.getvalue()


def collect(customer: Customer) -> Record:
    """The same as records under titles, in the active language. What there is none of is left out."""
    same = Customer.objects.filter(store=customer.store_id, account=account_key(customer.phone)).exclude(account="")
    everyone = list((same | Customer.objects.filter(pk=customer.pk)).select_related("store").order_by("pk"))
    orders = Order.objects.filter(customer__in=everyone).order_by("pk")
    told: Record = {
        _("Store"): customer.store.name,
        _("Written on"): moment(timezone.now()),
        _("Customer"): [_customer(each) for each in everyone],
        _("Orders"): [_order(order) for order in orders.prefetch_related("items", "events", "internal_notes")],
    }
    answers: list[tuple[Any, Any]] = customer_data_asked.send(Customer, customers=everyone, orders=orders)
    for _receiver, more in answers:
        told |= more
    return {title: records for title, records in told.items() if records}


def filled(record: Record) -> Record:
    """The record without what is empty."""
    return {title: value for title, value in record.items() if value not in ("", None, [])}


def _customer(customer: Customer) -> Record:
    changes = [
        filled({
            _("when"): moment(each.when),
            _("messages"): _("wants no messages") if each.opted_out else _("wants messages"),
            _("how"): each.how,
        })
        for each in customer.consent_changes.order_by("pk")
    ]  # fmt: skip
    return filled({
        _("name"): customer.name,
        _("phone (WhatsApp)"): format_phone(customer.phone),
        _("CPF or CNPJ"): format_document(customer.cpf),
        _("created"): moment(customer.created_at),
        _("opted out of WhatsApp at"): moment(customer.opted_out_at),
        _("how they opted out"): customer.opted_out_how,
        _("personal data erased"): moment(customer.erased_at),
        _("Messages wanted or not"): changes,
    })  # fmt: skip


def _order(order: Order) -> Record:
    return filled({
        _("code"): order.code,
        _("created"): moment(order.created_at),
        _("source"): order.source,
        _("number at the source"): order.external_number or order.external_id,
        _("in the name of"): order.ordered_as,
        _("status"): str(order.get_status_display()),
        _("payment"): str(order.get_payment_status_display()),
        _("delivery"): str(order.get_delivery_status_display()),
        _("items"): [f"{item} · {money(item.subtotal)}" for item in order.items.all()],
        _("freight"): money(order.freight) if order.freight else "",
        _("discount"): money(order.discount) if order.discount else "",
        _("total"): money(order.total),
        _("delivery method"): str(order.get_delivery_method_display()),
        _("delivery address"): order.delivery_address,
        _("tracking code"): order.tracking_code,
        _("internal notes"): "\n".join(filter(None, [order.notes, *(n.text for n in order.internal_notes.all())])),
        _("timeline"): [
            filled({
                _("when"): moment(event.created_at),
                _("what happened"): str(done_words(event.transition)),
                _("note"): event.note,
            })
            for event in order.events.all()
        ],
    })  # fmt: skip


def _lines(record: Record, margin: str = "") -> Iterator[str]:
    """The record for people to read: a line for each value, lists further in."""
    for title, value in record.items():
        if not isinstance(value, list):
            yield f"{margin}{capfirst(title)}: {value}".replace("\n", f"\r\n{margin}    ")
            continue
        yield f"{margin}{capfirst(title)}:"
        for each in value:
            if isinstance(each, dict):
                yield from _lines(each, f"{margin}    ")
                yield ""
            else:
                yield f"{margin}    {each}"
