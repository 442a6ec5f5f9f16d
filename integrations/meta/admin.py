"""What the page of an instance at Meta asks for, and what it shows to be pasted there."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from flowlog.staffpages.base import StackedInline
from integrations.models import EvolutionInstance, MetaNumber

_MAY_CHANGE = "integrations.change_evolutioninstance"


class MetaNumberInline(StackedInline):
    """The one number of an instance. Who may change the instance may change it."""

    model = MetaNumber
    max_num = extra = min_num = 1
    can_delete = False
    fields = (
        "phone_number_id", "access_token", "app_secret", "template_name", "template_language", "webhook_shown",
        "token_shown",
    )  # fmt: skip
    readonly_fields = ("webhook_shown", "token_shown")

    def has_view_permission(self, request: HttpRequest, obj: EvolutionInstance | None = None) -> bool:  # noqa: ARG002
        return request.user.has_perm(_MAY_CHANGE)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return request.user.has_perm(_MAY_CHANGE)

    def has_change_permission(self, request: HttpRequest, obj: EvolutionInstance | None = None) -> bool:  # noqa: ARG002
        return request.user.has_perm(_MAY_CHANGE)

    @admin.display(description=_("webhook's address, to be entered at Meta"))
    def webhook_shown(self, number: MetaNumber) -> SafeString | str:
        if not number.pk:
            return gettext("It stands here once the number is saved.")
        url = f"{settings.SITE_URL}/webhooks/meta/{quote(number.instance.name, safe='')}"
        words = gettext(
            "At Meta under WhatsApp > Configuration, with the verify token; subscribe to the field messages."
        )
        return format_html("<code>{}</code><br>{}", url, words)

    @admin.display(description=_("verify token"))
    def token_shown(self, number: MetaNumber) -> SafeString | str:
        return format_html("<code>{}</code>", number.verify_token) if number.pk else ""
