"""A text of WhatsApp's as the phone shows it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.messages.formatting import to_html
from notifications import marks

URL = "https://x.example/a_b?d=*e*&amp;f"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Olá, *Ana*!", "Olá, <strong>Ana</strong>!"),
        ("_Loja_ ~era~", "<em>Loja</em> <s>era</s>"),
        ("*_Ana_*", "<strong><em>Ana</em></strong>"),
        ("5 * 3 * 2, a_b_c, ** e __", "5 * 3 * 2, a_b_c, ** e __"),
        ("*uma\nduas*", "*uma\nduas*"),
        ("Pague ```62070503***6304F415``` ou `*x*`", "Pague <code>62070503***6304F415</code> ou <code>*x*</code>"),
        ("- pão\n* *leite*\n1. ovo", "• pão\n• <strong>leite</strong>\n1. ovo"),
        ("> disse", '<span class="flowlog-quote">disse</span>'),
        ("<b>&</b>", "&lt;b&gt;&amp;&lt;/b&gt;"),
        ("*<i>*", "<strong>&lt;i&gt;</strong>"),
        (
            "Veja https://x.example/a_b?d=*e*&f.",
            f'Veja <a class="text-link" href="{URL}" target="_blank" rel="noopener noreferrer">{URL}</a>.',
        ),
        ("javascript:alert(1)", "javascript:alert(1)"),
    ],
)
def test_marks_are_shown_and_all_else_is_escaped(text: str, html: str) -> None:
    assert to_html(text) == html


@given(st.text("ab *_~`\n", max_size=40))
def test_what_is_meant_literally_is_shown_literally(text: str) -> None:
    assert re.findall(r"<(?!/?code)", to_html(marks.literal(text).replace("`", ""))) == []


@given(st.text("<>\"'&*_~`:/ htps.\n-", max_size=60))
def test_no_text_becomes_another_tag(text: str) -> None:
    assert set(re.findall(r"<(\w+)", to_html(text))) <= {"strong", "em", "s", "code", "a", "span"}
