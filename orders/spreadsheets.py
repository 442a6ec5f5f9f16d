"""Spreadsheets as shops have them, read with nothing guessed: XLSX, and CSV as Excel and its like write it."""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

MOST_BYTES = 5 * 1024 * 1024
MOST_LINES = 5000
# With gaps between them.
_LAST_ROW = 20_000
# What a packed file may come to: a sheet of so many lines has a tenth of it.
_MOST_UNPACKED = 25 * 1024 * 1024
_MOST_PARTS = 500
_MOST_COLUMNS = 60
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
# Beyond it binary fractions show: 59.900000000000006 was typed as 59.9.
_FRACTION = Decimal("0.000001")
_MOST_DIGITS = 15

type Cell = str | Decimal | date


@dataclass(frozen=True, slots=True)
class Table:
    """The first sheet: its headings, and each line that has anything, with its number as the spreadsheet shows it."""

    headings: list[str]
    lines: list[tuple[int, list[Cell]]]


def read(content: bytes) -> Table:
    """The table in a file. Raises `ValidationError` with a sentence for who uploaded it."""
    if len(content) > MOST_BYTES:
        raise ValidationError(_("The file has more than 5 MB. Divide it, or leave out pictures and other sheets."))
    if content.startswith(_OLE):
        raise ValidationError(
            _("This is a file of an old Excel, or one with a password. Save it as .xlsx or as CSV, without password.")
        )
    rows = _xlsx(content) if content.startswith(_ZIP) else _csv(content)
    return _table((number, cells) for number, row in enumerate(rows, 1) if (cells := _without_end(row)))


def _table(rows: Iterator[tuple[int, list[Cell]]]) -> Table:
    first = next(rows, None)
    if first is None:
        raise ValidationError(_("The file is empty."))
    headings = [cell.strip() if isinstance(cell, str) else "" for cell in first[1]]
    lines = []
    for line in rows:
        lines.append(line)
        if len(lines) > MOST_LINES:
            raise ValidationError(_("The file has more than 5,000 lines. Divide it."))
    if not lines:
        raise ValidationError(_("The file has headings alone: no line follows them."))
    while headings and not headings[-1]:
        headings.pop()
    return Table(headings, lines)


def _without_end(row: list[Cell]) -> list[Cell]:
    while row and row[-1] == "":
        row.pop()
    return row


def _xlsx(content: bytes) -> Iterator[list[Cell]]:
    import openpyxl  # noqa: PLC0415 - a tenth of the start of each process, and hardly any needs it

    broken = _("The file cannot be read as a spreadsheet. Open it, save it again as .xlsx or CSV, and try that.")
    try:
        _check_unpacked(content)
        with warnings.catch_warnings():
            # Of styles and the like that some programs leave out.
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
            rows = _values(book.worksheets[0].iter_rows(max_col=_MOST_COLUMNS, values_only=True))
            yield from rows
            book.close()
    except ValidationError:
        raise
    except Exception as error:
        # The library raises whatever it comes upon in a file that is not as it should be.
        raise ValidationError(broken) from error


def _check_unpacked(content: bytes) -> None:
    """Zip files of a few kilobytes can hold gigabytes. None is unpacked further than it says here."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        sizes = [part.file_size for part in parts.infolist()]
    if sum(sizes) > _MOST_UNPACKED or len(sizes) > _MOST_PARTS:
        raise ValidationError(_("The file is too large once unpacked. Leave out pictures and other sheets."))


def _values(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[Cell]]:
    for number, row in enumerate(rows, 1):
        # Rows that are not in the file at all are given all the same, up to the number that the next one has.
        if number > _LAST_ROW:
            raise ValidationError(_("The file has more than 5,000 lines. Divide it."))
        yield [_cell(value) for value in row] if any(value is not None for value in row) else []


def _cell(value: Any) -> Cell:
    match value:
        case None:
            return ""
        case bool():
            return "sim" if value else "não"
        case int() | Decimal():
            return Decimal(value)
        case float():
            return _exact(value)
        case date():
            return value
    return str(value).strip()


def _exact(value: float) -> Decimal:
    exact = Decimal(repr(value))
    if not exact.is_finite() or abs(exact.adjusted()) > _MOST_DIGITS:
        return exact
    exact = exact.quantize(_FRACTION)
    return exact.normalize() if exact % 1 else exact.to_integral_value()


def _csv(content: bytes) -> Iterator[list[Cell]]:
    text = _decoded(content)
    if "\0" in text:
        raise ValidationError(_("This is no spreadsheet. Send an .xlsx or a CSV file."))
    separator, text = _separator(text)
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            yield [cell.strip() for cell in row[:_MOST_COLUMNS]]
    except csv.Error as error:
        raise ValidationError(_("The CSV file cannot be read: a quotation mark may not be closed.")) from error


def _decoded(content: bytes) -> str:
    """UTF-8 with or without its mark, UTF-16 with it, else what Windows writes in Brazil."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _separator(text: str) -> tuple[str, str]:
    """What stands most often between the headings; or what Excel's own first line, `sep=;`, says."""
    if said := re.match(r"sep=([;,\t|])\r?\n", text, re.IGNORECASE):
        return said[1], text[said.end() :]
    headings = re.sub(r'"[^"]*"', "", text.lstrip().partition("\n")[0])
    return max(";,\t", key=headings.count), text
