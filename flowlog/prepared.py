"""Statements that are made again and again: written as queries of the ORM, compiled once, prepared by PostgreSQL.

Building the same query anew costs more than the database does with it. Here the query says once what it says, with a
`param` wherever something differs from time to time; what does not is a part of the statement, so that partial indexes
are found. A process that has children compiles all of them before, for none of them to do it (`compile_all`). Each
session prepares a statement when it first makes it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from datetime import datetime, timedelta
from functools import cache, cached_property, partial
from types import SimpleNamespace
from typing import Any, ClassVar, NoReturn, cast, override
from weakref import WeakSet

import psycopg
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import BigIntegerField, BooleanField, Expression, F, Func, Model, QuerySet, Value
from django.db.models.sql import InsertQuery, Query, UpdateQuery
from psycopg.types.json import Jsonb
from psycopg.types.numeric import Int8

from flowlog.roundtrip import Answer, Prepared, ask

_PLACE = re.compile(r"%[s%]")
_VALUE = re.compile(r"%\((\w+)\)([sb])")


type Compiled = tuple[str, Any]
"""SQL and its parameters."""


class _Param(Expression):
    """A place in a statement whose value is given, by this name, each time that the statement is made."""

    def __init__(self, name: str, output_field: Any) -> None:
        super().__init__(output_field=output_field)
        self.name, self.has_type = name, output_field is not None

    @override
    def as_sql(self, *_args: Any, **_options: Any) -> Any:
        return "%s", (self,)


def param(name: str, output_field: Any = None) -> Any:
    """Such a place; of which kind, where the query cannot tell by itself."""
    return _Param(name, output_field)


class _Among(Func):
    template = "(%(expressions)s))"
    arg_joiner = " = ANY("
    output_field = BooleanField()


def among(field: str, keys: QuerySet[Any] | Iterable[int]) -> _Among:
    """A condition: whether the field is one of these ids.

    Of a query an index answers it, whatever number of rows PostgreSQL expects. Of very many ids it is one array, where
    `__in` takes a place in the statement for each.
    """
    if isinstance(keys, QuerySet):
        return _Among(F(field), ArraySubquery(keys))
    return _Among(F(field), Value(list(keys), output_field=ArrayField(BigIntegerField())))


class _Recording(QuerySet[Any]):
    """A query whose `update` is not made, but returned as SQL with its parameters."""

    @override
    def update(self, **changes: Any) -> Any:
        query: Any = self.query.chain(UpdateQuery)
        query.add_update_values(changes)
        return _compiler(query).as_sql()


def recording(rows: QuerySet[Any]) -> Any:
    """The rows for a move that is to be recorded: it returns, instead of how many it changed, the statement."""
    return _Recording(rows.model, rows.query.chain())


class Statement:
    """What `build` comes to, once it is needed: a query to be read, questions (`asking.asked`), or the SQL of a move of
    rows that are `recording`.

    Called with a value for each `param`. A text in it is a `str`, a number an `int`, whatever their columns are. What
    no query can say is written as SQL, with a `%(name)s` for each.
    """

    defined: ClassVar[WeakSet[Statement]] = WeakSet()

    def __init__(self, build: Callable[[], Any] | str) -> None:
        self._build = build
        self.defined.add(self)

    def given(self, **values: Any) -> Call:
        """With these values, for `together`."""
        return Call(self, values)

    def changed(self, **values: Any) -> int:
        """Make it; how many rows it changed."""
        answer = self._answer(values)
        return answer if isinstance(answer, int) else len(answer)

    def fetched(self, **values: Any) -> list[tuple[Any, ...]]:
        """Make it; the rows that it returns, as PostgreSQL has them."""
        return cast("list[tuple[Any, ...]]", self._answer(values))

    def _answer(self, values: dict[str, Any]) -> Answer:
        [answer] = _answers([self.given(**values)])
        return answer

    def _read(self, answer: Answer) -> Any:
        return answer

    @cached_property
    def _prepared(self) -> Prepared:
        return Prepared(self._sql)

    @cached_property
    def _sql(self) -> str:
        if isinstance(self._build, str):
            return self._build
        built = self._build()
        query = built.query if isinstance(built, QuerySet) else built
        return constant(*(_compiler(query).as_sql() if isinstance(query, Query) else query))


class Standalone(Statement):
    """SQL that is a transaction of its own (`standalone`), for what the web does by far the most often: `%(name)s`, or
    `%(name)b` for bytes."""

    @override
    def fetched(self, **values: Any) -> list[tuple[Any, ...]]:
        call = self.given(**values)
        standalone(call)
        return cast("list[tuple[Any, ...]]", call.result)


class Insertion(Statement):
    """The statement that writes the row that `build` returns, with a `param` wherever something differs.

    It returns these columns, and writes one row (`fetched`) or as many as there are values (`each`).
    """

    def __init__(self, build: Callable[[], Model], returning: Sequence[str]) -> None:
        super().__init__(lambda: insertion(build(), returning=returning))

    def each(self, all_values: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
        """Write a row with each of these values, all at once; what each returns, in this order."""
        if len(all_values) == 1:
            return self.fetched(**all_values[0])
        return self._of_many.fetched(rows=Jsonb(all_values, dumps=partial(json.dumps, default=_json)))

    @cached_property
    def _of_many(self) -> Statement:
        into, rest = self._sql.split(" VALUES (", 1)
        values, returned = rest.rsplit(") RETURNING ", 1)
        columns = ", ".join(f'"{name}" {kind}' for name, kind in self._kinds.items())
        values = _VALUE.sub(r'given."\1"', values)
        rows = f"jsonb_to_recordset(%(rows)s) given ({columns})"
        return Statement(f"{into} SELECT {values} FROM {rows} RETURNING {returned}")  # noqa: S608

    @cached_property
    def _kinds(self) -> dict[str, str]:
        """Of which type each value is, by its name."""
        _sql, params = cast("Any", self)._build()
        given = [each for each in params if isinstance(each, _Param)]
        return {each.name: str(each.output_field.db_type(connection)) for each in given}


def _json(value: Any) -> Any:
    """What JSON has no form for, in one that PostgreSQL reads."""
    match value:
        case Jsonb():
            return json.loads(value.dumps(value.obj)) if value.dumps else value.obj
        case datetime():
            return value.isoformat()
        case timedelta():
            return f"{value // timedelta(microseconds=1)} microseconds"
    raise TypeError(f"A row is not written with a {type(value).__name__}.")


class Call:
    """A statement with its values, to be made `together` with others; then it has its `result`."""

    __slots__ = ("result", "statement", "values")

    def __init__(self, statement: Statement, values: dict[str, Any]) -> None:
        self.statement, self.values = statement, values
        self.result: Any = None


def together(*calls: Call) -> None:
    """Make them one after the other in one round trip; where there is no transaction, in one of their own.

    The result of each is what `Rows.all` or `fetched` would return, or how many rows it has changed if it returns none.
    If one fails, so does all after it.
    """
    for call, answer in zip(calls, _answers(calls), strict=True):
        call.result = call.statement._read(answer)


def standalone(*calls: Call) -> None:
    """The same in a transaction of their own, past Django, which logs nothing of it.

    Taking a connection by way of Django costs several times what a short statement does; here a session of the pool is
    told at once. A thread that has a connection already uses that one, as everybody does: it may be in a transaction.
    """
    own: Any = connections[DEFAULT_DB_ALIAS]
    if own.connection or not own.pool:
        together(*calls)
        return
    with own.wrap_database_errors:
        own.pool.open()
        session = own.pool.getconn()
        try:
            answers = ask(session, [(call.statement._prepared, _typed(call.values)) for call in calls], begins=False)
        finally:
            own.pool.putconn(session)
    for call, answer in zip(calls, answers, strict=True):
        call.result = call.statement._read(answer)


def _answers(calls: Sequence[Call]) -> list[Answer]:
    own: Any = connections[DEFAULT_DB_ALIAS]
    own.ensure_connection()
    own.validate_no_broken_transaction()
    if own.queries_logged or own.execute_wrappers:
        return [_watched(own, call) for call in calls]
    return _asked(own, calls)


def _asked(own: Any, calls: Sequence[Call]) -> list[Answer]:
    asked = [(call.statement._prepared, _typed(call.values)) for call in calls]
    with own.wrap_database_errors:
        return ask(own.connection, asked, begins=not own.connection.autocommit)


def _watched(own: Any, call: Call) -> Answer:
    """One alone, as Django notes and wraps what its cursors are asked."""

    def executed(*_what: Any) -> Answer:
        [answer] = _asked(own, [call])
        return answer

    execute: Callable[..., Answer] = executed
    is_many = False
    for wrapper in reversed(own.execute_wrappers):
        execute = partial(wrapper, execute)
    began = time.monotonic()
    try:
        return execute(call.statement._sql, call.values, is_many, {"connection": own})
    finally:
        if own.queries_logged:
            took = time.monotonic() - began
            own.queries_log.append({"sql": call.statement._prepared.numbered.decode(), "time": f"{took:.3f}"})


class Rows[M: Model](Statement):
    """The same for a query of whole rows."""

    def __init__(self, build: Callable[[], QuerySet[M]]) -> None:
        super().__init__(build)
        self._rows = build

    def all(self, **values: Any) -> list[M]:
        """Make it; the rows, with what the query annotates and relates."""
        return self._read(self._answer(values))

    @override
    def _read(self, answer: Answer) -> list[M]:
        # What an iterator of rows asks of a query, which has been compiled and made already. A copy: there are threads.
        compiler = copy(self._compiler)
        compiler.execute_sql = lambda **_options: [answer]
        queryset = self._queryset
        stand_in = SimpleNamespace(
            db=connection.alias,
            model=queryset.model,
            query=SimpleNamespace(get_compiler=lambda using: compiler),  # noqa: ARG005
            _fetch_mode=queryset._fetch_mode,
            _known_related_objects={},
        )
        return list(queryset._iterable_class(cast("Any", stand_in)))

    @cached_property
    def _queryset(self) -> Any:
        return self._rows()

    @cached_property
    def _compiler(self) -> Any:
        compiler = _compiler(self._queryset.query)
        compiler.statement = compiler.as_sql()
        columns = [each for each, _sql, _alias in compiler.select]
        converters, are_composite = compiler.get_converters(columns), compiler.has_composite_fields(columns)
        compiler.get_converters = lambda _columns: converters
        compiler.has_composite_fields = lambda _columns: are_composite
        return compiler

    @cached_property
    @override
    def _sql(self) -> str:
        return constant(*self._compiler.statement)


def compile_all() -> None:
    """Compile the statements that are defined so far; the database is asked nothing."""
    for each in list(Statement.defined):
        _ = each._prepared


def _compiler(query: Any) -> Any:
    return query.get_compiler(connection=_unopened())


@cache
def _unopened() -> Any:
    """A connection to compile for, which is never opened: whether a transaction is begun, its user sees to.

    All threads compile for the same, so that none may open it: no statement may depend on the server's version.
    """
    unopened = connection.copy()
    unopened.get_autocommit = lambda: False  # type: ignore[method-assign]
    unopened.ensure_connection = _refuse  # type: ignore[method-assign]
    # What is refused is refused alike in each thread.
    unopened.inc_thread_sharing()
    return unopened


def _refuse() -> NoReturn:
    raise ImproperlyConfigured("A statement is compiled once, without asking the server.")


def keep(row: Model, related: str, rows: Sequence[Model]) -> None:
    """Let the row have these as those that are related to it, as if they had been prefetched."""
    known: Any = getattr(row, related).all()
    known._result_cache, known._prefetch_done = list(rows), True
    cache: dict[str, Any] = row.__dict__.setdefault("_prefetched_objects_cache", {})
    cache[related] = known


def stored[M: Model](row: M) -> M:
    """The row, which an insertion has written."""
    row._state.adding, row._state.db = False, connection.alias
    return row


def insertion(row: Model, *, returning: Sequence[str]) -> Compiled:
    """The SQL that writes the row and returns these columns."""
    meta = row._meta
    query = InsertQuery(type(row))
    written = [each for each in meta.concrete_fields if each is not meta.auto_field]
    for each in written:
        value = getattr(row, each.attname)
        if isinstance(value, _Param) and not value.has_type:
            setattr(row, each.attname, param(value.name, each))
    query.insert_values(written, [row])
    compiler = _compiler(query)
    compiler.returning_fields = [meta.get_field(each) for each in returning]
    [statement] = compiler.as_sql()
    return cast("Compiled", statement)


def returning(move: Any, rows: QuerySet[Any], answer: Any) -> Compiled:
    """The SQL of a move of these rows, which returns the answer to a question about each."""
    query = rows.query.chain()
    sql, params = _compiler(query).compile(answer.resolve_expression(query))
    return f"{move[0]} RETURNING {sql}", (*move[1], *params)


def following(move: Any, inserted: Compiled) -> Compiled:
    """The SQL of both in one: the row is written if the move has changed one."""
    (moving, first), (inserting, then) = move, inserted
    into, values = inserting.split(" VALUES ")
    values, returned = values.removeprefix("(").split(") RETURNING ")
    both = f"WITH moved AS ({moving} RETURNING 1) {into} SELECT {values} FROM moved RETURNING {returned}"  # noqa: S608
    return both, (*first, *then)


def constant(statement: str, params: Iterable[Any]) -> str:
    """The statement with all that is no `param` written out."""
    left = iter(params)

    def written(place: re.Match[str]) -> str:
        if place[0] == "%%":
            return "%%"
        value = next(left)
        if isinstance(value, _Param):
            return f"%({value.name})s"
        return psycopg.sql.Literal(value).as_string().replace("%", "%%")

    return _PLACE.sub(written, statement)


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    """With each whole number as the same type, however large it is: else each size is a statement of its own."""
    return {name: Int8(each) if type(each) is int else each for name, each in values.items()}
