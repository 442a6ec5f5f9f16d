"""Which numbers are one WhatsApp account, and so one person.

A number stays as it was typed, for people to read and for the gateway to be asked with. Who somebody is goes by the
account's key: what is looked up, what is unique at a store, whose refusal counts.

Brazil's mobiles got a ninth digit, and accounts from before it are known without. Argentina's are written with a 9
after the country's code, Mexico's with a 1, and both without.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.core.checks import CheckMessage
from django.db.models import CharField, F, Func, GeneratedField, Value


@dataclass(frozen=True, slots=True)
class _Country:
    """Two ways to write a number, as patterns with the part before and the part after what differs."""

    key: str
    key_sign: str
    other: str
    other_sign: str


_COUNTRIES = (
    # Only mobiles that once had eight digits are known in two ways; those of a landline begin with 2 to 5.
    _Country(r"^(\+55[1-9][0-9])9([6-9][0-9]{7})$", "9", r"^(\+55[1-9][0-9])([6-9][0-9]{7})$", ""),
    _Country(r"^(\+54)9([1-8][0-9]{9})$", "9", r"^(\+54)([1-8][0-9]{9})$", ""),
    _Country(r"^(\+52)([2-9][0-9]{9})$", "", r"^(\+52)1([2-9][0-9]{9})$", "1"),
)


def account_key(e164: str) -> str:
    """The one way to write the account's number, itself E.164; empty for no number."""
    for country in _COUNTRIES:
        if match := re.fullmatch(country.other, e164):
            return f"{match[1]}{country.key_sign}{match[2]}"
    return e164


def numbers_of_account(e164: str) -> tuple[str, ...]:
    """Every number under which the account may be known, as it says first; none for no number."""
    if not e164:
        return ()
    key = account_key(e164)
    if key != e164:
        return e164, key
    for country in _COUNTRIES:
        if match := re.fullmatch(country.key, e164):
            return e164, f"{match[1]}{country.other_sign}{match[2]}"
    return (e164,)


def account_key_in_sql(phone: str) -> Func:
    """`account_key` of a column, by PostgreSQL; a test holds the two together."""
    expression: Any = F(phone)
    for country in _COUNTRIES:
        arguments = (expression, Value(country.other), Value(rf"\1{country.key_sign}\2"))
        expression = Func(*arguments, function="regexp_replace", output_field=CharField())
    return expression  # type: ignore[no-any-return]


class StoredField(GeneratedField):
    """A column that PostgreSQL fills.

    Django's own check of such a field asks the server for its version. No process of ours may need the database to
    start, and every supported PostgreSQL has stored columns.
    """

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        return super().check(**{**kwargs, "databases": ()})

    def deconstruct(self) -> Any:
        """As Django's own, which is what it is to a migration."""
        name, _path, arguments, keywords = super().deconstruct()
        return name, "django.db.models.GeneratedField", arguments, keywords
