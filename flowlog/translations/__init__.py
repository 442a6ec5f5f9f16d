"""Compiling the message catalogs when a process starts.

Only the `.po` files are kept in the repository, and a deployment has no step for the compiled ones: so each start
compiles those that are missing or older than their source, into a folder that the process may write to.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from django.utils.functional import Promise

# What is shown to people: translated already, or when it is shown.
type Words = str | Promise

_SOURCE = Path(__file__).resolve().parents[2] / "locale" / "pt_BR" / "LC_MESSAGES" / "django.po"


def read_gettext(text: str) -> str:
    """The text in Portuguese, for errors in the settings: while these are read, Django cannot translate yet."""
    from babel.messages.pofile import read_po  # noqa: PLC0415 - mostly there is nothing to read

    with _SOURCE.open("rb") as file:
        message = read_po(file).get(text)
    return str(message.string) if message and message.string else text


def compile_catalogs(source: Path, target: Path) -> None:
    """Bring `target/<locale>/LC_MESSAGES/*.mo` up to date with `source`. Safe with several processes at once."""
    for catalog in source.glob("*/LC_MESSAGES/*.po"):
        compiled = (target / catalog.relative_to(source)).with_suffix(".mo")
        # Equality, not order: a roll-back brings back an older file, which must win too.
        if not (compiled.is_file() and compiled.stat().st_mtime_ns == catalog.stat().st_mtime_ns):
            _compile(catalog, compiled)


def _compile(catalog: Path, compiled: Path) -> None:
    from babel.messages.mofile import write_mo  # noqa: PLC0415 - nor to compile
    from babel.messages.pofile import read_po  # noqa: PLC0415

    compiled.parent.mkdir(parents=True, exist_ok=True)
    with catalog.open("rb") as file:
        messages = read_po(file, locale=catalog.parts[-3])
    with tempfile.NamedTemporaryFile(dir=compiled.parent, delete=False) as unfinished:
        write_mo(unfinished, messages)
    modified = catalog.stat().st_mtime_ns
    os.utime(unfinished.name, ns=(modified, modified))
    Path(unfinished.name).chmod(0o644)
    Path(unfinished.name).replace(compiled)
