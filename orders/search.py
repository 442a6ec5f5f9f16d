"""Finding orders and customers by what people type: without accents, in any case, numbers however they are written.

A word finds what begins with it. Each question asks one index (`orders.words`), so that none looks at every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import ValidationError
from django.db.models import BooleanField, F, Func, Model, QuerySet, Value
from django.http import HttpRequest

from flowlog.staffpages import paging
from orders.accounts import numbers_of_account
from orders.contacts import CNPJ_LENGTH, is_storable, normalize_phone
from orders.models import Customer, Order, OrderItem
from orders.words import Words, customer_words, item_words, order_words, origin_words, words_of

_FEWEST_DIGITS = 4
# More words, or of a longer one more, than anybody types; all in one piece they are as long as PostgreSQL allows.
_MOST_WORDS, _LONGEST = 8, 60
# What people write before a code or a number: `pedido XQN93B`, `tel.: 11 98765-4321`, `https://wa.me/5511987654321`.
_LABELS = frozenset({
    "pedido", "codigo", "cod", "de", "retirada", "rastreio", "rastreamento", "objeto", "cliente", "no", "n", "tel",
    "telefone", "fone", "cel", "celular", "whatsapp", "whats", "zap", "cpf", "cnpj", "https", "http", "wa", "me",
})  # fmt: skip


class _Among(Func):
    template = "(%(expressions)s))"
    arg_joiner = " = ANY("
    output_field = BooleanField()


class _Match(Func):
    """Whether a `Words` has what a query asks for."""

    template = "%(expressions)s::tsquery"
    arg_joiner = " @@ "
    output_field = BooleanField()


def customers(term: str) -> QuerySet[Any]:
    """The ids of the customers who have each word of the term, or the number that it is as a whole."""
    numbers = map(_prefix, _numbers(term))
    return _having(Customer, customer_words(), _either(_every(_read(term)), *numbers)).values("pk")


def among(field: str, rows: QuerySet[Any]) -> _Among:
    """Whether the field is one of these ids: `field IN (rows)` for a condition that an index answers, whatever number
    of rows PostgreSQL expects."""
    return _Among(F(field), ArraySubquery(rows))


def orders(term: str) -> QuerySet[Any]:
    """The ids of the orders of which a code, the number at its source, the customer or an item has each word of the
    term, or that have the code or the number that it is as a whole; if there are none, of those that have each word
    somewhere. One query, if there are several words."""
    words = _read(term)
    if not words:
        return Order.objects.none().values("pk")
    asked = _prefix("".join(_without_label(words)))
    number = _theirs(_either(*map(_prefix, _numbers(term))))
    found = _with(_every(words)).union(_themselves(asked), _made(asked), number).order_by()
    if len(words) == 1 or found.exists():
        return found
    # Words of several places. Each alone may find very many: only where nothing has all of them.
    first, *others = (_with(_prefix(word)) for word in words)
    return first.intersection(*others).order_by()


def narrow[M: Model](request: HttpRequest, rows: QuerySet[M], keys: QuerySet[Any]) -> QuerySet[M]:
    """Those of the rows of a list that have one of the keys, which are looked for once, whatever is asked of the rows.

    The paginator knows how many they are. Where there are more than it counts, they are not taken along.
    """
    found = rows.filter(among("pk", keys))
    known = list(found.order_by().values_list("pk", flat=True)[: paging.MOST + 1])
    paging.note_count(request, len(known))
    return rows.filter(pk__in=known) if len(known) <= paging.MOST else found


def digits(term: str) -> str:
    """The digits of a term that is (a part of) a phone or CPF, however it is written; else empty."""
    written = "".join(_without_label(_read(term)))
    return written if written.isdecimal() and len(written) >= _FEWEST_DIGITS else ""


def _read(term: str) -> list[str]:
    return [word[:_LONGEST] for word in words_of(term)[:_MOST_WORDS]] if is_storable(term) else []


def _without_label(words: Sequence[str]) -> Sequence[str]:
    start = next((place for place, word in enumerate(words) if word not in _LABELS), len(words))
    return words[start:]


def _numbers(term: str) -> set[str]:
    """The ways in which the number that the term is may stand in a phone, CPF or CNPJ, which may have letters; of a
    mobile, with the ninth digit too and without."""
    written = digits(term)
    if not written:
        return _document(term)
    ways = {written, written.lstrip("0")}
    with suppress(ValidationError):
        ways.update(each.removeprefix("+") for each in numbers_of_account(normalize_phone(written)))
    return {way for way in ways if len(way) >= _FEWEST_DIGITS}


def _document(term: str) -> set[str]:
    """(A part of) a CNPJ with letters, in one piece, as it stands; nothing if the term cannot be one."""
    written = "".join(_without_label(_read(term)))
    is_one = _FEWEST_DIGITS <= len(written) <= CNPJ_LENGTH and any(sign.isdecimal() for sign in written)
    return {written} if is_one else set()


def _with(asked: str) -> QuerySet[Any]:
    items = _having(OrderItem, item_words(), asked).values("order_id")
    # A union takes up the model's own ordering again.
    return _themselves(asked).union(_made(asked), _theirs(asked), items).order_by()


def _themselves(asked: str) -> QuerySet[Any]:
    return _having(Order, order_words(), asked).values("pk")


def _made(asked: str) -> QuerySet[Any]:
    """By what they are called where they were made."""
    return _having(Order, origin_words(), asked).exclude(source="").values("pk")


def _theirs(asked: str) -> QuerySet[Any]:
    found = _having(Customer, customer_words(), asked).values("pk")
    return Order.objects.order_by().filter(among("customer_id", found)).values("pk")


def _having(model: type[Model], words: Words, asked: str) -> QuerySet[Any]:
    rows = model._default_manager.order_by()
    return rows.alias(words=words).filter(_Match(F("words"), Value(asked))) if asked else rows.none()


# A word has no sign that a `tsquery` could read in another way: all of them separate words.


def _prefix(word: str) -> str:
    return f"'{word}':*" if word else ""


def _every(words: Sequence[str]) -> str:
    return " & ".join(map(_prefix, words))


def _either(*asked: str) -> str:
    return " | ".join(each for each in asked if each)
