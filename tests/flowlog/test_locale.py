"""The Portuguese catalog: every text of the code and the templates is in it, translated, with the same placeholders."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from django.conf import settings
from django.contrib.staticfiles import finders
from django.utils import formats, translation
from django.utils.translation import templatize

from flowlog.devtools.management.commands.makemessages import Command as MakeMessages
from tests.staff import client_of, make_staff

SOURCES = ("flowlog", "orders", "integrations", "notifications", "api", "outgoing", "templates")
CATALOG = settings.BASE_DIR / "locale" / "pt_BR" / "LC_MESSAGES" / "django.po"
KEYWORDS = {
    "_": None, "_t": None, "gettext": None, "gettext_lazy": None, "gettext_noop": None,
    "ngettext": (1, 2), "ngettext_lazy": (1, 2), "pgettext": ((1, "c"), 2), "pgettext_lazy": ((1, "c"), 2),
}  # fmt: skip
SCRIPT_KEYWORDS = {name: KEYWORDS.get(name) for name in ("gettext", "gettext_noop", "ngettext", "pgettext")}
# What `templatize` makes of a template's tags, between fillers that are no Python.
CALL = re.compile(r"""\b(?:_|n?p?gettext)\((?:\s*u?(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"),?)+\s*(?:count)?\)""")
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|\{\w*\}")


def texts() -> Iterator[tuple[str, str | tuple[str, ...], str | None]]:
    """Every translatable text, with the file that has it and its context."""
    for folder in SOURCES:
        for file in sorted((settings.BASE_DIR / folder).rglob("*")):
            if file.suffix in {".py", ".html", ".txt"}:
                yield from ((str(file.relative_to(settings.BASE_DIR)), *found) for found in texts_of(file))


def texts_of(file: Path) -> Iterator[tuple[str | tuple[str, ...], str | None]]:
    source = file.read_text(encoding="utf-8")
    if file.suffix != ".py":
        source = "\n".join(CALL.findall(templatize(source)))
    for _line, text, _comments, context in extract("python", io.BytesIO(source.encode()), keywords=KEYWORDS):
        yield text, context


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    with CATALOG.open("rb") as file:
        return read_po(file, locale="pt_BR", abort_invalid=True)


def translations(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string or [""])


def test_extraction_sees_code_and_templates(tmp_path: Path) -> None:
    code, template = tmp_path / "a.py", tmp_path / "a.html"
    code.write_text('_("one")\nngettext("%(n)d two", "%(n)d twos", n)\n_t("three")\n')
    template.write_text(
        '{% load i18n %}<p>{% translate "four" %}</p>{% translate "it\'s" as x %}'
        "{% blocktranslate count n=n %}{{ n }} five{% plural %}{{ n }} fives{% endblocktranslate %}"
    )
    assert [text for text, _context in texts_of(code)] == ["one", ("%(n)d two", "%(n)d twos"), "three"]
    assert [text for text, _context in texts_of(template)] == ["four", "it's", ("%(n)s five", "%(n)s fives")]


def test_each_text_is_in_the_catalog_once() -> None:
    """Twice, as a merge may leave it, `make messages` refuses the whole catalog."""
    written = Counter(
        re.findall(r'^(?:msgctxt .*\n(?:".*\n)*)?msgid .*\n(?:".*\n)*', CATALOG.read_text(), re.MULTILINE)
    )
    assert [text for text, times in written.items() if times > 1] == []


def test_what_is_new_comes_last_and_nothing_else_changes(tmp_path: Path) -> None:
    catalog = tmp_path / "pt_BR" / "LC_MESSAGES" / "django.po"
    catalog.parent.mkdir(parents=True)
    old = 'msgid ""\nmsgstr ""\n"Language: pt_BR\\n"\n\nmsgid "b"\nmsgstr "B"\n\nmsgid "gone"\nmsgstr "G"\n'
    catalog.write_text(old)
    new = '#: a.py:1\nmsgid "a"\nmsgstr ""\n\n#: a.py:2\nmsgid "b"\nmsgstr ""\n\n#, python-format\n'
    new += 'msgctxt "c"\nmsgid "%(n)d b"\nmsgid_plural "%(n)d bs"\nmsgstr[0] ""\nmsgstr[1] ""\n'
    found = tmp_path / "django.pot"
    found.write_text('#, fuzzy\nmsgid ""\nmsgstr ""\n"Plural-Forms: nplurals=INTEGER; plural=EXPRESSION;\\n"\n\n' + new)
    command = MakeMessages(stdout=io.StringIO())
    command.domain = "django"
    for _time in range(2):
        command.write_po_file(str(found), "pt_BR")
        assert catalog.read_text() == (
            f'{old}\nmsgid "a"\nmsgstr ""\n\n#, python-format\nmsgctxt "c"\n'
            'msgid "%(n)d b"\nmsgid_plural "%(n)d bs"\nmsgstr[0] ""\nmsgstr[1] ""\n'
        )


def test_every_text_is_in_the_catalog(catalog: Catalog) -> None:
    missing = {(file, text) for file, text, context in texts() if catalog.get(text, context) is None}
    assert missing == set()


def test_plurals_are_plurals_in_the_catalog_too(catalog: Catalog) -> None:
    wrong = {
        text
        for _file, text, context in texts()
        if (message := catalog.get(text, context)) and message.pluralizable != isinstance(text, tuple)
    }
    assert wrong == set()


def test_every_text_is_translated(catalog: Catalog) -> None:
    assert [message.id for message in catalog if message.id and (message.fuzzy or not all(translations(message)))] == []


def test_catalog_has_nothing_that_the_code_has_lost(catalog: Catalog) -> None:
    used = {text if isinstance(text, str) else text[0] for _file, text, _context in texts()}
    kept = {message.id if isinstance(message.id, str) else message.id[0] for message in catalog if message.id}
    assert kept - used == set()
    assert dict(catalog.obsolete) == {}


def test_placeholders_agree(catalog: Catalog) -> None:
    wrong = []
    for message in catalog:
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        expected = {frozenset(PLACEHOLDER.findall(text)) for text in ids}
        if not {frozenset(PLACEHOLDER.findall(text)) for text in translations(message)} <= expected:
            wrong.append(message.id)
    assert wrong == []


def script_texts() -> Iterator[tuple[str, str | None]]:
    """Every text of the scripts of Django's admin, of the theme and of ours, with its context."""
    scripts = {file for finder in finders.get_finders() for file, _storage in finder.list([])}
    for script in scripts:
        if script.endswith(".js") and "vendor" not in script:
            with Path(finders.find(script) or "").open("rb") as file:
                for _line, text, _comments, context in extract("javascript", file, keywords=SCRIPT_KEYWORDS):
                    yield text if isinstance(text, str) else text[0], context


@pytest.mark.django_db
def test_scripts_speak_portuguese_too() -> None:
    """Also where Django's own catalog is behind its code: ours has what is missing there."""
    answer = client_of(make_staff()).get("/admin/jsi18n/")
    found = re.search(r"const newcatalog = (\{.*?\n  \});", answer.content.decode(), re.DOTALL)
    assert found
    catalog = json.loads(found[1])
    keys = {text if context is None else f"{context}\x04{text}" for text, context in script_texts()}
    assert "Note: Enter times in the %(timezone)s timezone. (You are %(offset)s hour ahead.)" in keys
    assert keys - catalog.keys() == set()
    # The plurals of the two catalogs are of one mind.
    assert catalog["%(sel)s of %(cnt)s selected"] == [
        "%(sel)s de %(cnt)s selecionado",
        "%(sel)s de %(cnt)s selecionados",
    ]


@pytest.mark.parametrize("month", range(1, 13))
def test_days_and_months_are_written_small(month: int) -> None:
    with translation.override("pt-br"):
        written = formats.date_format(date(2026, month, month), r"l, j \d\e F \d\e Y")
    assert written == written.lower()
    assert written[-len(" de 2026") :] == " de 2026"
    assert month != 11 or written == "quarta-feira, 11 de novembro de 2026"


def test_the_first_process_after_an_update_speaks_portuguese_already() -> None:
    """Nothing may read a catalog before it was compiled, not even the admin's discovery."""
    for compiled in settings.COMPILED_LOCALE_DIR.rglob("*.mo"):
        compiled.unlink()
    code = "import django; django.setup(); from django.utils.translation import gettext; print(gettext('Ship'))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "Marcar como enviado\n"
