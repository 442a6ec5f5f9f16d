"""Several questions in one statement, and how many rows there are, counted no further than anybody wants to know."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db import connection
from django.db.models import IntegerField, QuerySet, Subquery
from django.db.models.expressions import Combinable
from django.db.models.sql import Query
from django.db.models.sql.constants import SINGLE


class _Number(Subquery):
    """How many rows a query finds. Where Django knows that it finds none it does not ask."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()
    empty_result_set_value = 0


def ask(*questions: Combinable) -> list[Any]:
    """The values of expressions that are about no row, such as `Exists`."""
    return list(asked(*questions).get_compiler(connection=connection).execute_sql(SINGLE)) if questions else []


def asked(*questions: Combinable) -> Query:
    """The query for these."""
    query = Query(None)
    for number, question in enumerate(questions):
        query.add_annotation(question, f"question_{number}")
    return query


def counted(found: Iterable[QuerySet[Any, Any]], most: int) -> list[int]:
    """How many rows each has, up to one more than `most`: the database looks no further."""
    return ask(*(_number(rows, most) for rows in found))


def count_of(rows: QuerySet[Any, Any]) -> Combinable:
    """How many rows it has, as a part of another question."""
    return _number(rows, None)


class Numbers:
    """Counts of many queries by one statement, made when the first of them is read: all have to be ordered before."""

    def __init__(self) -> None:
        self._questions: list[_Number] = []
        self._answers: list[int] = []

    def of(self, rows: QuerySet[Any, Any], most: int | None = None) -> Callable[[], int]:
        """How many there are, if there is a `most` up to one more than it."""
        self._questions.append(_number(rows, most))
        place = len(self._questions) - 1
        return lambda: self._all()[place]

    def _all(self) -> list[int]:
        self._answers = self._answers or ask(*self._questions)
        return self._answers


def _number(rows: QuerySet[Any, Any], most: int | None) -> _Number:
    keys = rows.order_by().values("pk")
    return _Number(keys if most is None else keys[: most + 1])
