"""README.md: what it shows, shows something, and what it says can be done and understood."""

from __future__ import annotations

import re

import pytest

from integrations.models import NotificationLog
from orders.models import Order, Store
from tests.embedded import BASE_DIR
from tests.factories import make_instance

README = (BASE_DIR / "README.md").read_text()
PICTURES = re.findall(r'<img src="([^"]+)" width="\d+%" alt="([^"]+)">', README)
# Explained where they stand in italics, which is where they are met first.
EXPLAINED = ("gateway", "outbox", "instance", "sweep", "snapshot", "on hold")
# The engine's own words, which a newcomer does without.
UNSAID = ("claim", "settle", "probe", "held", "lease", "look-up")


def test_its_pictures_are_small_and_say_what_they_show() -> None:
    assert [source for source, _ in PICTURES] == ["docs/pictures/order.png", "docs/pictures/customer.png"]
    for source, _ in PICTURES:
        data = (BASE_DIR / source).read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        assert int.from_bytes(data[16:20]) == 1280
        assert len(data) < 150_000


@pytest.mark.parametrize("word", EXPLAINED)
def test_a_word_is_explained_where_it_is_met_first(word: str) -> None:
    assert README.index(f"*{word}*") == README.index(word) - 1


@pytest.mark.parametrize("word", UNSAID)
def test_a_word_that_it_does_not_explain_is_not_in_it(word: str) -> None:
    assert re.findall(rf"(?i)\b{word}", README) == []


def test_the_choice_that_it_names_is_the_default() -> None:
    field = Store._meta.get_field("on_unknown_outcome")
    assert field.default == Store.OnUnknownOutcome.RESEND
    assert f"*{field.verbose_name}*" in README


@pytest.mark.django_db
def test_an_order_gets_in_as_it_says_and_only_once() -> None:
    make_instance(Store.get_default())
    (program,) = re.findall(r"(?ms)^```python\n(.*?)^```$", README)
    exec(program, {})  # noqa: S102
    exec(program.partition("apply_transition(order")[0], {})  # noqa: S102
    assert [(order.external_id, order.status) for order in Order.objects.all()] == [("1042", "confirmed")]
    assert list(NotificationLog.objects.order_by("pk").values_list("event", flat=True)) == ["create", "confirm"]
