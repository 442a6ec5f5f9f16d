import pytest

from orders.codes import correios_warning


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
