"""A small campaign of faults in the suite; `make faults` is the same at any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.faults.campaign import run
from tests.faults.plan import Kind

SEED, SIZE = 7, 110


def test_nothing_is_lost_while_a_little_of_everything_fails(
    tmp_path: Path, settings: Any, django_db_blocker: Any
) -> None:
    with django_db_blocker.unblock():
        outcome = run(SEED, SIZE, tmp_path, settings, senders=3)
    complaints = outcome.report.complaints()
    assert not complaints, f"{outcome.table()}\n{complaints}"
    assert outcome.report.messages >= SIZE
    assert {kind for kind, _what in outcome.happened} == set(Kind)
    assert outcome.worker_kills > 1
