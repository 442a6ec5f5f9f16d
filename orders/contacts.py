"""Phones and CPFs as people type them, checked and normalised."""

from __future__ import annotations

import phonenumbers
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from stdnum.br import cpf as stdnum_cpf

DEFAULT_REGION = "BR"
_BRAZIL = 55
_OLD_MOBILE_LENGTH = 10
_OLD_MOBILE_FIRST_DIGITS = "6789"


def normalize_phone(text: str) -> str:
    """The number in E.164 (`+5511987654321`); a number without country code is Brazilian.

    Raises `ValidationError` for what cannot be a phone. A Brazilian mobile without its ninth digit is
    kept as it is: `phone_warning` tells about it.
    """
    try:
        number = phonenumbers.parse(text, DEFAULT_REGION)
    except phonenumbers.NumberParseException:
        raise ValidationError(_("“%(phone)s” is not a phone number."), params={"phone": text}, code="phone") from None
    if not (phonenumbers.is_valid_number(number) or _is_old_brazilian_mobile(number)):
        raise ValidationError(
            _("“%(phone)s” is not a valid phone number. Example: (11) 98765-4321."),
            params={"phone": text},
            code="phone",
        )
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def validate_phone(e164: str) -> None:
    """A model validator: the number must already be in E.164."""
    if normalize_phone(e164) != e164:
        raise ValidationError(_("Write the number as +5511987654321."), code="phone")


def phone_warning(e164: str) -> str:
    """What is suspicious about a number that was accepted; empty when nothing is."""
    number = phonenumbers.parse(e164, DEFAULT_REGION)
    if _is_old_brazilian_mobile(number):
        return _("The mobile %(phone)s lacks the ninth digit; WhatsApp may not find it.") % {
            "phone": format_phone(e164)
        }
    if phonenumbers.number_type(number) == PhoneNumberType.FIXED_LINE:
        return _("%(phone)s is a landline; few of them have WhatsApp.") % {"phone": format_phone(e164)}
    return ""


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


def normalize_cpf(text: str) -> str:
    """The eleven digits of a valid CPF; raises `ValidationError`."""
    digits = stdnum_cpf.compact(text)
    # The check digits of 111.111.111-11 and its like are right, but nobody has such a CPF.
    if not stdnum_cpf.is_valid(digits) or len(set(digits)) == 1:
        raise ValidationError(_("This CPF is not valid: check its digits."), code="cpf")
    return digits


def validate_cpf(digits: str) -> None:
    """A model validator: eleven digits of a valid CPF."""
    if normalize_cpf(digits) != digits:
        raise ValidationError(_("Write the CPF with digits only."), code="cpf")


def _is_old_brazilian_mobile(number: phonenumbers.PhoneNumber) -> bool:
    national = str(number.national_number)
    return (
        number.country_code == _BRAZIL
        and len(national) == _OLD_MOBILE_LENGTH
        and national[2] in _OLD_MOBILE_FIRST_DIGITS
        and phonenumbers.is_possible_number(number)
    )
