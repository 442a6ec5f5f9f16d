import pytest
from django.core.exceptions import ValidationError

from orders.contacts import (
    certain_phone,
    format_document,
    format_phone,
    mask_phone,
    normalize_document,
    normalize_phone,
    phone_doubt,
    phone_warning,
)


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


@pytest.mark.parametrize(
    ("typed", "e164"),
    [
        ("0055 51 98765-4321", "+5551987654321"), ("00 55 84 98765-4321", "+5584987654321"),
        ("0055 (34) 98765-4321", "+5534987654321"), ("005533987654321", "+5533987654321"),
        ("(31) 98765-4321 (Ana)", "+5531987654321"), ("(31) 98765-4321 (esposa)", "+5531987654321"),
        ("(Ana) 31 98765-4321", "+5531987654321"), ("11\u200b98765-4321", "+5511987654321"),
        # What was read before is read on.
        ("011 98765-4321", "+5511987654321"), ("(0xx11) 98765-4321", "+5511987654321"),
        ("015 11 98765-4321", "+5511987654321"), ("041 11 98765-4321", "+5511987654321"),
        ("+55 0 11 98765-4321", "+5511987654321"), ("11\u00a098765\u20114321", "+5511987654321"),
        ("\u202a+55 11 98765-4321\u202c", "+5511987654321"), ("\uff11\uff1198765-4321", "+5511987654321"),
        ("wa.me/5511987654321", "+5511987654321"), ("tel:+55-11-98765-4321", "+5511987654321"),
        ("+54 9 11 2345-6789", "+5491123456789"), ("+595 0981 123456", "+595981123456"),
    ],
)  # fmt: skip
def test_reads_what_a_library_alone_would_not(typed: str, e164: str) -> None:
    assert normalize_phone(typed) == e164


@pytest.mark.parametrize(
    "typed",
    ["55 55 11 98765-4321", "(11) 98765-4321 / 3333-4444", "98765-4321", "+11 98765-4321", "00 351 912 345 678"],
)
def test_guesses_nothing(typed: str) -> None:
    with pytest.raises(ValidationError):
        normalize_phone(typed)


@pytest.mark.parametrize(
    ("typed", "country", "brazilian"),
    [
        ("+51 98765-0001", "Peru", "(51) 98765-0001"),
        ("+66 98765-0001", "Tailândia", "(66) 98765-0001"),
        ("+84 98765-0001", "Vietnã", "(84) 98765-0001"),
        ("+33 98765-0001", "França", "(33) 98765-0001"),
        ("+34 98765-0001", "Espanha", "(34) 98765-0001"),
    ],
)
def test_an_area_code_with_a_plus_is_asked_about(typed: str, country: str, brazilian: str) -> None:
    doubt = phone_doubt(normalize_phone(typed))
    assert doubt.startswith(f"Brasil ou {country}?")
    assert doubt.endswith(f"este país: {country}. Se for do Brasil, escreva {brazilian}.")
    assert phone_warning(normalize_phone(typed)) == doubt


def test_a_foreign_number_is_asked_about_by_its_country() -> None:
    assert phone_doubt("+351912345678") == "+351 912 345 678 é um número de outro país: Portugal."
    assert phone_doubt("+14155552671") == "+1 415-555-2671 é um número de outro país: Estados Unidos."
    for brazilian in ("+5511987654321", "+551187654321", "+551134567890", "+5551987654321"):
        assert phone_doubt(brazilian) == ""


def test_where_nobody_can_be_asked_a_doubtful_number_is_typed_in_full() -> None:
    assert certain_phone("(11) 98765-4321") == "+5511987654321"
    assert certain_phone(" +51987650001 ") == "+51987650001"
    with pytest.raises(ValidationError) as refusal:
        certain_phone("+51 98765-0001")
    [sentence] = refusal.value.messages
    assert sentence.startswith("Brasil ou Peru?")
    assert sentence.endswith("Se estiver certo, escreva assim: +51987650001.")


@pytest.mark.parametrize("typed", ["11 99999-9999", "(21) 98888-8888", "11 9999-9999"])
def test_a_number_that_fills_the_field_is_asked_about(typed: str) -> None:
    phone = normalize_phone(typed)
    assert phone_doubt(phone) == f"{format_phone(phone)} parece um número inventado para preencher o campo."
    assert phone_doubt(f"{phone[:-1]}7") == ""


@pytest.mark.parametrize("typed", ["0800 123 4567", "4004-1234", "0300 123 4567", "0900 123 456"])
def test_a_service_number_is_asked_about(typed: str) -> None:
    assert "é um número de serviço" in phone_doubt(normalize_phone(typed))
    assert phone_warning(normalize_phone(typed)) == phone_doubt(normalize_phone(typed))


@pytest.mark.parametrize(
    ("typed", "document", "written"),
    [
        ("390.533.447-05", "39053344705", "390.533.447-05"),
        ("529982247/25", "52998224725", "529.982.247-25"),
        ("529.982.247-25\u200b", "52998224725", "529.982.247-25"),
        ("11.222.333/0001-81", "11222333000181", "11.222.333/0001-81"),
        ("12.ABC.345/01DE-35", "12ABC34501DE35", "12.ABC.345/01DE-35"),
        ("12abc34501de35", "12ABC34501DE35", "12.ABC.345/01DE-35"),
        ("CPF: 529.982.247-25", "52998224725", "529.982.247-25"),
        ("(cpf/cnpj) 12.ABC.345/01DE-35", "12ABC34501DE35", "12.ABC.345/01DE-35"),
    ],
)
def test_a_document_is_a_cpf_or_a_cnpj(typed: str, document: str, written: str) -> None:
    assert normalize_document(typed) == document
    assert format_document(document) == written


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("390.533.447-06", "Este CPF não é válido: confira os dígitos."),
        ("111.111.111-11", "Este CPF não é válido: confira os dígitos."),
        ("39O.533.447-05", "Este CPF não é válido: confira os dígitos."),
        ("11.222.333/0001-82", "Este CNPJ não é válido: confira os números e as letras."),
        ("00.000.000/0000-00", "Este CNPJ não é válido: confira os números e as letras."),
        ("123", "O CPF tem 11 números e o CNPJ, 14 caracteres; aqui há 3."),
        ("9053344705", "O CPF tem 11 números e o CNPJ, 14 caracteres; aqui há 10."),
    ],
)
def test_a_wrong_document_is_called_what_it_was_taken_for(typed: str, sentence: str) -> None:
    """python-stdnum 2.2 takes 111.111.111-11: see `findings/stdnum-takes-a-cpf-of-one-digit.sh`."""
    with pytest.raises(ValidationError) as refusal:
        normalize_document(typed)
    assert refusal.value.messages == [sentence]
