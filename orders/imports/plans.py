"""What an import would do, found out before it does anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Model
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from orders.contacts import phone_warning
from orders.imports.columns import Matched

# Each holds two locks of the database until the end, which has room for so many.
MOST_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence about a line, by its number in the spreadsheet."""

    line: int
    words: str


@dataclass(slots=True)
class Plan[Row]:
    """`rows` are to be made, if nothing is a problem; `known` are here already; `questions` want an answer before."""

    rows: list[Row] = field(default_factory=list)
    known: list[Said] = field(default_factory=list)
    problems: list[Said] = field(default_factory=list)
    questions: list[Said] = field(default_factory=list)
    hints: list[Said] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    without_phone: int = 0
    # Those that come in where they stand already, of which nobody is told.
    further: int = 0

    @classmethod
    def begin(cls, matched: Matched) -> Self:
        words = _("The line has more cells than there are headings: a separator may stand inside of a text.")
        return cls(ignored=matched.ignored, problems=[Said(number, words) for number in matched.too_long])

    @contextmanager
    def of_line(self, number: int) -> Iterator[None]:
        """What is refused inside is a problem of that line."""
        try:
            yield
        except ValidationError as refusal:
            self.problems += [Said(number, words) for words in sentences(refusal)]

    def look_at_phone(self, number: int, phone: str) -> None:
        if not phone:
            self.without_phone += 1
        elif warning := phone_warning(phone):
            self.hints.append(Said(number, warning))

    def sort(self) -> None:
        for said in (self.known, self.problems, self.questions, self.hints):
            said.sort(key=lambda each: each.line)


def sentences(refusal: ValidationError, model: type[Model] | None = None) -> list[str]:
    """What a `ValidationError` says, with the fields' names as the pages have them."""
    if not hasattr(refusal, "error_dict"):
        return list(refusal.messages)
    return [
        words if name == NON_FIELD_ERRORS or model is None else f"{capfirst(_name(model, name))}: {words}"
        for name, messages in refusal.message_dict.items()
        for words in messages
    ]


def check_fields(row: Model, exclude: list[str]) -> None:
    """`clean_fields` whose errors name their fields. Raises `ValidationError`."""
    try:
        row.clean_fields(exclude=exclude)
    except ValidationError as refusal:
        raise ValidationError(sentences(refusal, type(row))) from None


def check_number(count: int) -> None:
    """Raises `ValidationError` if one transaction had too much to make."""
    if count > MOST_ROWS:
        raise ValidationError(
            _("The file has %(count)d; at most %(most)d are imported at once. Divide it."),
            params={"count": count, "most": MOST_ROWS},
        )


def _name(model: type[Model], name: str) -> str:
    return str(getattr(model._meta.get_field(name), "verbose_name", name))
