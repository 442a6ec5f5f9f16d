"""Finding orders and customers by what people type: without accents, in any case, numbers however they are written.

A word finds what begins with it, and of several words each has to be found somewhere: one in the name,
another in the code. Each question asks one index (`orders.words`), so that none looks at every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import and_
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    BooleanField,
    Case,
    ExpressionWrapper,
    F,
    Func,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan, IsNull
from django.http import HttpRequest

from flowlog.prepared import among
from flowlog.staffpages import paging
from flowlog.staffpages.asking import ask, count_of
from orders import terms
from orders.models import Customer, Order, OrderItem
from orders.words import Words, customer_words, item_words, order_words, origin_words

# What so many have is told one by one.
_FEW = 1000
# Of what very many have, the newest are looked for one by one: so many rows tell how far that would be; not farther
# than over so many, of which not more than so many have to be looked at closely.
_SAMPLE, _FARTHEST, _MOST_LOOKS = 300, 100_000, 6000
# A word that most of so many of the newest items have is not looked up: its list alone is as long as the table.
_ITEMS = 20
# With `da` or `de` thousands of codes begin.
_SHORT = 2
# What is known of a list that is not counted: two pages.
_PAGES = 100
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class _Match(Func):
    """Whether a `Words` has what a query asks for."""

    template = "%(expressions)s::tsquery"
    arg_joiner = " @@ "
    output_field = BooleanField()


def customers(term: str) -> QuerySet[Any]:
    """The ids of the customers who have each word of the term, or the number that it is as a whole."""
    ways = map(terms.prefix, terms.numbers(term))
    return _having(Customer, customer_words(), terms.either(terms.every(terms.read(term)), *ways)).values("pk")


def orders(term: str) -> QuerySet[Any]:
    """The ids of the orders that have each word of the term in a code, the number at its source, the customer or an
    item, or that have the code or the number that it is as a whole."""
    words = terms.read(term)
    if not words:
        return Order.objects.none().values("pk")
    first, *others = (_with(terms.prefix(word)) for word in words)
    every = first.intersection(*others).order_by() if others else first
    return every.union(_whole(term, words)).order_by()


def narrow[M: Model](request: HttpRequest, rows: QuerySet[M], wanted: Wanted) -> QuerySet[M]:
    """Those of the rows of a list that are wanted, which are looked for once, whatever is asked of the rows.

    The paginator knows how many they are. Of more than it counts it knows the newest, which are all that it offers.
    """
    newest = rows.order_by(*(rows.model._meta.ordering or ())).values("pk")
    known, is_all = _latest(newest, wanted, paging.MOST + 1)
    if len(known) <= paging.MOST and not is_all:
        known = list(newest.filter(wanted.found).values_list("pk", flat=True)[: paging.MOST + 1])
    paging.note_found(request, rows, known)
    return rows.filter(pk__in=known) if len(known) <= paging.MOST else rows.filter(wanted.found)


def narrow_uncounted[M: Model](request: HttpRequest, rows: QuerySet[M], wanted: Wanted) -> QuerySet[M]:
    """The same for a list that counts nothing: of what very many have its first pages are known."""
    newest = rows.order_by(*(rows.model._meta.ordering or ())).values("pk")
    known, _is_all = _latest(newest, wanted, _PAGES)
    if known:
        paging.note_found(request, rows, known)
    return rows.filter(wanted.found)


def _latest(newest: QuerySet[Any], wanted: Wanted, enough: int) -> tuple[list[Any], bool]:
    """The first of what very many have, by going back from the newest row: sorting all that there are would take long.
    Fewer, or none, if that would be far; and whether these are known to be all that there are."""
    if wanted.looked_at is None:
        return [], False
    asked = newest.values_list("pk", _whether(wanted.looked_at), _whether(wanted.glanced_at))
    seen = list(asked[:_SAMPLE])
    found = [key for key, hit, _look in seen if hit]
    if len(seen) < _SAMPLE:
        return found[:enough], True
    hits, looks = len(found), sum(look for _key, _hit, look in seen)
    # Twice as far as it should be.
    far = 2 * enough * _SAMPLE // max(hits, 1)
    if far > _FARTHEST or far * looks > _MOST_LOOKS * _SAMPLE:
        return [], False
    end = Subquery(newest.model._default_manager.order_by("-created_at").values("created_at")[far : far + 1])
    wanted_since = newest.filter(wanted.looked_at, created_at__gte=Coalesce(end, _LONG_AGO))
    newest_found = wanted_since.values_list("pk", IsNull(end, rhs=True))[:enough]
    return [key for key, _all in newest_found], any(to_the_end for _key, to_the_end in newest_found)


def _whether(condition: Any) -> Any:
    return ExpressionWrapper(condition, BooleanField()) if condition else Value(value=True)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A condition by which rows are `found`; and if these may be very many, one by which each row can be `looked_at`,
    and the part of that which costs little."""

    found: Any
    looked_at: Any = None
    glanced_at: Any = None

    @classmethod
    def customers(cls, term: str) -> Wanted:
        return cls(among("pk", customers(term)))

    @classmethod
    def by_orders(cls, term: str, field: str = "pk") -> Wanted:
        """Rows of the orders that the term means, `field` being the order's id. One query, or two."""
        words = terms.read(term)
        if not words:
            return cls(Q(pk__in=()))
        places, of_all, whole = _looked_up(term, words)
        ids = _few_orders(places, of_all, whole)
        if ids is not None:
            return cls(Q(**{f"{field}__in": ids}))
        found = among(field, _narrowed(term, places, whole))
        return cls(found, *(_of_order(field, condition) for condition in _one_by_one(term, places, whole)))


@dataclass(frozen=True, slots=True)
class _Places:
    """The ids of the orders that have a word, by where: in what they are called, in an item, in their customer; None
    for more than `_FEW`. `usual`, if most items have it."""

    word: str
    called: set[int] | None
    items: set[int] | None
    theirs: set[int] | None
    usual: bool

    @classmethod
    def of(cls, word: str, called: list[int], items: list[int] | None, theirs: list[int]) -> _Places:
        usual = items is None
        return cls(word, _all_if_few(called), _all_if_few(items), _all_if_few(theirs), usual)

    @property
    def elsewhere(self) -> set[int] | None:
        """Those whose customer need not have it, if they are few."""
        return None if self.called is None or self.items is None else self.called | self.items

    @property
    def few(self) -> set[int] | None:
        """All of them, if they are few."""
        return None if self.elsewhere is None or self.theirs is None else self.elsewhere | self.theirs

    def look(self) -> Q:
        """Whether an order has it. What few have is told by their ids, so that little is left to be looked at."""
        asked = terms.prefix(self.word)
        # Never without an id, not even one that nothing has: PostgreSQL then cannot make a join of it, and stops early.
        has = Q(pk__in={0}.union(self.called or (), self.items or (), self.theirs or ()))
        if self.theirs is None:
            has |= Q(customer__in=_having(Customer, customer_words(), asked).values("pk"))
        if self.called is None:
            has |= _is_called(asked)
        return has | _is_in_an_item(asked) if self.items is None else has

    def glance(self) -> Q:
        """The same without what has to be looked at in each order."""
        return Q() if self.elsewhere is None else self.look()


def _all_if_few(ids: list[int] | None) -> set[int] | None:
    return set(ids) if ids is not None and len(ids) <= _FEW else None


def _looked_up(term: str, words: Sequence[str]) -> tuple[list[_Places], set[int], set[int]]:
    """Where each word is; the orders whose customer has all the long ones; those that have the term as a whole. One of
    them more than `_FEW` stands for all that there are more."""
    asked: list[Any] = []
    for word in map(terms.prefix, words):
        items = _having(OrderItem, item_words(), word)
        newest = OrderItem.objects.order_by("-pk").values("pk")[:_ITEMS]
        usual = GreaterThan(count_of(items.filter(pk__in=newest)), _ITEMS // 2)
        of_items = ArraySubquery(_no_more(items.values("order_id"), _FEW + 1))
        asked += ArraySubquery(_called(word, _FEW + 1)), Case(When(usual, then=Value(None)), default=of_items)
        asked.append(ArraySubquery(_theirs(word)[: _FEW + 1]))
    all_theirs = _theirs(terms.every(_long(words)) if len(words) > 1 else "")[: _FEW + 1]
    *of_each, of_all, whole = ask(*asked, *map(ArraySubquery, (all_theirs, _whole(term, words, _FEW + 1))))
    found = zip(words, of_each[::3], of_each[1::3], of_each[2::3], strict=True)
    return [_Places.of(*each) for each in found], set(of_all), set(whole)


def _few_orders(places: Sequence[_Places], of_all: set[int], whole: set[int]) -> list[int] | None:
    """What `orders` finds, if it can be told from few: from what one word finds; or, of a name of which each word is
    common, from who has all its long words, and the orders that have one of these elsewhere. Else None."""
    if len(whole) > _FEW:
        return None
    candidates = min((each.few for each in places if each.few is not None), key=len, default=None)
    words = [each.word for each in places]
    if candidates is None and len(places) > 1 and len(of_all) <= _FEW:
        elsewhere = [each.elsewhere for each in places if each.word in _long(words)]
        candidates = None if None in elsewhere else of_all.union(*filter(None, elsewhere))
    if candidates is None:
        return None
    if len(places) > 1 and candidates:
        # Most of them by the first: one look at the customer.
        meant = _is_of(terms.every(words)) | reduce(and_, map(_has, words))
        candidates = set(Order.objects.order_by().filter(meant, pk__in=candidates).values_list("pk", flat=True))
    return sorted(candidates | whole)


def _long(words: Sequence[str]) -> Sequence[str]:
    """Those with which few codes begin, unless there are none: who has one of the others has these too."""
    return [word for word in words if len(word) > _SHORT] or words


def _narrowed(term: str, places: Sequence[_Places], whole: set[int]) -> QuerySet[Any]:
    """The same as `orders`: from a word that is not usual, the others being looked at."""
    base = next((each for each in places if not each.usual), None)
    if base is None or len(places) == 1 or len(whole) > _FEW:
        return orders(term)
    others = [each.look() for each in places if each is not base]
    narrowed = Order.objects.order_by().filter(among("pk", _with(terms.prefix(base.word))), *others)
    return _union(None, narrowed.values("pk"), Order.objects.order_by().filter(pk__in=whole).values("pk"))


def _one_by_one(term: str, places: Sequence[_Places], whole: set[int]) -> tuple[Q, Q]:
    """The same as `orders`, of an order that is at hand; and the part of it that costs little."""
    if len(whole) > _FEW:
        return _is_meant(term), Q()
    looked_at, glanced_at = Q(), Q()
    for each in places:
        looked_at &= each.look()
        glanced_at &= each.glance()
    also = Q(pk__in=whole)
    return looked_at | also, glanced_at | also if glanced_at else Q()


def _of_order(field: str, condition: Q) -> Any:
    """The condition of a row whose order's id the field is."""
    if field == "pk" or not condition:
        return condition
    return _is_any(Order.objects.order_by().filter(condition, pk=OuterRef(field)))


def _is_any(rows: QuerySet[Any]) -> Any:
    """As `Exists`, but that PostgreSQL asks it of each row: else it may rather find all that there are at once."""
    return IsNull(Subquery(rows.values("pk")[:1]), rhs=False)


def _with(asked: str) -> QuerySet[Any]:
    """The ids of the orders that have it somewhere."""
    items = _having(OrderItem, item_words(), asked).values("order_id")
    return _union(None, _themselves(asked), _made(asked), items, _theirs(asked))


def _called(asked: str, most: int | None = None) -> QuerySet[Any]:
    """The ids of the orders that are called so, here or where they were made; of each no more than `most`."""
    return _union(most, _themselves(asked), _made(asked))


def _whole(term: str, words: Sequence[str], most: int | None = None) -> QuerySet[Any]:
    """By the code, or the number, that the term is as a whole."""
    code, number = terms.in_one_piece(words), terms.either(*map(terms.prefix, terms.numbers(term)))
    return _union(most, _themselves(code), _made(code), _theirs(number))


def _union(most: int | None, *parts: QuerySet[Any]) -> QuerySet[Any]:
    first, *others = (part if most is None else _no_more(part, most) for part in parts)
    found = first.union(*others)
    # A union takes up the model's own ordering again; of parts that find nothing none is made.
    return found if found.query.is_sliced else found.order_by()


def _no_more(ids: QuerySet[Any], most: int) -> QuerySet[Any]:
    """The first of these ids. They are sorted, as no index does it: to find a few of the many that it expects,
    PostgreSQL would read a whole table for a word that is nowhere."""
    [column] = ids.query.values_select or ("pk",)
    return ids.order_by(F(column) + 0)[:most]


def _is_meant(term: str) -> Q:
    """The same as `orders`, of an order that is at hand."""
    words = terms.read(term)
    code, number = terms.in_one_piece(words), terms.either(*map(terms.prefix, terms.numbers(term)))
    return reduce(and_, map(_has, words)) | _is_called(code) | _is_of(number)


def _has(word: str) -> Q:
    asked = terms.prefix(word)
    return _is_called(asked) | _is_of(asked) | _is_in_an_item(asked)


def _is_called(asked: str) -> Q:
    if not asked:
        return Q(pk__in=())
    made = Q(_Match(origin_words(), Value(asked))) & ~Q(source="")
    return Q(_Match(order_words(), Value(asked))) | made


def _is_of(asked: str) -> Q:
    return Q(_is_any(_having(Customer, customer_words(), asked).filter(pk=OuterRef("customer_id"))))


def _is_in_an_item(asked: str) -> Q:
    return Q(_is_any(_having(OrderItem, item_words(), asked).filter(order=OuterRef("pk"))))


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
