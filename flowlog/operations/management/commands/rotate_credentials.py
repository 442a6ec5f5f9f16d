"""`manage.py rotate_credentials`: encrypt what is stored with the first of CREDENTIALS_KEYS, so that others can go."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.translation import gettext as _

from flowlog.secrets_at_rest import EncryptedTextField, Unreadable


class Command(BaseCommand):
    help = "Encrypt the stored secrets again, with the first of CREDENTIALS_KEYS. Safe to repeat."

    def handle(self, *_args: Any, **_options: Any) -> None:
        if not settings.CREDENTIALS_KEYS:
            raise CommandError(_("CREDENTIALS_KEYS is not set: there is no key to encrypt with."))
        done, unreadable = 0, list[str]()
        for model in apps.get_models():
            for field in model._meta.local_concrete_fields:
                if isinstance(field, EncryptedTextField):
                    rows = model._default_manager.exclude(**{field.name: ""})
                    for key in rows.order_by("pk").values_list("pk", flat=True):
                        if _encrypt_again(model, field.name, key):
                            done += 1
                        else:
                            unreadable.append(f"{model._meta.verbose_name} {key}")
        self.stdout.write(_("Encrypted with the first key: %(count)d.") % {"count": done})
        if unreadable:
            words = _("No key of CREDENTIALS_KEYS reads these; put theirs back, or enter them again: %(rows)s.")
            raise CommandError(words % {"rows": ", ".join(unreadable)})


@transaction.atomic
def _encrypt_again(model: Any, field: str, key: Any) -> bool:
    """Whether it could be read. One that is being changed right now is waited for."""
    row = model._default_manager.select_for_update(of=("self",)).only(field).get(pk=key)
    try:
        setattr(row, field, getattr(row, field).reveal())
    except Unreadable:
        return False
    row.save(update_fields=[field])
    return True
