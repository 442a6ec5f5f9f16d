import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.codes import compact, compact_tracking, correios_warning, same_code, tracking_codes, tracking_key

PAGE = "https://rastreamento.correios.com.br/app/index.php?objetos="


@pytest.mark.parametrize("code", ["AA123456785BR", "aa123456785br", "PM000000080BR", "PM000000155BR", "RR473124829BR"])
def test_says_nothing_of_a_good_code_of_correios(code: str) -> None:
    assert correios_warning(code) == ""


@pytest.mark.parametrize(
    "code", ["LOGGI-1", "AA12345678BR", "AA 123456785 BR", "AA123456785", "ÀA123456785BR", "AA12345678٥BR"]
)
def test_warns_of_what_is_no_code_of_correios(code: str) -> None:
    assert correios_warning(code) == f"“{code}” não parece um código dos Correios (como AA123456785BR)."


@pytest.mark.parametrize("code", ["AA123456786BR", "AA132456785BR", "AA123456780BR"])
def test_warns_of_a_mistyped_digit(code: str) -> None:
    assert correios_warning(code) == f"Os dígitos de “{code}” não conferem: veja se algum foi digitado errado."


@pytest.mark.parametrize(
    "typed",
    [
        "aa123456785br", "AA 123 456 785 BR", "AA123456785BR\u200b", "AA-123456785-BR", "Objeto: AA123456785BR",
        "Código de rastreio: AA 123.456.785 BR.", f"{PAGE}AA123456785BR", f"{PAGE.upper()}AA123456785BR",
        f"Segue: {PAGE}aa123456785br&t=1", "rastreamento.correios.com.br/app/index.php?objetos=AA123456785BR",
        "\u202aAA123456785BR\u202c", "\uff21\uff21123456785BR", "AA\u00a0123456785\u2011BR",
        "AA123456785BR, AA123456785BR", "https://example.com/?c=AA%20123456785%20BR",
        "Pedido 12: AA123456785BR", "pedido #K7M2P9 AA123456785BR", "AA123456785BR (2 volumes)", "AA123456785BR 1/2",
        "AA123456785BR, postado em 27/11", "12 AA123456785BR", "AA_123456785_BR",
    ],
)  # fmt: skip
def test_a_code_is_the_same_however_it_is_pasted(typed: str) -> None:
    assert compact_tracking(typed) == "AA123456785BR"
    assert tracking_codes(typed) == ["AA123456785BR"]
    assert tracking_key(typed) == "AA123456785BR"


@pytest.mark.parametrize(
    ("typed", "codes"),
    [
        ("AA523456787BR, AA523456795BR", ["AA523456787BR", "AA523456795BR"]),
        ("aa523456787br e AA 523 456 795 BR", ["AA523456787BR", "AA523456795BR"]),
        ("Objetos: AA523456787BR/AA523456795BR", ["AA523456787BR", "AA523456795BR"]),
        (f"{PAGE}AA523456787BR%2CAA523456795BR", ["AA523456787BR", "AA523456795BR"]),
        ("1) AA523456787BR 2) AA523456795BR", ["AA523456787BR", "AA523456795BR"]),
    ],
)
def test_several_codes_stay_several(typed: str, codes: list[str]) -> None:
    assert tracking_codes(typed) == codes
    assert compact_tracking(typed) == ", ".join(codes)


@pytest.mark.parametrize(
    "typed",
    [
        "LOGGI-1", "loggi 1", "AA12345678BR", "XAA123456785BR", "AA123456785BR9", "A, B",
        "AA123456785BR, LOGGI-1", "LOGGI-AA123456785BR", "AA 1234567 85 0 BR", "",
        "AA123456785BR e AA12345678BR", "AA123456785BR, AA 123 456 78 BR", "AA123456785BR, AA1234567O5BR",
        "AA123456785BR, 1234567", "NF 12345 AA123456785BR",
    ],
)  # fmt: skip
def test_what_is_another_carriers_code_or_unclear_stays(typed: str) -> None:
    assert compact_tracking(typed) == typed
    assert tracking_codes(typed) == ([typed] if typed else [])


@given(st.text(max_size=80))
def test_compacting_twice_changes_nothing_more(typed: str) -> None:
    assert compact_tracking(compact_tracking(typed)) == compact_tracking(typed)


def test_codes_of_ours_are_read_without_what_stands_around_them() -> None:
    assert compact(" #k7m-pxq\u200b") == "K7MPXQ"
    assert same_code("vk tq", "VKTQ")
    assert same_code("V-K-T-Q\u200b", "VKTQ")
    assert not same_code("VKT", "VKTQ")
