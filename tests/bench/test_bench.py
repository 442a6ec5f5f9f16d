"""`make bench`: its scripts are found, and figures are told as they were found. How fast things are is not tested."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from django.db import connection, transaction

from integrations.models import NotificationLog
from orders.models import Order, OrderEvent, Store
from orders.transitions import TRANSITIONS
from tests import bench
from tests.bench.__main__ import parse
from tests.bench.figures import Figure, Machine, Run, table, write_results
from tests.bench.load import load
from tests.bench.one import sized
from tests.bench.perfkit import Insert, statements_of
from tests.bench.surroundings import numbered
from tests.processes import environment

MACHINE = Machine(cores=2, load=0.5, pulse_ms=1.25, noise=0.1)
FIGURES = [
    Figure("change", 6.0, "ms", 4.0, "by hand", most=1.8, spread=0.1),
    Figure("drain", 1500.0, "/s", 3000.0, "bare", least=0.6),
    Figure("statements", 8, most=7),
    Figure("memory", 120.25, "MiB"),
]
RUN = Run("status", MACHINE, {"each": 100}, FIGURES, 12.3)


def test_a_ratio_is_held_against_its_bound() -> None:
    assert [each.ratio for each in FIGURES] == [1.5, 0.5, None, None]
    assert [each.reached for each in FIGURES] == [True, False, False, None]
    assert Figure("nothing", 3.0, floor=0.0, most=1).ratio is None
    assert Figure("as much as may be", 2.0, floor=1.0, most=2.0, least=2.0).reached


def test_the_table() -> None:
    broken = Run("idle", MACHINE, error="exit code 1")
    lines = table([RUN, broken]).splitlines()
    quiet = "2 cores, load 0.5, pulse 1.25 ms, noise 10%"
    assert lines == [
        "what           measured     floor  ratio    reach  the floor is",
        f"status (12 s; {quiet})",
        "  change      6 ms ± 5%      4 ms   1.50  ≤ 1.8 ✓  by hand",
        "  drain        1,500 /s  3,000 /s   0.50  ≥ 0.6 ✗  bare",
        "  statements          8                     ≤ 7 ✗",
        "  memory        120 MiB",
        f"idle (0 s; {quiet})",
        "  broke off: exit code 1",
    ]


def test_json_has_what_the_table_has() -> None:
    told = RUN.as_dict()
    assert (told["script"], told["sizes"], told["machine"]["load"]) == ("status", {"each": 100}, 0.5)
    assert [(each["name"], each["ratio"], each["reached"]) for each in told["figures"]] == [
        ("change", 1.5, True), ("drain", 0.5, False), ("statements", None, False), ("memory", None, None),
    ]  # fmt: skip


def test_results_take_the_place_of_the_same_scripts_last_ones(tmp_path: Path) -> None:
    page = tmp_path / "RESULTS.md"
    write_results(page, [RUN, Run("idle", MACHINE, {"changes": 1}, FIGURES[3:])], "2026-11-28", "abc")
    page.write_text(page.read_text() + "\nWhat did not help.\n")
    before = page.read_text()
    assert "2026-11-28, abc; each 100; 2 cores, load 0.5, pulse 1.25 ms, noise 10%." in before
    assert "| change | 6 ms ± 5% | 4 ms | 1.50 | ≤ 1.8 ✓ | by hand |" in before
    write_results(page, [Run("idle", MACHINE, {"changes": 2}, FIGURES[:1])], "2026-11-29", "def")
    write_results(page, [Run("status", MACHINE, error="exit code 1")], "2026-11-29", "def")
    after = page.read_text()
    head, _idle, end = before.partition("<!-- bench: idle -->")
    assert after.startswith(head)
    assert after.endswith("<!-- bench: end of idle -->\n\nWhat did not help.\n")
    assert end not in after
    assert "2026-11-29, def; changes 2;" in after


def test_every_script_is_found_and_has_sizes_of_both_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOOR_REDIS_URL", "redis://127.0.0.1:9/0")
    monkeypatch.setenv("EVOLUTION_API_KEY", "key")
    others = {"__main__", "one", "gateway", "settings", "floor_web", "test_bench"}
    names = {each.name for each in pkgutil.iter_modules(bench.__path__)} - others
    modules = {name: importlib.import_module(f"tests.bench.{name}") for name in names}
    assert {name for name, module in modules.items() if hasattr(module, "measure")} == {*bench.SCRIPTS}
    for name in bench.SCRIPTS:
        script = modules[name]
        assert script.__doc__
        assert is_dataclass(script.FULL)
        assert type(script.FULL) is type(script.QUICK)
        quick = sized(script, quick=True, changes={"no_such_size": "1"})
        assert all(getattr(quick, each.name) <= getattr(script.FULL, each.name) for each in fields(quick))


def test_a_size_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOOR_REDIS_URL", "redis://127.0.0.1:9/0")
    script = importlib.import_module("tests.bench.status")
    assert sized(script, quick=True, changes={"each": "7"}).each == 7
    assert sized(script, quick=False, changes={}) == script.FULL


def test_the_scripts_are_chosen_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse([]).scripts == list(bench.SCRIPTS)
    chosen = parse(["idle", "status", "--quick", "--set", "each=3"])
    assert (chosen.scripts, chosen.quick, chosen.set) == (["idle", "status"], True, ["each=3"])
    for wrong in (["nothing"], ["--set", "each=many"], ["--quick", "--results"]):
        with pytest.raises(SystemExit):
            parse(wrong)
    assert "There is no script nothing" in capsys.readouterr().err


def test_another_number_of_the_same_redis() -> None:
    assert numbered("redis://127.0.0.1:6379/0", 15) == "redis://127.0.0.1:6379/15"
    assert numbered("unix:///run/redis.sock?db=3", 4) == "unix:///run/redis.sock?db=4"
    with pytest.raises(SystemExit):
        numbered("redis://127.0.0.1:6379", 1)


@pytest.mark.django_db(transaction=True)
def test_each_statement_is_counted_once_however_many_there_were_before() -> None:
    def many() -> None:
        with connection.cursor() as cursor:
            for _ in range(8990):  # the log has room for 9000
                cursor.execute("SELECT 1")

    def few() -> None:
        with transaction.atomic():
            list(Store.objects.all())
            Store.objects.update(phone="")

    assert len(statements_of(many)) == 8990
    for _ in range(4):
        assert [each.split()[0] for each in statements_of(few)] == ["BEGIN", "SELECT", "UPDATE", "COMMIT"]


@pytest.mark.django_db
def test_a_bare_insert_writes_a_row_like_the_one_it_was_made_from() -> None:
    store = Store.objects.create(name="Loja", silent_transitions=["ship"], pickup_days=3)
    insert = Insert(store)
    with connection.cursor() as cursor:
        again = insert(cursor.cursor, name="Outra")
    other = Store.objects.get(pk=again)
    assert (other.name, other.silent_transitions, other.pickup_days) == ("Outra", ["ship"], 3)


@pytest.mark.django_db(transaction=True)
def test_the_rows_of_a_large_shop_are_those_of_the_tables_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", environment()["DATABASE_URL"])
    load(40)
    assert (Order.objects.count(), OrderEvent.objects.count(), NotificationLog.objects.count()) == (40, 200, 200)
    pending = NotificationLog.objects.filter(status="pending")
    assert list(pending.filter(blocked=False).values_list("event", flat=True)) == ["create"] * 8
    assert pending.filter(blocked=True).count() == 32
    assert set(OrderEvent.objects.values_list("transition", flat=True)) <= set(TRANSITIONS)
