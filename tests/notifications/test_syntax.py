"""The small language of messages' texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications import marks
from notifications.syntax import DEEPEST, MOST_TAGS, Value, fill, fold, is_always_said, longest_way, named, parse


def filled(text: str, **values: str) -> str:
    parsed = parse(text)
    assert parsed.faults == ()
    return fill(parsed.nodes, {name: Value(marks.literal(value)) for name, value in values.items()})


def faults(text: str) -> list[tuple[str, str, int]]:
    return [(fault.code, fault.what, fault.start) for fault in parse(text).faults]


@pytest.mark.parametrize("written", ["{nome}", "{Nome}", "{ NOME }"])
def test_a_variable_is_read_as_people_type_it(written: str) -> None:
    assert filled(f"Olá, {written}!", nome="Ana") == "Olá, Ana!"


def test_accents_capitals_and_underscores_make_no_other_name() -> None:
    assert {fold(name) for name in ("Código de rastreio", "codigo_de_rastreio", " CÓDIGO  de\tRASTREIO ")} == {
        "codigo de rastreio"
    }


@pytest.mark.parametrize(("paid", "said"), [("sim", "Obrigado!"), ("", "Pague no balcão.")])
def test_a_condition_says_one_of_two(paid: str, said: str) -> None:
    assert filled("{se pago}Obrigado!{senão}Pague no balcão.{fim}", pago=paid) == said


def test_conditions_stand_in_each_other() -> None:
    text = "{se a}A{se b}B{senao}-{fim}{fim}."
    assert [filled(text, a=a, b=b) for a, b in (("1", "1"), ("1", ""), ("", "1"))] == ["AB.", "A-.", "."]


def test_lines_of_nothing_but_conditions_leave_no_lines() -> None:
    text = "Um\n{se a}\nDois: {a}\n{fim}\n{se b}\n  Três\n{senão}\nQuatro\n{fim}\nCinco"
    assert filled(text, a="x", b="y") == "Um\nDois: x\n  Três\nCinco"
    assert filled(text) == "Um\nQuatro\nCinco"


def test_a_line_whose_variables_are_empty_goes_and_others_stay() -> None:
    assert filled("Um\n{a}\nDois\n\nTrês {a}\n{b}", b="B\n\nC") == "Um\nDois\n\nTrês \nB\n\nC"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Oi {nome", [("brace", "{", 3)]),
        ("Oi nome}", [("brace", "}", 7)]),
        ("{{nome}}", [("brace", "{", 0), ("brace", "}", 7)]),
        ("{}", [("no_name", "{}", 0)]),
        ("{se }x{fim}", [("no_name", "{se }", 0), ("no_start", "{fim}", 6)]),
        ("x{fim}", [("no_start", "{fim}", 1)]),
        ("{se a}x{senão}y{senão}z{fim}", [("no_start", "{senão}", 15)]),
        ("x\n{se a}y", [("no_end", "{se a}", 2)]),
        ("{se a}" * (DEEPEST + 1) + "x" + "{fim}" * DEEPEST, [("too_deep", "{se a}", 6 * DEEPEST)]),
    ],
)
def test_what_cannot_be_read_is_a_fault_at_its_place(text: str, found: list[tuple[str, str, int]]) -> None:
    assert faults(text) == found


@given(st.text("{}se naofim*_~\n á", max_size=60))
def test_no_text_however_odd_raises(text: str) -> None:
    parsed = parse(text)
    fill(parsed.nodes, {"a": Value("1")})
    assert all(0 <= place.start < place.end <= len(text) for place in named(parsed.nodes))
    assert all(text[fault.start : fault.end] == fault.what for fault in parsed.faults)


def test_the_longest_way_takes_of_each_condition_the_longer_branch() -> None:
    nodes = parse("a{se x}bb{se y}{senão}{y}cc{fim}{senão}d{fim}{se x}{senão}ee{fim}").nodes
    values = {"x": Value("1"), "y": Value("2")}
    assert fill(nodes, values) == "abb"
    assert fill(longest_way(nodes, values), values) == "abb2ccee"


def test_thousands_of_conditions_do_no_harm() -> None:
    text = "{se a}" * 1500
    found = parse(text).faults
    # Five that have no end, the others within too many, and then no more is read.
    assert [fault.code for fault in found].count("too_many") == 1
    assert len(found) == MOST_TAGS + 1
    assert list(named(parse(text).nodes))


@pytest.mark.parametrize(
    ("text", "is_said"),
    [
        ("{código}", True),
        ("{se a}{código}{fim}", False),
        ("{se a}{código}{senão}x{fim}", False),
        ("{se a}{código}{senão}x {codigo}{fim}", True),
        ("{se código}x{fim}", False),
    ],
)
def test_whether_a_variable_is_said_in_any_case(text: str, is_said: bool) -> None:
    assert is_always_said("codigo", parse(text).nodes) is is_said


class TestMarks:
    """What a value has in it never breaks the marks that the text puts around it."""

    @pytest.mark.parametrize("value", ["Loja*da*Ana", "*Ana*", "Ana*"])
    def test_of_a_value_in_marks_of_the_text_its_own_are_left_out(self, value: str) -> None:
        assert filled("*{a}*", a=value) == f"*{value.replace('*', '')}*"
        assert filled("*Oi, {a}!*", a=value) == f"*Oi, {value.replace('*', '')}!*"

    def test_others_stay_and_mark_nothing(self) -> None:
        assert filled("*{a}*", a="x_y _z_").replace("\u2060", "") == "*x_y _z_*"
        assert filled("{a}", a="*x*") == "\u2060*\u2060x\u2060*\u2060"

    def test_nothing_in_marks_leaves_no_marks(self) -> None:
        assert filled("a*{a}*b") == "ab"
        assert filled("a*{a}*b", a="***") == "ab"

    def test_each_line_is_marked_since_no_mark_spans_lines(self) -> None:
        assert filled("_{a}_", a="x\ny") == "_x_\n_y_"

    def test_what_has_marks_of_its_own_takes_no_others(self) -> None:
        assert fill(parse("*{a}* _{a}_").nodes, {"a": Value("*AB1*", marked=True)}) == "*AB1* *AB1*"
