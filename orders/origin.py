"""Where an order was made, if not here: the source, its id there, and the number by which people know it."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.translation import gettext as _

from orders.models import Order, Store

# With this begins the source of an order that was made to try a program: no carrier tells of its parcel.
OF_TESTS = "test:"
_LOCKS = 0x6F72_6967  # any number that no other locks of two keys in this database have


@dataclass(frozen=True, slots=True)
class Origin:
    """All empty for an order that was made here."""

    source: str
    external_id: str
    external_number: str


def origin(source: str, external_id: str, external_number: str) -> Origin:
    """The same without space around it. Raises `ValidationError`, and `TypeError` for what is no text."""
    given = {"source": source, "external_id": external_id, "external_number": external_number}
    for name, text in given.items():
        if not isinstance(text, str):
            raise TypeError(f"{name} must be a str, not {type(text).__name__}")
    clean = Origin(**{name: text.strip() for name, text in given.items()})
    for name in given:
        _check(name, getattr(clean, name))
    if (clean.external_id or clean.external_number) and not clean.source:
        raise ValidationError(_("An order with an id or number of its own elsewhere needs the source's name."))
    return clean


def _check(name: str, text: str) -> None:
    longest: int = getattr(Order._meta.get_field(name), "max_length", 0)
    if len(text) > longest:
        raise ValidationError(
            _("“%(name)s” has more than %(longest)s characters."), params={"name": name, "longest": longest}
        )
    # The one ASCII space is printable.
    if not text.isprintable():
        raise ValidationError(_("“%(name)s” has characters that cannot be seen."), params={"name": name})


def made_before(store: Store, given: Origin) -> Order | None:
    """The store's order of this origin, once nobody else can be making it until this transaction ends.

    None for an origin without id, which may be any number of orders'.
    """
    if not given.external_id:
        return None
    key = f"{store.pk} {given.source} {given.external_id}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCKS, key])
    orders = Order.objects.select_related("store", "customer")
    return orders.filter(store=store, source=given.source, external_id=given.external_id).first()
