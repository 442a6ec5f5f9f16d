"""DEPLOY.md names nothing that does not exist. That its steps work is tried on a server: installation.py.

What README.md tells to type is what CI types.
"""

from __future__ import annotations

import re
import subprocess

import pytest
from babel.messages.pofile import read_po
from django.core.management import get_commands, load_command_class
from django.utils.text import capfirst

from integrations.models import NotificationLog
from tests.deploy.guide import GUIDE, commands
from tests.embedded import BASE_DIR

SCRIPTS = sorted(path.name for path in (BASE_DIR / "deploy").glob("*.sh"))
# Words of the guide's commands that stand for what the operator puts there.
SEPARATORS = re.compile(r"[`#;|&]|\.\s")


def commands_of(program: str) -> list[str]:
    """What the guide writes after the program, up to the end of the command."""
    text = GUIDE.replace("\\\n", " ")
    return [SEPARATORS.split(rest)[0].strip() for rest in re.findall(rf"{re.escape(program)} ([^\n]*)", text)]


def options(words: str) -> set[str]:
    return set(re.findall(r"--[a-z][a-z-]*", words))


@pytest.mark.parametrize("words", sorted(set(commands_of("manage.py"))))
def test_its_management_commands_exist_and_take_these_options(words: str) -> None:
    name = words.split(maxsplit=1)[0].rstrip(":,")
    command = load_command_class(get_commands()[name], name)
    known = command.create_parser("manage.py", name).format_help()
    if action := re.match(rf"{name} ([a-z-]+)", words):
        parser = command.create_parser("manage.py", name)
        subparsers = [each for each in parser._actions if getattr(each, "choices", None) and each.dest == "action"]
        for subparser in subparsers:
            assert subparser.choices is not None
            assert action[1] in subparser.choices
            known += dict(subparser.choices)[action[1]].format_help()
    assert {option for option in options(words) if option not in known} == set()


@pytest.mark.parametrize("script", [name for name in SCRIPTS if "_" not in name and name != "lib.sh"])
def test_its_scripts_take_these_options(script: str) -> None:
    written = commands_of(f"deploy/{script}")
    assert written, f"the guide does not mention {script}"
    done = subprocess.run(
        ["bash", f"deploy/{script}", "--help"], cwd=BASE_DIR, capture_output=True, text=True, check=True
    )
    for words in written:
        assert options(words) - {"--help"} <= options(done.stdout), words


def test_its_settings_are_in_the_example() -> None:
    example = (BASE_DIR / ".env.example").read_text()
    named = set(re.findall(r"`([A-Z][A-Z_]{4,})(?:=[^`]*)?`", GUIDE))
    assert {name for name in named if f"{name}=" not in example} == set()


def test_its_words_are_those_of_the_screen() -> None:
    """In quotes are labels, in the catalog's words; in backticks, after these words, statuses of messages."""
    with (BASE_DIR / "locale" / "pt_BR" / "LC_MESSAGES" / "django.po").open("rb") as file:
        shown = {capfirst(str(message.string)) for message in read_po(file)}
    quoted = set(re.findall(r"“([^”]+)”", GUIDE))
    assert quoted
    assert {capfirst(words) for words in quoted} - shown == set()
    statuses = set(re.findall(r"(?:Mensagens|Mensagens ficam|termina como) `([^`]+)`", GUIDE))
    known = {str(status.label) for status in NotificationLog.Status}
    assert {"incerta", "falhou"} <= statuses
    assert statuses - known == set()


def test_its_links_lead_somewhere() -> None:
    headings = re.findall(r"(?m)^##+ (.+)$", GUIDE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", GUIDE)) <= anchors


def test_its_units_exist() -> None:
    units = {path.name.partition(".")[0] for path in (BASE_DIR / "deploy" / "systemd").iterdir()}
    named = set(re.findall(r"(?<![\w-])flowlog-[a-z]+(?:-[a-z]+)*\b", GUIDE))
    assert named <= units


def test_ci_runs_every_command_of_the_readme() -> None:
    run = " ".join((BASE_DIR / ".ci" / "run").read_text().split())
    told = commands((BASE_DIR / "README.md").read_text())
    assert len(told) > 6
    assert [command for command in told if command not in run] == []
