"""A secret is kept encrypted, shown nowhere, and stays readable while its key is among the settings."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django import forms
from django.core import serializers
from django.core.exceptions import FieldError, ValidationError
from django.db import connection, models, transaction
from django.test.utils import isolate_apps

from flowlog.secrets_at_rest import EncryptedTextField, NoKey, Secret, Unreadable

pytestmark = pytest.mark.django_db
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


@pytest.fixture
def safe() -> Iterator[Any]:
    with isolate_apps("flowlog"):

        class Safe(models.Model):
            word = EncryptedTextField("palavra", db_default="", default="", blank=True)
            needed = EncryptedTextField()

            class Meta:
                app_label = "flowlog"

            def __str__(self) -> str:
                return str(self.word)

        with connection.schema_editor() as editor:
            editor.create_model(Safe)
        yield Safe


def column(safe: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT word FROM {safe._meta.db_table}")  # noqa: S608 - our own table
        [[value]] = cursor.fetchall()
    return str(value)


def form_of(safe: Any) -> Any:
    return forms.modelform_factory(safe, fields=("word", "needed"))


def test_the_database_has_it_encrypted_and_the_row_reveals_it(safe: Any) -> None:
    safe.objects.create(word="açaí-word", needed="x")
    assert column(safe).startswith("gAAAA")
    assert safe.objects.get().word.reveal() == "açaí-word"
    safe.objects.update(word="other-word")
    row = safe.objects.get()
    assert row.word.reveal() == "other-word"
    row.word = "third-word"
    safe.objects.bulk_update([row], ["word"])
    before = column(safe)
    safe.objects.get().save()
    assert column(safe) == before  # what did not change is not encrypted again
    assert safe.objects.get().word.reveal() == "third-word"
    safe.objects.update(word="")
    assert (column(safe), bool(safe.objects.get().word)) == ("", False)
    assert safe.objects.filter(word="").exists()
    with pytest.raises(FieldError):
        safe.objects.filter(word="third-word")


def test_nothing_that_is_printed_or_exported_has_it(safe: Any) -> None:
    safe.objects.create(word="open-sesame", needed="open-sesame")
    for row in (safe.objects.get(), safe(word="open-sesame", needed="open-sesame")):
        exported = serializers.serialize("json", [row]) + serializers.serialize("xml", [row])
        printed = [str(row), repr(row.word), f"{row.word}", "%s" % row.word, str(vars(row)), str([row.word])]  # noqa: UP031
        page = str(form_of(safe)(instance=row)) + str(form_of(safe)({"word": "open-sesame"}, instance=row))
        assert "sesame" not in "".join([*printed, exported, page])
        assert b"sesame" not in pickle.dumps(row.word)
        assert pickle.loads(pickle.dumps(row.word)) == row.word == copy.deepcopy(row.word)  # noqa: S301 - our own
        with pytest.raises(TypeError):
            json.dumps(row.word)
        with pytest.raises(TypeError):
            hash(row.word)


def test_a_form_writes_it_and_leaves_it_if_nothing_is_entered(safe: Any) -> None:
    form_of = forms.modelform_factory(safe, fields=("word", "needed"))
    assert form_of({"word": "", "needed": " "}).errors == {"needed": ["Este campo é obrigatório."]}
    row = form_of({"word": " first\n", "needed": "n"}).save()
    assert (row.word.reveal(), row.needed.reveal()) == ("first", "n")
    kept = form_of({"word": "", "needed": ""}, instance=safe.objects.get())
    assert (kept.is_valid(), kept.changed_data) == (True, [])
    kept.save()
    assert safe.objects.get().word.reveal() == "first"
    changed = form_of({"word": "second", "needed": ""}, instance=safe.objects.get())
    assert changed.changed_data == ["word"]
    changed.save()
    assert safe.objects.get().word.reveal() == "second"


def test_keys_are_changed_by_putting_a_new_one_before_the_old(safe: Any, settings: Any) -> None:
    settings.CREDENTIALS_KEYS = [OLD]
    safe.objects.create(word="a-word", needed="x")
    settings.CREDENTIALS_KEYS = [NEW, OLD]
    assert safe.objects.get().word.reveal() == "a-word"
    settings.CREDENTIALS_KEYS = [NEW]
    row = safe.objects.get()  # a row can be read, and saved, without the key
    row.save()
    assert (row.word == "a-word", row.word == safe.objects.get().word, bool(row.word)) == (False, True, True)
    with pytest.raises(Unreadable, match="falta a chave de CREDENTIALS_KEYS que o cifrou"):
        row.word.reveal()
    with pytest.raises(Unreadable):
        pickle.loads(pickle.dumps(row.word)).reveal()  # noqa: S301 - our own
    settings.CREDENTIALS_KEYS = [OLD]
    assert row.word.reveal() == "a-word"


def test_without_a_key_nothing_is_kept_and_the_form_says_why(safe: Any, settings: Any) -> None:
    settings.CREDENTIALS_KEYS = []
    with pytest.raises(NoKey), transaction.atomic():
        safe.objects.create(word="a-word", needed="")
    assert not safe.objects.exists()
    form = form_of(safe)({"word": "a-word", "needed": "x"})
    [error] = form.errors["word"]
    assert error.startswith("Isto ainda não pode ser guardado com segurança: falta CREDENTIALS_KEYS no .env.")
    with pytest.raises(ValidationError):
        safe(word="a-word", needed="x").full_clean()
    safe.objects.create(word="", needed="")  # no secret needs no key
    assert Secret("") == Secret.kept("") == ""
