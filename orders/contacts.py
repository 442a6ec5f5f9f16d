"""Phones, CPFs and CNPJs as people type them, checked and normalised."""

from __future__ import annotations

import re

import phonenumbers
from babel import Locale
from django.core.exceptions import ValidationError
from django.utils.translation import get_language, to_locale
from django.utils.translation import gettext as _
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType
from stdnum.br import cnpj as stdnum_cnpj
from stdnum.br import cpf as stdnum_cpf

from orders.typed import plain, visible

DEFAULT_REGION = "BR"
_BRAZIL = 55
_OLD_MOBILE_LENGTH = 10
# So many times the same digit at the end of a number are hardly given out, and often typed where none is known.
_REPEATED = 8
_OLD_MOBILE_FIRST_DIGITS = "6789"
# Whose number it is, or a note: the library would dial the letters.
_REMARK = re.compile(r"\([^()\d]*[^\W\d_][^()\d]*\)")
# The country's code as one dials it from abroad. The library takes 55 for a Brazilian carrier, and the area code behind
# it for a country.
_DIALLED_BRAZIL = re.compile(r"^00[\s.()-]*(?=55)")
_SERVICE_TYPES = frozenset({PhoneNumberType.TOLL_FREE, PhoneNumberType.SHARED_COST, PhoneNumberType.PREMIUM_RATE})
CPF_LENGTH, CNPJ_LENGTH = 11, 14
# As they are pasted from a receipt: `CPF: 529.982.247-25`.
_LABEL = re.compile(r"^\W*(?:(?:CPF|CNPJ)\W+)+", re.IGNORECASE)


def normalize_phone(text: str) -> str:
    """The number in E.164 (`+5511987654321`); a number without country code is Brazilian.

    Raises `ValidationError` for what cannot be a phone. What can be one, but may be another's, is kept as it reads:
    `phone_doubt` asks about it, and `phone_warning` tells of what WhatsApp may not know.
    """
    try:
        number = phonenumbers.parse(_DIALLED_BRAZIL.sub("+", _REMARK.sub("", visible(text)).strip()), DEFAULT_REGION)
    except phonenumbers.NumberParseException:
        raise ValidationError(_("“%(phone)s” is not a phone number."), params={"phone": text}, code="phone") from None
    if not (phonenumbers.is_valid_number(number) or _is_old_brazilian_mobile(number)):
        raise ValidationError(
            _("“%(phone)s” is not a valid phone number. Example: (11) 98765-4321."),
            params={"phone": text},
            code="phone",
        )
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def certain_phone(text: str) -> str:
    """`normalize_phone` where nobody is there to be asked: a number that may be another's must be typed in full, as
    E.164. Raises `ValidationError`."""
    phone = normalize_phone(text)
    if text.strip() != phone and (doubt := phone_doubt(phone)):
        raise ValidationError(
            _("%(doubt)s If it is right, write it as %(phone)s."), params={"doubt": doubt, "phone": phone}
        )
    return phone


def validate_phone(e164: str) -> None:
    """A model validator: the number must already be in E.164."""
    if normalize_phone(e164) != e164:
        raise ValidationError(_("Write the number as +5511987654321."), code="phone")


def phone_doubt(e164: str) -> str:
    """Why the number may be another's than was meant, to be asked before anything is sent to it; empty if it is not."""
    number = phonenumbers.parse(e164, DEFAULT_REGION)
    if phonenumbers.number_type(number) in _SERVICE_TYPES:
        return _("%(phone)s is a service number (such as 0800, 0300 or 4004); hardly anybody has WhatsApp on one.") % {
            "phone": format_phone(e164)
        }
    if len(set(e164[-_REPEATED:])) == 1:
        return _("%(phone)s looks like a number that was made up to fill the field.") % {"phone": format_phone(e164)}
    if number.country_code == _BRAZIL:
        return ""
    named = {"phone": format_phone(e164), "country": _country(number), "brazilian": _brazilian_reading(number)}
    if named["brazilian"]:
        return (
            _("%(phone)s is a number of this country: %(country)s. If it is a Brazilian one, write %(brazilian)s.")
            % named
        )
    return _("%(phone)s is a number of this country: %(country)s.") % named


def phone_warning(e164: str) -> str:
    """What is suspicious about a number that was accepted; empty when nothing is."""
    number = phonenumbers.parse(e164, DEFAULT_REGION)
    if _is_old_brazilian_mobile(number):
        return _("The mobile %(phone)s lacks the ninth digit; WhatsApp may not find it.") % {
            "phone": format_phone(e164)
        }
    if number.country_code == _BRAZIL and phonenumbers.number_type(number) == PhoneNumberType.FIXED_LINE:
        return _("%(phone)s is a landline; few of them have WhatsApp.") % {"phone": format_phone(e164)}
    return phone_doubt(e164)


def format_phone(e164: str) -> str:
    """The number as people write it: `(11) 98765-4321`, foreign ones with their country code.

    What cannot be a number comes back as it is.
    """
    try:
        number = phonenumbers.parse(e164, DEFAULT_REGION)
    except phonenumbers.NumberParseException:
        return e164
    if _is_old_brazilian_mobile(number):  # the library has no format for a number that is no longer given out
        national = str(number.national_number)
        return f"({national[:2]}) {national[2:6]}-{national[6:]}"
    style = PhoneNumberFormat.NATIONAL if number.country_code == _BRAZIL else PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(number, style)


def mask_phone(e164: str) -> str:
    """The number for logs and reports: only its last four digits."""
    return f"…{e164[-4:]}" if e164 else ""


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can hold the text: no NUL, no half of a character."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def compact_document(text: str) -> str:
    """The digits (and letters, in capitals) of a CPF or CNPJ, however it is typed."""
    return re.sub(r"[\W_]", "", _LABEL.sub("", plain(text))).upper()


def normalize_document(text: str) -> str:
    """The eleven digits of a valid CPF, or the fourteen characters of a CNPJ, which may have letters.

    Raises `ValidationError` that says which of the two it was taken for.
    """
    document = compact_document(text)
    # The check digits of 111.111.111-11 and its like are right, but nobody has such a number.
    repeats = len(set(document)) == 1
    if len(document) == CPF_LENGTH:
        if not document.isdecimal() or not stdnum_cpf.is_valid(document) or repeats:
            raise ValidationError(_("This CPF is not valid: check its digits."), code="cpf")
    elif len(document) == CNPJ_LENGTH:
        if not stdnum_cnpj.is_valid(document) or repeats:
            raise ValidationError(_("This CNPJ is not valid: check its digits and letters."), code="cnpj")
    else:
        raise ValidationError(
            _("A CPF has 11 digits and a CNPJ 14 characters; this has %(length)d."),
            params={"length": len(document)},
            code="document",
        )
    return document


def validate_document(document: str) -> None:
    """A model validator: a valid CPF or CNPJ without its signs."""
    if normalize_document(document) != document:
        raise ValidationError(_("Write the CPF or CNPJ without dots and dashes."), code="document")


validate_cpf = validate_document  # the name that the first migration knows it by


def format_document(document: str) -> str:
    """The CPF or CNPJ as people write it: `390.533.447-05`, `12.ABC.345/01DE-35`; what is neither as it is."""
    if len(document) == CPF_LENGTH:
        return str(stdnum_cpf.format(document))
    return str(stdnum_cnpj.format(document)) if len(document) == CNPJ_LENGTH else document


def _brazilian_reading(number: PhoneNumber) -> str:
    """The same digits as a number of Brazil whose area code was typed with a plus; empty where they are none."""
    digits = f"{number.country_code}{number.national_number}"
    brazilian = phonenumbers.PhoneNumber(country_code=_BRAZIL, national_number=int(digits))
    if not (phonenumbers.is_valid_number(brazilian) or _is_old_brazilian_mobile(brazilian)):
        return ""
    return format_phone(phonenumbers.format_number(brazilian, PhoneNumberFormat.E164))


def _country(number: PhoneNumber) -> str:
    """Its name in the active language, or its code where it has none. The library's own names cost 100 MB."""
    region = phonenumbers.region_code_for_number(number) or ""
    names = Locale.parse(to_locale(get_language() or "pt-br")).territories
    return str(names.get(region, f"+{number.country_code}"))


def _is_old_brazilian_mobile(number: PhoneNumber) -> bool:
    national = str(number.national_number)
    return (
        number.country_code == _BRAZIL
        and len(national) == _OLD_MOBILE_LENGTH
        and national[2] in _OLD_MOBILE_FIRST_DIGITS
        and phonenumbers.is_possible_number(number)
    )
