"""What each test asks of the servers, and which tests ask all of it of other servers (a pytest plugin).

Servers of other versions may answer a statement otherwise; which values it has is the same to them. So the run on the
embedded servers notes what each test says to them (`--note-statements`), and the run on others repeats so many tests
that all of it is said to them, too (`--other-servers`):

- every SQL statement that Flowlog makes in a test's process, and every error that one ends with, is made by a test that
  is repeated; so is every command to the broker. Of the tests that would do, the quickest are chosen. What a test asks
  for itself, to see what became of it, is not Flowlog's;
- whatever is asked in the middle of another thread's transaction is repeated: who waits for whom is more than its
  statements;
- so is what is marked `other_servers`: processes of its own say what is not seen here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from redis.connection import AbstractConnection

from flowlog import prepared, roundtrip

# What differs from test to test in one and the same statement: names of savepoints and cursors, numbers, how many rows.
_VARYING = re.compile(r"s\d+_x\d+|_django_curs_\w+|'(?:[^']|'')*'|\d+")
_ROWS = re.compile(r"(\([^()]*\)|%s(?:::\w+)?)(?:, *\1)+")
_HOME = Path(__file__).resolve().parent.parent
_TESTS, _LIBRARIES = f"{_HOME}/tests/", f"{_HOME}/.venv"
_IN_THE_MIDDLE = {TransactionStatus.ACTIVE, TransactionStatus.INTRANS, TransactionStatus.INERROR}


def pytest_addoption(parser: pytest.Parser) -> None:
    notes = {"type": Path, "metavar": "FOLDER"}
    parser.addoption("--note-statements", **notes, help="note there what each test asks of the servers")
    parser.addoption("--other-servers", **notes, help="by such notes, only what asks all of it of other servers")


def pytest_configure(config: pytest.Config) -> None:
    folder: Path | None = config.getoption("note_statements")
    if folder is None:
        return
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    config.pluginmanager.register(_Notes(folder / f"{worker or 'all'}.jsonl"))


class _Notes:
    """Writes a line for each test: its name, how long it took, and what it asked."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("w", buffering=1)
        self._asked: set[str] = set()
        self._several = False
        self._spoke: dict[int, psycopg.Connection] = {}
        for owner, name in ((psycopg.Cursor, "execute"), (psycopg.Cursor, "executemany"), (psycopg.Cursor, "copy")):
            setattr(owner, name, self._noting(getattr(owner, name)))
        vars(prepared)["ask"] = self._noting_round_trips(roundtrip.ask)
        AbstractConnection.send_command = self._noting_commands(AbstractConnection.send_command)  # type: ignore[method-assign]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, bool, bool]:
        self._asked, self._several, self._spoke = set(), False, {}
        began = time.monotonic()
        ran = yield
        asked = sorted({_digest(each) for each in self._asked})
        note = {"test": item.nodeid, "seconds": time.monotonic() - began, "several": self._several, "asked": asked}
        self._file.write(json.dumps(note) + "\n")
        return ran

    def pytest_unconfigure(self) -> None:
        self._file.close()

    def _noting(self, does: Callable[..., Any]) -> Callable[..., Any]:
        def noting(cursor: psycopg.Cursor, query: Any, *args: Any, **kwargs: Any) -> Any:
            said = query if isinstance(query, str) else _text(query, cursor)
            with self._noted(cursor.connection, [said]):
                return does(cursor, query, *args, **kwargs)

        return noting

    def _noting_round_trips(self, does: Callable[..., Any]) -> Callable[..., Any]:
        def noting(session: psycopg.Connection, asked: Any, **kwargs: Any) -> Any:
            with self._noted(session, [statement.sql for statement, _values in asked]):
                return does(session, asked, **kwargs)

        return noting

    @contextmanager
    def _noted(self, session: psycopg.Connection, said: list[str]) -> Iterator[None]:
        here = threading.get_ident()
        others = [last for thread, last in list(self._spoke.items()) if thread != here and last is not session]
        self._several |= any(last.info.transaction_status in _IN_THE_MIDDLE for last in others)
        self._spoke[here] = session
        try:
            yield
        except psycopg.Error as error:
            if _is_ours():
                self._asked.update(f"{type(error).__name__} {error.diag.constraint_name} {each}" for each in said)
            raise
        if not self._asked.issuperset(said) and _is_ours():
            self._asked.update(said)

    def _noting_commands(self, does: Callable[..., Any]) -> Callable[..., Any]:
        def noting(connection: Any, *words: Any, **kwargs: Any) -> Any:
            self._asked.add(f"redis {words[0]}")
            return does(connection, *words, **kwargs)

        return noting


def _is_ours() -> bool:
    """Whether it is Flowlog's code that asks: of all that is neither a library's nor this file's, the innermost."""
    frame = sys._getframe(2)
    others = (_LIBRARIES, __file__)
    while frame and (not (file := frame.f_code.co_filename).startswith(f"{_HOME}/") or file.startswith(others)):
        frame = frame.f_back  # type: ignore[assignment]
    return bool(frame) and not frame.f_code.co_filename.startswith(_TESTS)


def _text(query: Any, cursor: psycopg.Cursor) -> str:
    return query.decode() if isinstance(query, bytes) else str(query.as_string(cursor))


def _digest(said: str) -> str:
    return hashlib.md5(_ROWS.sub(r"\1", _VARYING.sub("?", said)).encode(), usedforsecurity=False).hexdigest()[:12]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    folder: Path | None = config.getoption("other_servers")
    if folder is None:
        return
    notes = [json.loads(line) for file in sorted(folder.iterdir()) for line in file.read_text().splitlines()]
    there = {item.nodeid: item for item in items}
    marked = {name for name, item in there.items() if item.get_closest_marker("other_servers")}
    chosen = choose([note for note in notes if note["test"] in there], marked)
    # What is new since then, too.
    chosen |= there.keys() - {note["test"] for note in notes}
    config.hook.pytest_deselected(items=[item for name, item in there.items() if name not in chosen])
    seconds = {note["test"]: note["seconds"] for note in notes}
    items[:] = longest_first([item for item in items if item.nodeid in chosen], seconds)


def longest_first(items: list[pytest.Item], seconds: dict[str, float]) -> list[pytest.Item]:
    """File by file: at the end no worker is alone with a long one."""
    files: dict[str, float] = defaultdict(float)
    for item in items:
        files[item.location[0]] += seconds.get(item.nodeid, 0)
    return sorted(items, key=lambda item: (-files[item.location[0]], item.location[0]))


def choose(notes: list[dict[str, Any]], marked: set[str]) -> set[str]:
    """The names of tests that ask all that is in the notes, among them the marked and those of several threads."""
    asked = {note["test"]: set(note["asked"]) for note in notes}
    chosen = {note["test"] for note in notes if note["several"]} | marked & asked.keys()
    missing = set().union(*asked.values()) - set().union(*(asked[name] for name in chosen))
    seconds = {note["test"]: note["seconds"] + 0.01 for note in notes}
    left = sorted(asked.keys() - chosen)
    while missing:
        best = max(left, key=lambda name: len(asked[name] & missing) / seconds[name])
        missing -= asked[best]
        chosen.add(best)
        left = [name for name in left if name != best and asked[name] & missing]
    return chosen
