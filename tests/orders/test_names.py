"""What a message calls a customer."""

from __future__ import annotations

import pytest

from orders.names import first_name


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("Maria da Silva", "Maria"), ("O'Neil Souza", "O'Neil"), ("Drauzio Varella", "Drauzio"), ("Diego", "Diego"),
        ("*Ana* Souza", "Ana"), ("_Ana_", "Ana"), ("~Ana~", "Ana"), ("```Ana```", "Ana"), ("\u202eAna Lima", "Ana"),
        ("A\u200bna", "Ana"), ("Dr. Paulo Lima", "Paulo"), ("Dra. Ana", "Ana"), ("dr Paulo", "Paulo"),
        ("Dr.Paulo Lima", "Paulo"), ("Sr(a). Paulo", "Paulo"), ("Sr. Dr. Paulo", "Paulo"), ("Dona Marta", "Marta"),
        ("- Ana", "Ana"), ("🌸🌸 Ana", "Ana"), ("(Ana) Souza", "Ana"), ("Ana, mãe do João", "Ana"),
        ("Mercado Livre: Ana Souza", "Ana"), ("Ana: portão azul", "Ana"), ("https://loja.example Ana", "Ana"),
        ("www.loja.example Ana", "Ana"), ("loja.example Ana", "Ana"), ("ana@loja.example Ana", "Ana"),
        ("11987654321 Ana", "Ana"), ("Pe. João", "João"), ("Exmo. Sr. Paulo", "Paulo"), ("Eng.º Paulo", "Paulo"),
        ("M. Souza", "Souza"), ("M. A.", "M"), ("Ana.", "Ana"), ("Ana L. Souza", "Ana"),
        ("Ana (vizinha: Bia)", "Ana"), ("Ana (ligar: Bia", "Ana"), ("(sem nome)", ""),
        ("(esposa) Ana", "Ana"), ("Ana (esposa)", "Ana"), ("Dª Maria", "Maria"), ("D.ª Maria", "Maria"),
        ("Sr. e Sra. Silva", "Silva"), ("Ana e Beto", "Ana"), ("Doutora Ana", "Ana"), ("Senhor Paulo", "Paulo"),
        ("A/C Maria", "Maria"), ("Sem nome", ""),
        ("Dona", ""), ("🌸", ""), ("-", ""), ("https://loja.example", ""), ("", ""),
    ],
)  # fmt: skip
def test_it_is_the_first_word_that_can_be_a_name(name: str, called: str) -> None:
    assert first_name(name) == called
