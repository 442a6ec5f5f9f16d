"""The parcels of an order: their codes, their pages at the carrier, and whose a code is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db.models import Func, Q, QuerySet, TextField, Value
from django.db.models.functions import Upper
from django.utils.encoding import iri_to_uri
from django.utils.translation import gettext as _

from orders.codes import BETWEEN, correios_warning, tracking_codes, tracking_key
from orders.statuses import CORREIOS_METHODS

if TYPE_CHECKING:
    from orders.models import Order

CORREIOS_TRACKING_URL = "https://rastreamento.correios.com.br/app/index.php?objetos={code}"
# The few orders with more than one code have an index of their own.
SEVERAL = Q(tracking_code__contains=BETWEEN)
_SINGLE_CODES = Func(
    Upper("tracking_code"), Value(BETWEEN), function="string_to_array", output_field=ArrayField(TextField())
)
_ORIGIN = re.compile(r"[a-z]+://[^/?#]*", re.IGNORECASE)
_SHOWN_ORDERS = 5
# More than anybody reads of.
_MOST_OTHERS = 1000


class Parcel(NamedTuple):
    """One code and its page at the carrier; either may be empty."""

    code: str
    link: str


def parcels_of(method: str, tracking_code: str, tracking_url: str) -> list[Parcel]:
    """What the customer follows: each parcel at Correios by itself, all of another carrier on the one page it has."""
    if method in CORREIOS_METHODS and tracking_code:
        return [
            Parcel(code, CORREIOS_TRACKING_URL.format(code=quote(code, safe="")))
            for code in tracking_codes(tracking_code)
        ]
    return [Parcel(tracking_code, _linkable(tracking_url))] if tracking_code or tracking_url else []


def having(orders: QuerySet[Order], codes: Collection[str]) -> QuerySet[Order]:
    """Those of the orders that have a parcel with one of the codes, however these are written. One query at once.

    Each of two partial indexes finds some of them. In one condition PostgreSQL would expect so many that it rather read
    all orders, the newest first.
    """
    keys = [tracking_key(code) for code in codes]
    alone = orders.order_by().alias(written=Upper("tracking_code")).filter(~Q(tracking_code=""), written__in=keys)
    several = orders.order_by().alias(singles=_SINGLE_CODES).filter(SEVERAL, singles__overlap=keys)
    found = alone.values_list("pk", flat=True).union(several.values_list("pk", flat=True)).order_by()
    return orders.filter(pk__in=list(found))


def doubts(given: Mapping[Order, str]) -> list[str]:
    """Why the tracking codes of these orders may be mistyped or another parcel's, to be asked before customers read it.

    One query, whatever their number.
    """
    holders: defaultdict[str, list[str]] = defaultdict(list)
    mistyped = []
    for order, written in given.items():
        for code in tracking_codes(written):
            holders[tracking_key(code)].append(order.code)
            if order.delivery_method in CORREIOS_METHODS:
                mistyped.append(correios_warning(code))
    for order in _others(given, list(holders)):
        for key in {tracking_key(code) for code in tracking_codes(order.tracking_code)} & holders.keys():
            holders[key].append(order.code)
    shared = [_shared(key, codes) for key, codes in holders.items() if len(codes) > 1]
    return list(dict.fromkeys(filter(None, [*mistyped, *shared])))


def _others(given: Mapping[Order, str], codes: list[str]) -> Iterable[Order]:
    """Of the same stores: what another one has is not told."""
    stores = {order.store_id for order in given}
    orders = apps.get_model("orders", "Order").objects.filter(store__in=stores)
    orders = orders.exclude(pk__in=[order.pk for order in given])
    return having(orders, codes).order_by("-pk")[:_MOST_OTHERS] if codes else ()


def _shared(key: str, orders: Sequence[str]) -> str:
    more = "…" if len(orders) > _SHOWN_ORDERS else ""
    named = {"code": key, "orders": ", ".join(orders[:_SHOWN_ORDERS]) + more}
    return _("“%(code)s” is the code of more than one order: %(orders)s.") % named


def _linkable(url: str) -> str:
    """The address with everything after its host in ASCII, so that no phone ends the link early."""
    origin = _ORIGIN.match(url)
    return f"{origin[0]}{iri_to_uri(url[origin.end() :])}" if origin else ""
