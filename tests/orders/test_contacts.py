import pytest
from django.core.exceptions import ValidationError

from orders.contacts import format_phone, mask_phone, normalize_cpf, normalize_phone, phone_warning


@pytest.mark.parametrize(
    ("typed", "e164"),
    [
        ("(11) 98765-4321", "+5511987654321"),
        ("11987654321", "+5511987654321"),
        ("5511987654321", "+5511987654321"),
        ("+55 11 98765 4321", "+5511987654321"),
        ("(11) 8765-4321", "+551187654321"),
        ("(11) 3456-7890", "+551134567890"),
        ("+351 912 345 678", "+351912345678"),
    ],
)
def test_normalizes_what_people_type(typed: str, e164: str) -> None:
    assert normalize_phone(typed) == e164


@pytest.mark.parametrize("typed", ["", "abc", "123", "+55 11", "00", "(11) 9876-543", "+551198765432100"])
def test_refuses_what_is_no_phone(typed: str) -> None:
    with pytest.raises(ValidationError):
        normalize_phone(typed)


def test_warns_of_a_mobile_without_its_ninth_digit_and_of_a_landline_only() -> None:
    assert phone_warning("+5511987654321") == ""
    assert "(11) 8765-4321" in phone_warning("+551187654321")
    assert "(11) 3456-7890" in phone_warning("+551134567890")


def test_formats_and_masks() -> None:
    assert format_phone("+5511987654321") == "(11) 98765-4321"
    assert format_phone("+351912345678") == "+351 912 345 678"
    assert format_phone("") == ""
    assert format_phone("ramal") == "ramal"
    assert mask_phone("+5511987654321") == "…4321"
    assert mask_phone("") == ""


def test_cpf() -> None:
    assert normalize_cpf("390.533.447-05") == "39053344705"
    for wrong in ("390.533.447-06", "11111111111", "123", "abc"):
        with pytest.raises(ValidationError):
            normalize_cpf(wrong)
