"""Spreadsheets for tests, as people have them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from openpyxl import Workbook

HEADINGS = ("Número do pedido", "Cliente", "Telefone", "CPF", "Produto", "Qtd", "Preço unitário", "Entrega")


def order_line(number: str, **values: str) -> list[str]:
    """A line of Maria's order."""
    usual = {
        "name": "Maria da Silva", "phone": "(11) 98765-4321", "cpf": "", "item": "Camiseta azul", "quantity": "2",
        "price": "59,90", "method": "PAC",
    }  # fmt: skip
    return [number, *(usual | values).values()]


def csv_file(
    *lines: Sequence[str], headings: Sequence[str] = HEADINGS, encoding: str = "cp1252", separator: str = ";"
) -> bytes:
    """By default as Excel in Brazil writes it."""
    return "".join(separator.join(line) + "\r\n" for line in (headings, *lines)).encode(encoding)


def xlsx(*lines: Sequence[Any], headings: Sequence[str] = HEADINGS) -> bytes:
    book = Workbook()
    sheet: Any = book.active
    for line in (headings, *lines):
        sheet.append(line)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()
