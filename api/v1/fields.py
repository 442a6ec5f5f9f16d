"""The kinds of values that version 1 takes, each refused where it stands with a sentence in Portuguese."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Schema
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError, PydanticKnownError

from orders.codes import compact_tracking
from orders.contacts import certain_phone, is_storable, normalize_document
from orders.transitions import MAX_LENGTHS
from orders.typed import visible

# A quantity of nothing is none; what is more than the column holds is refused by the pattern.
MONEY = r"^[0-9]{1,8}(\.[0-9]{1,2})?$"
QUANTITY = r"^[0-9]{1,6}(\.[0-9]{1,3})?$"
_YEARS, _CLOCKS_DIFFER = range(2000, 2100), timedelta(minutes=5)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]")
SOURCE = r"^[a-z0-9][a-z0-9._-]{0,23}$"


class Given(Schema):
    """What a program sends: a field that nobody knows is a mistake, and is refused."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)


def _storable(text: str) -> str:
    if not is_storable(text):
        raise PydanticCustomError("text", _("The text has characters that cannot be stored."))
    return text


def _seen(text: str) -> str:
    if not visible(_storable(text)).strip():
        raise PydanticCustomError("empty", _("This must not be empty."))
    return text


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip() or not text:
        words = _("Only characters that can be seen, and no space at either end.")
        raise PydanticCustomError("text", words)
    return text


def _written(moment: Any) -> Any:
    # A number would be taken for seconds since 1970.
    if not isinstance(moment, str) or not _DAY.match(moment):
        words = _("This must be a date and time, as in 2026-11-27T10:00:00-03:00.")
        raise PydanticCustomError("datetime_parsing", words)
    return moment


def _within_reach(moment: datetime) -> datetime:
    if moment.year not in _YEARS:
        raise PydanticCustomError("datetime_range", _("The year must be from 2000 to 2099."))
    return moment


def _not_ahead(moment: datetime) -> datetime:
    # All that comes later would count as older than it.
    if moment > timezone.now() + _CLOCKS_DIFFER:
        raise PydanticCustomError("datetime_ahead", _("This time has not come yet: is the clock right?"))
    return moment


def _some(quantity: str) -> str:
    if not quantity.strip("0."):
        raise PydanticCustomError("quantity", _("The quantity must be more than zero."))
    return quantity


def _compact(text: str) -> str:
    """As the admin takes them: however they were pasted, and no longer than is stored once they are compact."""
    code, longest = compact_tracking(_storable(text)), MAX_LENGTHS["tracking_code"]
    if len(code) > longest:
        raise PydanticKnownError("string_too_long", {"max_length": longest})
    return code


def _read_by(reader: Callable[[str], str]) -> AfterValidator:
    """Checked by a function that raises Django's error; what it makes of the text is kept."""

    def read(text: str) -> str:
        if not text.strip():
            return ""
        try:
            return reader(_storable(text))
        except ValidationError as error:
            code = getattr(error, "code", None) or "invalid"
            # A brace in what was typed is no place for a value.
            raise PydanticCustomError(code, "{words}", {"words": " ".join(error.messages)}) from None

    return AfterValidator(read)


type Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_within_reach)]
type PastMoment = Annotated[Moment, AfterValidator(_not_ahead)]
type Money = Annotated[str, Field(pattern=MONEY, examples=["19.90"])]
type Quantity = Annotated[str, Field(pattern=QUANTITY, examples=["2", "0.750"]), AfterValidator(_some)]
type Text = Annotated[str, AfterValidator(_storable)]
type Line = Annotated[str, Field(min_length=1), AfterValidator(_seen)]
type Phone = Annotated[str, Field(max_length=40, examples=["(11) 98765-4321"]), _read_by(certain_phone)]
type Document = Annotated[str, Field(max_length=40, examples=["529.982.247-25"]), _read_by(normalize_document)]
type TrackingCode = Annotated[str, Field(max_length=500, examples=["AA123456785BR"]), AfterValidator(_compact)]
type Reference = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
type Source = Annotated[str, Field(pattern=SOURCE, examples=["minha-loja"])]
