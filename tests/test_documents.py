"""What the pages for developers name is there, and the floors that they draw are held."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from integrations.gateways.registry import KINDS
from tests.embedded import BASE_DIR

PAGES = [BASE_DIR / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES += sorted((BASE_DIR / "docs").rglob("*.md"))
PACKAGES = ("flowlog", "orders", "integrations", "notifications", "api", "outgoing")
# What an import upwards is written into, and what it imports: one for each floor.
UPWARDS = {
    "flowlog/env.py": "orders.models",
    "orders/services.py": "integrations.models",
    "integrations/locks.py": "notifications.claims",
    "notifications/claims.py": "api.problems",
    "api/rate.py": "flowlog.monitoring.checks",
    "outgoing/bodies.py": "flowlog.monitoring.checks",
    "flowlog/monitoring/checks.py": "flowlog.operations.checklists.backup",
    "flowlog/operations/checklists/backup.py": "flowlog.devtools.ports",
    "flowlog/devtools/ports.py": "flowlog.operations.checklists.backup",
}


def contracts() -> list[dict[str, object]]:
    settings = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())
    found: list[dict[str, object]] = settings["tool"]["importlinter"]["contracts"]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    linked = [address for address in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in address]
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", text)
    named += re.findall(r"`([\w-]+\.(?:md|toml|txt|py|sh))`", text)
    missing = [path for path in linked if not (page.parent / path).exists()]
    for path in named:
        places = [BASE_DIR, page.parent, *(BASE_DIR / package for package in PACKAGES), BASE_DIR / "templates"]
        if not path.startswith(("var/", "logs/")) and not any((place / path).exists() for place in places):
            missing.append(path)
    assert missing == []


def test_both_lists_of_the_foundation_name_the_same() -> None:
    house, project = ([str(layer).split() for layer in each["layers"]][-1] for each in contracts()[:2])  # type: ignore[attr-defined]
    assert [name.removeprefix("flowlog.") for name in house] == project


def gateways() -> set[str]:
    """The packages of the gateways that there are."""
    return {kind.gateway.__module__.rpartition(".")[0] for kind in KINDS.values()}


def test_no_gateway_is_left_out_where_the_engine_may_know_none() -> None:
    assert contracts()[2]["forbidden_modules"] == sorted(gateways())


def test_an_import_upwards_is_found_on_every_floor(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(BASE_DIR / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(BASE_DIR / "pyproject.toml", tmp_path)
    (tmp_path / "flowlog" / "homeless.py").touch()
    past_the_door = dict.fromkeys(gateways(), "notifications/marks.py")
    upwards = [*UPWARDS.items(), *((file, package) for package, file in past_the_door.items())]
    for file, imported in upwards:
        with (tmp_path / file).open("a") as module:
            module.write(f"\nimport {imported}\n")
    command = [str(BASE_DIR / ".venv" / "bin" / "lint-imports"), "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    told = " ".join(done.stdout.split())
    assert "3 broken" in told
    assert "flowlog.homeless" in told
    for file, imported in upwards:
        line = f"- {file.removesuffix('.py').replace('/', '.')} -> {imported} "
        assert line in told, line


def test_no_name_of_a_test_is_longer_than_70_letters() -> None:
    long = [
        f"{path.relative_to(BASE_DIR)}: {node.name}"
        for path in (BASE_DIR / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and len(node.name) >= 70
    ]
    assert long == []
