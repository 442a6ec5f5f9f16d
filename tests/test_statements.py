"""tests/statements.py: what is repeated on other servers asks them everything."""

from __future__ import annotations

from typing import Any

import pytest

from tests.statements import _HOME, _LIBRARIES, _digest, _is_ours, choose, longest_first


def note(test: str, asked: str, seconds: float = 1, several: bool = False) -> dict[str, Any]:
    return {"test": test, "seconds": seconds, "several": several, "asked": asked.split()}


def test_all_is_asked_again_by_the_quickest() -> None:
    notes = [note("slow", "a b c", 9), note("one", "a b"), note("other", "b c"), note("none", ""), note("known", "b")]
    assert choose(notes, set()) == {"one", "other"}


def test_what_is_marked_or_asked_by_several_threads_is_always_repeated() -> None:
    notes = [note("marked", "a"), note("at once", "a", several=True), note("a", "a"), note("b", "a b")]
    assert choose(notes, {"marked", "gone"}) == {"marked", "at once", "b"}


def test_the_files_that_take_longest_come_first() -> None:
    class Test:
        def __init__(self, nodeid: str) -> None:
            self.nodeid = nodeid
            self.location = (nodeid.partition("::")[0], 0, "")

    names = ["a.py::one", "b.py::one", "c.py::new", "a.py::two", "b.py::two"]
    tests: Any = [Test(name) for name in names]
    seconds = {"a.py::one": 2.0, "a.py::two": 2.0, "b.py::one": 5.0, "b.py::two": 0.1}
    ordered = [test.nodeid for test in longest_first(tests, seconds)]
    assert ordered == ["b.py::one", "b.py::two", "a.py::one", "a.py::two", "c.py::new"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("SELECT 1 FROM a WHERE id IN (%s, %s, %s) LIMIT 21", "SELECT 1 FROM a WHERE id IN (%s) LIMIT 3", True),
        ("INSERT INTO a VALUES (%s, NULL), (%s, NULL)", "INSERT INTO a VALUES (%s, NULL)", True),
        ('SAVEPOINT "s14_x2"', 'SAVEPOINT "s9_x31"', True),
        ("SELECT a FROM b", "SELECT a FROM c", False),
        ("SELECT 1 FROM a WHERE id = %s", "SELECT 1 FROM a WHERE id = %s FOR UPDATE", False),
        ("UniqueViolation once INSERT INTO a VALUES (%s)", "INSERT INTO a VALUES (%s)", False),
    ],
)
def test_a_statement_is_the_same_whatever_its_values(one: str, other: str, same: bool) -> None:
    assert (_digest(one) == _digest(other)) is same


def asked_from(*files: str) -> bool:
    """Whether a statement is ours that is made in the last of these files, which those before it call."""
    names: dict[str, Any] = {"made": lambda: _is_ours()}  # noqa: PLW0108 - it stands for what notes it
    for file in reversed(files):
        exec(compile("def made(make=made): return make()", file, "exec"), names)  # noqa: S102 - ours
    return bool(names["made"]())


@pytest.mark.parametrize(
    ("files", "ours"),
    [
        ([f"{_HOME}/orders/services.py"], True),
        ([f"{_HOME}/orders/services.py", f"{_LIBRARIES}/lib/django/db/models/query.py"], True),
        ([f"{_HOME}/orders/services.py", f"{_HOME}/tests/factories.py"], False),
        ([f"{_HOME}/tests/flush.py", f"{_LIBRARIES}/lib/django/db/models/query.py"], False),
        ([f"{_LIBRARIES}/lib/django/db/models/query.py"], False),
    ],
)
def test_what_a_test_asks_for_itself_is_not_flowlogs(files: list[str], ours: bool) -> None:
    assert asked_from(*files) is ours
