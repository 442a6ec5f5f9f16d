"""The columns of a spreadsheet: which there are, under which headings people have them, how their cells are read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache

from django.core.exceptions import ValidationError
from django.utils import formats
from django.utils.translation import gettext as _

from orders.amounts import read
from orders.contacts import (
    CNPJ_LENGTH,
    CPF_LENGTH,
    certain_phone,
    compact_document,
    format_document,
    normalize_document,
)
from orders.spreadsheets import Cell, Table
from orders.statuses import DeliveryMethod

type Values = Mapping[str, Cell]

# A spreadsheet's number has so many digits; what is longer ends in zeros that nobody typed.
_MOST_DIGITS = 15
# `1,19877E+10`: what a CSV file has left of a long number.
_SHORTENED = re.compile(r"\d(?:[.,]\d+)?E\+\d+", re.IGNORECASE)
# A CPF that begins with up to three zeros, a CNPJ with up to two, without them.
_EATEN = {8: CPF_LENGTH, 9: CPF_LENGTH, 10: CPF_LENGTH, 12: CNPJ_LENGTH, 13: CNPJ_LENGTH}


@dataclass(frozen=True, slots=True)
class Column:
    """`title` is the heading in the file to fill in, in Portuguese as the shops are; the `others` mean the same."""

    name: str
    title: str
    others: Sequence[str] = ()
    required: bool = False
    examples: Sequence[str] = ()


_CPF = Column("cpf", "CPF ou CNPJ", ("cpf", "cnpj", "cpf cnpj", "documento"), examples=("529.982.247-25", ""))
_PHONES = ("celular", "whatsapp", "fone", "telefone whatsapp", "telefone do cliente", "celular do cliente")
ORDER_COLUMNS = (
    Column(
        "external_id", "número do pedido", ("pedido", "numero", "n do pedido", "id", "id do pedido", "id externo"),
        required=True, examples=("1001", "1001"),
    ),
    Column("name", "cliente", ("nome", "nome do cliente", "comprador"), required=True,
           examples=("Maria da Silva", "Maria da Silva")),
    Column("phone", "telefone", _PHONES, examples=("(11) 98765-4321", "(11) 98765-4321")),
    _CPF,
    Column("item", "item", ("produto", "descricao", "descricao do item"), required=True,
           examples=("Camiseta azul", "Boné")),
    Column("quantity", "quantidade", ("qtd", "qtde", "quant"), examples=("2", "1")),
    Column("price", "preço unitário", ("preco", "valor unitario", "valor", "preco do item"), required=True,
           examples=("59,90", "35,00")),
    Column("method", "forma de entrega", ("entrega", "metodo de entrega", "envio", "frete por"), required=True,
           examples=("PAC", "PAC")),
    Column("address", "endereço", ("endereco de entrega", "endereco completo"),
           examples=("Rua das Flores, 10, São Paulo, SP, 01234-567", "")),
    Column("freight", "frete", ("valor do frete",), examples=("19,90", "")),
    Column("discount", "desconto", ("valor do desconto",), examples=("5,00", "")),
    Column("notes", "observações", ("observacao", "obs", "notas"), examples=("Embrulhar para presente", "")),
    Column("status", "situação", ("status", "situacao do pedido", "status do pedido"), examples=("confirmado", "")),
    Column("payment", "pagamento", ("status do pagamento", "situacao do pagamento"), examples=("pago", "")),
    Column("tracking", "código de rastreio", ("rastreio", "rastreamento", "codigo de rastreamento"),
           examples=("", "")),
    Column("made", "data do pedido", ("data", "data da compra", "criado em", "criacao"),
           examples=("27/11/2026 14:30", "")),
)  # fmt: skip
CUSTOMER_COLUMNS = (
    Column("name", "nome", ("cliente", "nome do cliente", "nome completo"), required=True,
           examples=("Maria da Silva", "João Souza")),
    Column("phone", "telefone", _PHONES, examples=("(11) 98765-4321", "(21) 99876-5432")),
    _CPF,
    Column("wants", "aceita mensagens", ("quer mensagens", "recebe mensagens", "aceita whatsapp"),
           examples=("sim", "não")),
)  # fmt: skip
_METHODS = {
    DeliveryMethod.PICKUP: ("retirada", "retirada na loja", "retirar", "balcao", "loja", "retira"),
    DeliveryMethod.COURIER: ("motoboy", "entrega por motoboy", "entregador", "moto"),
    DeliveryMethod.CORREIOS_PAC: ("pac", "correios", "correios pac"),
    DeliveryMethod.CORREIOS_SEDEX: ("sedex", "correios sedex"),
    DeliveryMethod.CARRIER: ("transportadora",),
}
_YES_NO = {"sim": True, "s": True, "yes": True, "1": True, "nao": False, "n": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Matched:
    """The lines with the cells that are read, by column; the headings that nothing is read of; the lines that have more
    cells than there are headings, whose cells may all stand in the wrong columns."""

    lines: list[tuple[int, Values]]
    ignored: list[str]
    too_long: list[int]


def match(table: Table, columns: Sequence[Column]) -> Matched:
    """Find the columns by their headings. Raises `ValidationError` if a required one is missing, or one is twice."""
    known = {folded(words): column for column in columns for words in (column.title, *column.others)}
    places: dict[str, int] = {}
    ignored = []
    for place, heading in enumerate(table.headings):
        column = known.get(folded(heading))
        if column is None:
            ignored += [heading] if heading else []
        elif column.name in places:
            raise ValidationError(
                _("Two columns are “%(column)s”: “%(one)s” and “%(other)s”. Leave one."),
                params={"column": column.title, "one": table.headings[places[column.name]], "other": heading},
            )
        else:
            places[column.name] = place
    missing = [column.title for column in columns if column.required and column.name not in places]
    if missing:
        raise ValidationError(
            _("These columns are missing: %(columns)s. The first line must have the headings, as the model file has."),
            params={"columns": ", ".join(missing)},
        )
    lines: list[tuple[int, Values]] = [
        (number, {name: cells[place] for name, place in places.items() if place < len(cells)})
        for number, cells in table.lines
    ]
    return Matched(lines, ignored, [number for number, cells in table.lines if len(cells) > len(table.headings)])


def folded(words: str) -> str:
    """Without accents, capitals and signs: `Preço unitário (R$)` is `preco unitario r`."""
    # Taken apart, the sign of “nº” would be a letter.
    letters = unicodedata.normalize("NFKD", re.sub(r"\bn[º°]", "n", words.casefold()))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(re.sub(r"[\W_]+", " ", re.sub(r"\(r\$\)|r\$", "", plain)).split())


def text(values: Values, name: str) -> str:
    """A cell as text. Raises `ValidationError` for what the spreadsheet has made of it."""
    cell = values.get(name, "")
    heading = title(name)
    if isinstance(cell, date):
        raise ValidationError(
            _(
                "The spreadsheet has made a date of “%(column)s” (%(date)s). Format the column as text and type it "
                "again."
            ),
            params={"column": heading, "date": formats.date_format(cell, "SHORT_DATE_FORMAT")},
        )
    shortened = isinstance(cell, str) and _SHORTENED.fullmatch(cell)
    if shortened or (isinstance(cell, Decimal) and abs(cell) >= Decimal(10) ** _MOST_DIGITS):
        raise ValidationError(
            _("The spreadsheet has shortened the number in “%(column)s” (%(number)s). Format the column as text and "
              "type it again."),
            params={"column": heading, "number": cell},
        )  # fmt: skip
    return cell if isinstance(cell, str) else format(cell, "f").replace(".", ",")


def amount(values: Values, name: str, default: Decimal | None = None) -> Decimal:
    """A cell as a number: as the spreadsheet has it, or as people write it. Raises `ValidationError`."""
    cell = values.get(name, "")
    if isinstance(cell, Decimal):
        return cell
    if written := text(values, name):
        return read(written)
    if default is None:
        raise ValidationError(_("“%(column)s” is empty."), params={"column": title(name)})
    return default


def phone(values: Values) -> str:
    """E.164 or empty. One that may be another's is refused unless it is written in full. Raises `ValidationError`."""
    written = text(values, "phone")
    return certain_phone(written) if written else ""


def document(values: Values) -> tuple[str, str]:
    """The CPF or CNPJ, and the question whether it is that where zeros may be missing. Raises `ValidationError`."""
    written = text(values, "cpf")
    compact = compact_document(written)
    if not compact:
        return "", ""
    length = _EATEN.get(len(compact), 0) if compact.isdecimal() else 0
    if not length:
        return normalize_document(written), ""
    found = normalize_document(compact.zfill(length))
    return found, _("%(written)s has %(count)d digits. Is it %(found)s?") % {
        "written": written, "count": len(compact), "found": format_document(found),
    }  # fmt: skip


def method(values: Values) -> str:
    """A delivery method, however it is called. Raises `ValidationError`."""
    written = text(values, "method")
    found = _methods().get(folded(written))
    if found is None:
        raise ValidationError(
            _("“%(written)s” is not a delivery method. Write one of: %(methods)s."),
            params={"written": written[:30], "methods": ", ".join(str(each.label) for each in DeliveryMethod)},
        )
    return found


def yes_no(values: Values, name: str, *, default: bool) -> bool:
    """Raises `ValidationError`."""
    written = text(values, name)
    if not written:
        return default
    if folded(written) not in _YES_NO:
        raise ValidationError(_("“%(column)s”: write “sim” or “não”."), params={"column": title(name)})
    return _YES_NO[folded(written)]


@cache
def _methods() -> dict[str, str]:
    named = {word: each.value for each, words in _METHODS.items() for word in words}
    return named | {folded(words): each.value for each in DeliveryMethod for words in (each.value, str(each.label))}


def title(name: str) -> str:
    """The heading of a column in the file to fill in."""
    return next(column.title for column in (*ORDER_COLUMNS, *CUSTOMER_COLUMNS) if column.name == name)
