"""Only `integrations.messages.state_changes` changes rows of the outbox: found by reading the code."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOVES = ROOT / "integrations/messages/state_changes.py"
APPS = ("flowlog", "orders", "integrations", "notifications", "api", "outgoing")
# No other model that is written by an UPDATE has fields of these names.
OWN = frozenset(
    {"status", "next_attempt_at", "lookup_at", "lease_until", "claim_token", "woken_at", "wakes", "blocked"}
)
WRITERS = ("update", "save", "bulk_update", "aupdate", "asave", "abulk_update")
SAMPLES = (
    'NotificationLog.objects.filter(pk=1).update(attempts=1, status="sent")',
    "unlocked(rows).update(\n    lookup_at=Now(),\n)",
    'row.save(update_fields=["message", "next_attempt_at"])',
    'row.save(update_fields=("lease_until",))',
    'NotificationLog.objects.bulk_update(rows, ["claim_token"])',
    'rows.update(**{"woken_at": None})',
)
FINE = (
    'rows.update(message="", error_code="")',
    'moves.to_sent(rows.filter(status="sending"), "id")',
    'rows.filter(lookup_at=None).update(recipient="")',
    'NotificationLog.objects.create(status="pending")',
)


def writes(source: str) -> list[int]:
    """The lines on which a row is updated or saved with one of the outbox's own fields."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        call.lineno
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in WRITERS and _named(call) & OWN
    ]


def _named(call: ast.Call) -> set[str]:
    """What the call names: its keywords, and the words in lists and literal dictionaries that it is given."""
    given = [
        *call.args,
        *(keyword.value for keyword in call.keywords if keyword.arg in {None, "update_fields", "fields"}),
    ]
    literal = [each for each in given if isinstance(each, ast.List | ast.Tuple | ast.Set | ast.Dict)]
    words = [node.value for each in literal for node in ast.walk(each) if isinstance(node, ast.Constant)]
    return {keyword.arg for keyword in call.keywords if keyword.arg} | {word for word in words if isinstance(word, str)}


def test_finds_what_it_is_to_find_and_nothing_else() -> None:
    assert [bool(writes(sample)) for sample in SAMPLES] == [True] * len(SAMPLES)
    assert [writes(fine) for fine in FINE] == [[]] * len(FINE)
    assert writes(MOVES.read_text())


def test_nobody_else_moves_a_message() -> None:
    files = [path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]
    found = {str(path.relative_to(ROOT)): writes(path.read_text()) for path in files if path != MOVES}
    assert {path: lines for path, lines in found.items() if lines} == {}
