"""Permissions in words, where a superuser gives them: Django's own are English, and of every table there is."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q
from django.forms import ModelMultipleChoiceField
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from flowlog.translations import Words

_WORDS: dict[str, Words] = {
    "add": pgettext_lazy("permission", "add"),
    "change": pgettext_lazy("permission", "change"),
    "delete": pgettext_lazy("permission", "delete"),
    "view": pgettext_lazy("permission", "see"),
    "answer_customerreply": pgettext_lazy("permission", "answer"),
    "apply_carriernews": pgettext_lazy("permission", "apply again"),
    "apply_shopnews": pgettext_lazy("permission", "apply again"),
    "cancel_notificationlog": pgettext_lazy("permission", "cancel what waits"),
    "disclose_customer": pgettext_lazy("permission", "hand out what is kept"),
    "dismiss_notificationlog": pgettext_lazy("permission", "dismiss what failed"),
    "erase_customer": pgettext_lazy("permission", "erase personal data"),
    "export_customer": pgettext_lazy("permission", "export"),
    "export_messages": pgettext_lazy("permission", "export messages"),
    "export_order": pgettext_lazy("permission", "export"),
    "import_customer": pgettext_lazy("permission", "import"),
    "import_order": pgettext_lazy("permission", "import"),
    "read_carriernews": pgettext_lazy("permission", "read what came as it is"),
    "read_shopnews": pgettext_lazy("permission", "read what came as it is"),
    "release_evolutioninstance": pgettext_lazy("permission", "let send again"),
    "resend_notificationlog": pgettext_lazy("permission", "send again"),
    "work_in_all_stores": _("work for all stores"),
}


class PermissionsField(ModelMultipleChoiceField):
    """Of what the admin has pages for, and of whatever else somebody was given: nothing is lost by saving."""

    def __init__(self, queryset: Any, **options: Any) -> None:
        types = ContentType.objects.get_for_models(*_shown_models()).values()
        given = Q(group__isnull=False) | Q(user__isnull=False)
        offered = Permission.objects.filter(Q(content_type__in=list(types)) | given)
        super().__init__(queryset.filter(pk__in=offered.values("pk")), **options)

    def label_from_instance(self, permission: Any) -> str:
        model = permission.content_type.model_class()
        verb = permission.codename.partition("_")[0]
        words = _WORDS.get(permission.codename) or _WORDS.get(verb) or permission.name
        return f"{capfirst(str(model._meta.verbose_name)) if model else permission.content_type}: {words}"


def _shown_models() -> set[type[Model]]:
    registry: dict[Any, Any] = admin.site._registry
    return {*registry, *(inline.model for each in registry.values() for inline in each.inlines)}
