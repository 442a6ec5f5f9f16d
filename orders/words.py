"""The words by which a row is found: as an expression that PostgreSQL indexes, and as the same in Python.

Made of parts that PostgreSQL calls immutable, without an extension or a dictionary: any server can index it, no column
has to be kept in step, and a row that the release before has written is found as well. Migrations refer to the classes:
other SQL needs another class, and another index.
"""

from __future__ import annotations

import re
import unicodedata

from django.db.models import Case, F, Func, TextField, Value, When
from django.db.models.functions import Right, Substr

from orders.statuses import DeliveryMethod

_ACCENTS = r"[\u0300-\u036f]"
# By number, so that it is the same in PostgreSQL, whatever the database's collation.
_SEPARATORS = r"[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f]+"


class Words(Func):
    """The words of some columns, as a `tsvector`."""

    template = (
        "array_to_tsvector(array_remove(string_to_array(lower(regexp_replace(regexp_replace("
        f"normalize(%(expressions)s, NFKD), '{_ACCENTS}', '', 'g'), '{_SEPARATORS}', ' ', 'g')), ' '), ''))"
    )
    arg_joiner = " || ' ' || "
    output_field = TextField()


class Joined(Func):
    """A column without what separates words, as a single one."""

    template = f"regexp_replace(%(expressions)s, '{_SEPARATORS}', '', 'g')"
    output_field = TextField()


def words_of(text: str) -> list[str]:
    """The words of a text, as they stand in a `Words`."""
    plain = re.sub(_ACCENTS, "", unicodedata.normalize("NFKD", text))
    return re.sub(_SEPARATORS, " ", plain).lower().split()


def customer_words() -> Words:
    """The name, the CPF, and the phone: whole, without the country's code, without the area's too, its last digits."""
    return Words("name", "cpf", "phone", Substr("phone", 4), Substr("phone", 6), Right("phone", 4))


def order_words() -> Words:
    """The code, the pickup code where it means something, and the tracking code as it stands and in one piece."""
    pickup = When(delivery_method=DeliveryMethod.PICKUP, then=F("pickup_code"))
    return Words("code", Case(pickup, default=Value("")), "tracking_code", Joined("tracking_code"))


def origin_words() -> Words:
    """The number by which people know the order where it was made, as it stands and in one piece, and its id there."""
    return Words("external_number", Joined("external_number"), "external_id")


def item_words() -> Words:
    """The description."""
    return Words("description")
