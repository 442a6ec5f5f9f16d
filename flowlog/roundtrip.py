"""Prepared statements told to a session in one round trip: several at once, and what begins their transaction as well.

psycopg's cursors look at every statement anew, and wait for BEGIN. Here a statement is read once, each session prepares
it when it is first told it, and what is sent together is heard together, by libpq's pipeline. It is for sessions whose
cursors prepare nothing (`prepare_threshold` of None): psycopg would have the server forget all when a transaction of it
is rolled back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, cast

import psycopg
from psycopg import abc
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.generators import execute, fetch_many, send
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

type Answer = list[tuple[Any, ...]] | int
"""The rows that a statement returns, or how many it has changed if it returns none."""

_PLACE = re.compile(r"%(?:\((\w+)\)[sb]|%)")
_DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)

# No name is given twice: of one that a session was told, and that was not noted, another knows nothing.
_numbers = count(1)


class _Known:
    """What a session has learned: by a statement and the types of its values the name by which it knows it, and by the
    statement what translates its values and rows, which to set up costs as much as a short statement."""

    def __init__(self) -> None:
        self.names: dict[Any, bytes] = {}
        self.readers: dict[Prepared, abc.Transformer] = {}

    @classmethod
    def of(cls, session: psycopg.Connection) -> _Known:
        # It refers to its session: anywhere else it would keep that from ever being forgotten.
        own = vars(session)
        if "flowlog_known" not in own:
            own["flowlog_known"] = cls()
        return cast("_Known", own["flowlog_known"])

    def reader(self, statement: Prepared, session: psycopg.Connection) -> abc.Transformer:
        if statement not in self.readers:
            self.readers[statement] = Transformer(session)
        return self.readers[statement]


class Prepared:
    """SQL with a `%(name)s` for each value, `%(name)b` for bytes, and `%%` for a percent sign."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.names = list(dict.fromkeys(filter(None, _PLACE.findall(sql))))
        numbers = {name: f"${number}" for number, name in enumerate(self.names, start=1)}
        self.numbered = _PLACE.sub(lambda place: numbers[place[1]] if place[1] else "%", sql).encode()
        self.formats = [PyFormat.AUTO] * len(self.names)


def ask(
    session: psycopg.Connection, asked: Sequence[tuple[Prepared, Mapping[str, Any]]], *, begins: bool
) -> list[Answer]:
    """Tell the session these statements with their values, one after the other; what it answers to each.

    `begins`: whether they begin a transaction, where none is open. If one fails, so does all after it, and its error is
    raised. A session that was not heard to the end is closed.
    """
    if not asked:
        return []
    pgconn, known = session.pgconn, _Known.of(session)
    commands: list[Callable[[], None]] = []
    if begins and pgconn.transaction_status == TransactionStatus.IDLE:
        commands.append(partial(pgconn.send_query_params, b"BEGIN", None))
    # By the command's place.
    readers: dict[int, abc.Transformer] = {}
    prepares: dict[Any, tuple[int, bytes]] = {}
    for statement, values in asked:
        reader = known.reader(statement, session)
        given = reader.dump_sequence([values[name] for name in statement.names], statement.formats)
        key = (statement, reader.types)
        name = known.names.get(key)
        if name is None:
            if key not in prepares:
                prepares[key] = (len(commands), b"flowlog_%d" % next(_numbers))
                commands.append(partial(pgconn.send_prepare, prepares[key][1], statement.numbered, reader.types))
            name = prepares[key][1]
        readers[len(commands)] = reader
        commands.append(partial(pgconn.send_query_prepared, name, given, reader.formats))
    try:
        results = _together(session, commands) if len(commands) > 1 else _alone(session, commands[0])
    except BaseException:
        session.close()
        raise
    done = [result.status in _DONE for result in results]
    known.names.update({key: name for key, (place, name) in prepares.items() if done[place : place + 1] == [True]})
    for result in results:
        if result.status not in _DONE:
            raise _error(session, result)
    if len(results) < len(commands):
        raise psycopg.OperationalError("The session has ended.")
    return [_read(reader, results[place]) for place, reader in readers.items()]


def _alone(session: psycopg.Connection, command: Callable[[], None]) -> list[PGresult]:
    command()
    return [session.wait(execute(session.pgconn))[-1]]


def _together(session: psycopg.Connection, commands: Sequence[Callable[[], None]]) -> list[PGresult]:
    """What is said to each; after one that failed, to each but that it is not done."""
    session.pgconn.enter_pipeline_mode()
    for command in commands:
        command()
    session.pgconn.pipeline_sync()
    results = session.wait(_heard(session))
    if results[-1:] and results[-1].status == ExecStatus.PIPELINE_SYNC:
        session.pgconn.exit_pipeline_mode()
        return results[:-1]
    # The server has ended it.
    session.close()
    return results


def _heard(session: psycopg.Connection) -> abc.PQGen[list[PGresult]]:
    """What is said to each, and at last to the sync."""
    yield from send(session.pgconn)
    results: list[PGresult] = []
    while heard := (yield from fetch_many(session.pgconn)):
        results.append(heard[-1])
        if heard[-1].status == ExecStatus.PIPELINE_SYNC:
            break
    return results


def _read(reader: abc.Transformer, result: PGresult) -> Answer:
    if result.status == ExecStatus.COMMAND_OK:
        return result.command_tuples or 0
    reader.set_pgresult(result)
    try:
        return reader.load_rows(0, result.ntuples, tuple)
    finally:
        # The reader stays; what it has read need not.
        reader.set_pgresult(None)


def _error(session: psycopg.Connection, result: PGresult) -> psycopg.Error:
    error = error_from_result(result)
    if isinstance(error, (psycopg.errors.FeatureNotSupported, psycopg.errors.InvalidSqlStatementName)):
        # A column has got another type since, or the server was told to forget: the next session prepares it anew.
        session.close()
    return error
