"""Spreadsheets for people to open: CSV as Excel in Brazil reads it, line by line, and XLSX.

What customers wrote must be no formula of the shop's: see `guarded`. A time is written in the zone that it carries.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import IO, Any

from flowlog.times import moment

CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# With what a cell begins that a spreadsheet takes for a formula; full-width signs count there, too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_LONGEST_CELL = 32_767
_MARK = "\ufeff"

type Value = str | Decimal | int | datetime | None


class _Line:
    """What a CSV writer writes to: each line comes back from it at once."""

    def write(self, text: str) -> str:
        return text


def guarded(text: str) -> str:
    """The text as no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_lines(headings: Sequence[str], rows: Iterable[Sequence[Value]]) -> Iterator[str]:
    """The lines of a CSV file, with the mark by which Excel knows its encoding."""
    writer: Any = csv.writer(_Line(), delimiter=";")
    yield _MARK + writer.writerow(headings)
    for row in rows:
        yield writer.writerow([_written(value) for value in row])


def xlsx_file(headings: Sequence[str], rows: Iterable[Sequence[Value]], title: str) -> IO[bytes]:
    """An XLSX file, from its beginning. It is deleted when it is closed."""
    # A tenth of the start of each process, and hardly any needs it.
    from openpyxl import Workbook  # noqa: PLC0415
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE  # noqa: PLC0415
    from openpyxl.styles import Font  # noqa: PLC0415

    def cell(value: Value) -> Any:
        match value:
            case datetime():
                return value.replace(tzinfo=None)
            case str():
                text = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", value)[:_LONGEST_CELL])
                # Never a formula nor an error, whatever it begins with; and as text a long number keeps its digits.
                text.data_type = "s"
                text.number_format = "@"
                return text
        return value

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title[:31])
    sheet.freeze_panes = "A2"
    for letter in map(_letter, range(len(headings))):
        sheet.column_dimensions[letter].width = 20
    heads = [WriteOnlyCell(sheet, heading) for heading in headings]
    for head in heads:
        head.font = Font(bold=True)
    sheet.append(heads)
    for row in rows:
        sheet.append([cell(value) for value in row])
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    book.save(file)
    file.seek(0)
    return file


def _written(value: Value) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return moment(value, value.tzinfo)
        case Decimal():
            return f"{value:f}".replace(".", ",")
        case int():
            return str(value)
    return guarded(value)


def _letter(place: int) -> str:
    return chr(ord("A") + place)
