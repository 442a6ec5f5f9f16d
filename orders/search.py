"""Finding orders and customers by what people type: without accents, in any case, numbers however they are written.

A word finds what begins with it, and of several words each has to be found somewhere: one in the name,
another in the code. Each question asks one index (`orders.words`), so that none looks at every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import ValidationError
from django.db.models import BooleanField, Exists, F, Func, Model, OuterRef, Q, QuerySet, Value
from django.http import HttpRequest

from flowlog.staffpages import paging
from flowlog.staffpages.asking import ask, counted
from orders.accounts import numbers_of_account
from orders.contacts import CNPJ_LENGTH, is_storable, normalize_phone
from orders.models import Customer, Order, OrderItem
from orders.words import Words, customer_words, item_words, order_words, origin_words, words_of

# What so many have is told one by one.
_FEW = 1000
# Of what very many have, so many of the newest rows are looked at one by one, instead of all that there are.
_NEWEST = 3000
# What a page of a list shows.
_PAGE = 50
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
    """The ids of the orders that have each word of the term in a code, the number at its source, the customer or an
    item, or that have the code or the number that it is as a whole."""
    words = _read(term)
    if not words:
        return Order.objects.none().values("pk")
    first, *others = (_with(_prefix(word)) for word in words)
    every = first.intersection(*others).order_by() if others else first
    return every.union(_whole(term, words)).order_by()


def narrow[M: Model](request: HttpRequest, rows: QuerySet[M], wanted: Wanted) -> QuerySet[M]:
    """Those of the rows of a list that are wanted, which are looked for once, whatever is asked of the rows.

    The paginator knows how many they are. Of more than it counts it knows the newest, which are all that it offers.
    """
    newest = rows.order_by(*(rows.model._meta.ordering or ())).values("pk")
    known = _latest(newest, wanted, paging.MOST + 1)
    if len(known) <= paging.MOST:
        known = _first(newest.filter(wanted.found))
    paging.note_found(request, rows, known)
    return rows.filter(pk__in=known) if len(known) <= paging.MOST else rows.filter(wanted.found)


def narrow_uncounted[M: Model](request: HttpRequest, rows: QuerySet[M], wanted: Wanted) -> QuerySet[M]:
    """The same for a list that counts nothing: of what very many have its first pages are known."""
    newest = rows.order_by(*(rows.model._meta.ordering or ())).values("pk")
    if known := _latest(newest, wanted, _PAGE):
        paging.note_found(request, rows, known)
    return rows.filter(wanted.found)


def _latest(newest: QuerySet[Any], wanted: Wanted, enough: int) -> list[Any]:
    """The first of what very many have, by a look at the newest alone: sorting all that there are would take seconds.
    Nothing, if these are not expected to be `enough`."""
    if wanted.looked_at is None:
        return []
    some = _NEWEST // 10
    [number] = counted([newest.filter(wanted.looked_at, pk__in=newest[:some])], some)
    if number * 10 < enough * 1.2:
        return []
    return _first(newest.filter(wanted.looked_at, pk__in=newest[:_NEWEST]))


def _first(rows: QuerySet[Any]) -> list[Any]:
    return list(rows.values_list("pk", flat=True)[: paging.MOST + 1])


@dataclass(frozen=True, slots=True)
class Wanted:
    """A condition by which rows are `found`; and if these may be very many, one by which each can be `looked_at`."""

    found: Any
    looked_at: Any = None

    @classmethod
    def customers(cls, term: str) -> Wanted:
        return cls(among("pk", customers(term)))

    @classmethod
    def by_orders(cls, term: str, field: str = "pk") -> Wanted:
        """Rows of the orders that the term means, `field` being the order's id. One query, or two."""
        ids = _few_orders(term)
        if ids is not None:
            return cls(Q(**{f"{field}__in": ids}))
        rows = Order.objects.order_by().filter(_is_meant(term), pk=OuterRef(field))
        return cls(among(field, orders(term)), Exists(rows))


def _few_orders(term: str) -> list[int] | None:
    """What `orders` finds, if it can be told from few: from what one word finds; or, of a name of which each word is
    common, from who has all of it, and the orders that have one of its words elsewhere. Else None."""
    words = _read(term)
    if not words:
        return []
    elsewhere = [_elsewhere(_prefix(word), _FEW + 1) for word in words]
    theirs = [_theirs(_prefix(word))[: _FEW + 1] for word in words]
    all_theirs = _theirs(_every(words) if len(words) > 1 else "")[: _FEW + 1]
    asked = (*elsewhere, *theirs, all_theirs, _whole(term, words, _FEW + 1))
    *of_each, of_all, whole = (set(ids) for ids in ask(*map(ArraySubquery, asked)))
    of_elsewhere, of_theirs = of_each[: len(words)], of_each[len(words) :]
    candidates = min((here | there for here, there in zip(of_elsewhere, of_theirs, strict=True)), key=len)
    if len(candidates) > _FEW and len(words) > 1 and max(map(len, (of_all, *of_elsewhere))) <= _FEW:
        candidates = of_all.union(*of_elsewhere)
    elif len(candidates) > _FEW:
        return None
    if len(whole) > _FEW:
        return None
    if len(words) > 1 and candidates:
        left = Order.objects.order_by().filter(*map(_has, words), pk__in=candidates)
        candidates = set(left.values_list("pk", flat=True))
    return sorted(candidates | whole)


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
    """The ids of the orders that have it somewhere."""
    return _elsewhere(asked).union(_theirs(asked)).order_by()


def _elsewhere(asked: str, most: int | None = None) -> QuerySet[Any]:
    """The ids of the orders that have it, but for those whose customer does; of each place no more than `most`."""
    items = _having(OrderItem, item_words(), asked).values("order_id")
    return _union(most, _themselves(asked), _made(asked), items)


def _whole(term: str, words: Sequence[str], most: int | None = None) -> QuerySet[Any]:
    """By the code, or the number, that the term is as a whole."""
    code, number = _in_one_piece(words), _either(*map(_prefix, _numbers(term)))
    return _union(most, _themselves(code), _made(code), _theirs(number))


def _union(most: int | None, *parts: QuerySet[Any]) -> QuerySet[Any]:
    first, *others = (part[:most] for part in parts)
    found = first.union(*others)
    # A union takes up the model's own ordering again; of parts that find nothing none is made.
    return found if found.query.is_sliced else found.order_by()


def _in_one_piece(words: Sequence[str]) -> str:
    return _prefix("".join(_without_label(words)))


def _is_meant(term: str) -> Q:
    """The same as `orders`, of an order that is at hand."""
    words = _read(term)
    code, number = _in_one_piece(words), _either(*map(_prefix, _numbers(term)))
    every = Q()
    for word in words:
        every &= _has(word)
    return every | _is_called(code) | _is_of(number)


def _has(word: str) -> Q:
    asked = _prefix(word)
    items = _having(OrderItem, item_words(), asked).filter(order=OuterRef("pk"))
    return _is_called(asked) | _is_of(asked) | Q(Exists(items))


def _is_called(asked: str) -> Q:
    if not asked:
        return Q(pk__in=())
    made = Q(_Match(origin_words(), Value(asked))) & ~Q(source="")
    return Q(_Match(order_words(), Value(asked))) | made


def _is_of(asked: str) -> Q:
    return Q(Exists(_having(Customer, customer_words(), asked).filter(pk=OuterRef("customer_id"))))


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
