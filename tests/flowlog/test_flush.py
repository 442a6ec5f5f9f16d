"""A test with real transactions leaves nothing to the next one (tests/flush.py)."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.test import TransactionTestCase

from tests.factories import make_instance, make_order

pytestmark = pytest.mark.django_db(transaction=True)


def flush() -> None:
    TransactionTestCase("run")._fixture_teardown()  # type: ignore[attr-defined]


def left() -> set[type[Model]]:
    return {model for model in apps.get_models() if model._base_manager.exists()}


@pytest.mark.parametrize("spoil", [False, True])
def test_only_content_types_and_permissions_are_left_as_they_were(*, spoil: bool) -> None:
    flush()
    before = list(Permission.objects.values_list("codename", "content_type__model").order_by("pk"))
    make_instance()
    make_order(until="shipped")
    assert len(left()) > 5
    if spoil:
        Permission.objects.filter(codename="add_order").delete()
        Permission.objects.filter(codename="change_order").update(name="Another name", codename="another")
    flush()
    assert left() == {ContentType, Permission}
    assert sorted(Permission.objects.values_list("codename", "content_type__model")) == sorted(before)
