"""Django's `makemessages`, but what the catalog has stays as it is: texts that are new come last, to be translated.

Django's own writes every entry anew, with the line of code that each text is at: any two branches collide in it.
What the code has lost is found by `tests/flowlog/test_locale.py`.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import override

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from django.core.management.commands import makemessages


class Command(makemessages.Command):
    @override
    def write_po_file(self, potfile: str, locale: str) -> None:
        """Append the texts that the catalog of `locale` lacks, without a translation."""
        path = Path(potfile).parent / locale / "LC_MESSAGES" / f"{self.domain}.po"
        # Without its header, which is a form to be filled in.
        _header, _line, entries = Path(potfile).read_bytes().partition(b"\n\n")
        texts = read_po(BytesIO(entries), locale=locale)
        with path.open("rb") as file:
            known = read_po(file, locale=locale)
        new = Catalog(locale=locale)
        for text in texts:
            if text.id and known.get(text.id, text.context) is None:
                new.add(text.id, flags=text.flags, context=text.context)
        if len(new):
            written = BytesIO()
            write_po(written, new, width=0, omit_header=True)
            with path.open("ab") as file:
                file.write(b"\n" + written.getvalue().strip() + b"\n")
        self.stdout.write(f"{len(new)} new in {path}")
