"""Statements told to a session in one round trip: what it answers, and what becomes of a session that does not."""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.types.numeric import Int8

from flowlog import roundtrip
from flowlog.roundtrip import Prepared, ask

SUM = Prepared("SELECT %(one)s::bigint + %(other)s::bigint, '100%%'")
MAKE = Prepared("INSERT INTO numbers VALUES (%(number)s)")
FIND = Prepared("SELECT number, note FROM numbers WHERE number > %(number)s ORDER BY number")


def number(value: int) -> dict[str, Any]:
    return {"number": Int8(value)}


@pytest.fixture
def session() -> Iterator[psycopg.Connection]:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=None) as session:
        session.execute("CREATE TEMP TABLE numbers (number bigint PRIMARY KEY, note text)")
        yield session


def told(session: psycopg.Connection, *asked: tuple[Prepared, dict[str, Any]], begins: bool = False) -> Any:
    return ask(session, asked, begins=begins)


def is_in_transaction(session: psycopg.Connection) -> bool:
    return session.info.transaction_status == TransactionStatus.INTRANS


def prepared(session: psycopg.Connection) -> int:
    [[number]] = session.execute("SELECT count(*) FROM pg_prepared_statements").fetchall()
    return int(number)


def test_each_answer_and_each_statement_prepared_once(session: psycopg.Connection) -> None:
    for first in (1, 3):
        answers = told(session, (MAKE, number(first)), (MAKE, number(first + 1)), (FIND, number(first - 1)))
        assert answers == [1, 1, [(first, None), (first + 1, None)]]
    assert told(session, (SUM, {"one": Int8(1), "other": Int8(2)})) == [[(3, "100%")]]
    assert told(session, (SUM, {"one": Int8(1), "other": None})) == [[(None, "100%")]]
    # The last with a value of no type is another one.
    assert prepared(session) == 4


def test_what_begins_a_transaction(session: psycopg.Connection) -> None:
    told(session, (MAKE, number(1)), begins=True)
    assert is_in_transaction(session)
    told(session, (MAKE, number(2)), begins=True)
    session.rollback()
    assert told(session, (FIND, number(0))) == [[]]
    told(session, (MAKE, number(3)))
    assert not is_in_transaction(session)
    # Both are still known, though it was rolled back.
    assert (prepared(session), told(session, (FIND, number(0)))) == (2, [[(3, None)]])


def test_with_one_that_fails_all_fails_and_what_was_not_prepared_is_later(session: psycopg.Connection) -> None:
    told(session, (MAKE, number(1)))
    for _ in range(2):
        with pytest.raises(psycopg.errors.UniqueViolation):
            told(session, (MAKE, number(2)), (MAKE, number(1)), (FIND, number(0)))
        assert session.pgconn.pipeline_status == PipelineStatus.OFF
        assert told(session, (MAKE, number(3)), (SUM, {"one": Int8(1), "other": Int8(1)})) == [1, [(2, "100%")]]
        assert told(session, (FIND, number(0))) == [[(1, None), (3, None)]]
        session.execute("DELETE FROM numbers WHERE number = 3")
    assert prepared(session) == 3


def test_a_value_that_cannot_be_is_told_to_nobody(session: psycopg.Connection) -> None:
    with pytest.raises(psycopg.DataError):
        told(session, (MAKE, number(1)), (SUM, {"one": "a\0b", "other": Int8(1)}))
    assert told(session, (FIND, number(0))) == [[]]


@pytest.mark.parametrize("number_of", [1, 3])
def test_a_session_that_the_server_ends(session: psycopg.Connection, number_of: int) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [session.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        told(session, *[(SUM, {"one": Int8(1), "other": Int8(1)})] * number_of)
    assert session.closed


@pytest.mark.parametrize("number_of", [1, 3])
def test_a_session_that_ends_itself_in_the_middle(session: psycopg.Connection, number_of: int) -> None:
    end = Prepared("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(psycopg.OperationalError):
        told(session, *[(end, {})] * number_of)
    assert session.closed


@pytest.mark.parametrize("number_of", [1, 3])
def test_a_session_that_is_not_heard_to_the_end_is_closed(
    session: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, number_of: int
) -> None:
    """As by a task's time limit."""

    def interrupted(_generator: Any) -> Any:
        raise TimeoutError

    monkeypatch.setattr(session, "wait", interrupted)
    with pytest.raises(TimeoutError):
        told(session, *[(SUM, {"one": Int8(1), "other": Int8(1)})] * number_of)
    assert session.closed


@pytest.mark.parametrize("number_of", [1, 3])
def test_what_fails_only_at_the_end_fails(session: psycopg.Connection, number_of: int) -> None:
    """As a foreign key of Django's does."""
    session.execute("CREATE TEMP TABLE notes (number bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    write = Prepared("INSERT INTO notes SELECT %(number)s FROM generate_series(1, %(times)s::bigint)")
    assert told(session, (write, {**number(1), "times": Int8(1)})) == [1]
    for times in (1, 2):
        with pytest.raises(psycopg.errors.UniqueViolation):
            told(session, *[(write, {**number(1), "times": Int8(times)})] * number_of)
    assert told(session, *[(write, {**number(2), "times": Int8(1)})] * 1) == [1]


def test_a_session_that_was_told_to_forget_is_replaced(session: psycopg.Connection) -> None:
    told(session, (FIND, number(0)))
    session.execute("DEALLOCATE ALL")
    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        told(session, (FIND, number(0)))
    assert session.closed


def test_nothing_is_told_of_nothing(session: psycopg.Connection) -> None:
    assert told(session, begins=True) == []
    assert not is_in_transaction(session)


def test_a_session_that_has_ended_is_forgotten() -> None:
    session = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    told(session, (SUM, {"one": Int8(1), "other": Int8(1)}))
    ended = weakref.ref(session)
    session.close()
    del session
    gc.collect()
    assert ended() is None


def test_a_statement_told_twice_with_other_values_and_types_answers_each(session: psycopg.Connection) -> None:
    same = Prepared("SELECT pg_typeof(%(value)s)::text, %(value)s")
    moment = datetime(2026, 11, 29, tzinfo=UTC)
    asked = [(same, {"value": value}) for value in (Int8(1), moment, Int8(3), True, Int8(2))]
    kinds = ("bigint", 1), ("timestamp with time zone", moment), ("bigint", 3), ("boolean", True)
    wanted = [*kinds, ("bigint", 2)]
    assert told(session, *asked) == [[each] for each in wanted]
    assert [told(session, each) for each in reversed(asked)] == [[[each]] for each in reversed(wanted)]


def test_what_was_read_is_not_kept(session: psycopg.Connection) -> None:
    much = Prepared("SELECT repeat('x', 1000000)")
    told(session, (much, {}))
    reader = roundtrip._Known.of(session).readers[much]
    assert reader.pgresult is None
