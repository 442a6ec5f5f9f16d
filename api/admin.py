"""Tokens of the API in the admin: made, shown once, and revoked."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from api import timeline
from api.models import ApiToken
from flowlog.staffpages.base import ModelAdmin, label_column, person
from flowlog.staffpages.once import UNKEPT, once
from flowlog.times import moment
from flowlog.translations import Words
from orders.admin.timeline import register_annotator
from orders.models import Store

register_annotator(timeline.annotate, "api_change__token")

_NAME = "api_apitoken"
_STATES: dict[str, Words] = {
    "valid": gettext_lazy("valid"),
    "expired": gettext_lazy("expired"),
    "revoked": gettext_lazy("revoked"),
}
_COLOURS = {"valid": "success", "expired": "warning", "revoked": "danger"}


class ApiTokenForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it may do"),
        choices=ApiToken.Scope,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):
    when_empty = gettext_lazy("Make a token for a program of the shop that is to make orders here or to read them.")
    form = ApiTokenForm
    list_display = ("name", "hint_column", "is_test", "state", "used", "until")
    sortable_by = ()
    search_fields = ("name",)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [path("<int:pk>/revoke/", wrap(self.revoke_view), name=f"{_NAME}_revoke"), *super().get_urls()]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """It is revoked: the timelines of orders say what was done with it."""
        return False

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:  # noqa: ARG002
        shown = ("hint_column", "state", "used", "created_by") if obj else ()
        return ("store", "name", "is_test", "scopes", "expires_at", *shown)

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:  # noqa: ARG002
        return ("store", "is_test", "hint_column", "state", "used", "created_by") if obj else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"store": Store.get_default().pk, **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        """Only what was edited is written. A new one's token is shown in the answer, and never again."""
        if change:
            obj.save(update_fields=form.changed_data)
            return
        obj.created_by = person(request)
        token = obj.renew()
        obj.save()
        words = _("This is the token. It is shown only now: copy it into your program, and keep it like a password.")
        self.message_user(
            request, format_html('{} <code class="flowlog-file">{}</code>', words, token), messages.WARNING, UNKEPT
        )

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        token = self.get_object(request, object_id)
        can_revoke = token is not None and token.revoked_at is None and self.has_change_permission(request, token)
        address = reverse(f"admin:{_NAME}_revoke", args=[token.pk]) if token and can_revoke else ""
        context = {"revoke_address": address, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    @once
    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask (GET) and take it back (POST): from then on it opens nothing."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        token: ApiToken = get_object_or_404(self.get_queryset(request), pk=pk)
        back = reverse(f"admin:{_NAME}_change", args=[pk])
        if request.method == "POST":
            if ApiToken.objects.filter(pk=pk, revoked_at=None).update(revoked_at=Now()):
                self.log_change(request, token, _("Revoked."))
            self.message_user(request, _("Revoked: from now on it opens nothing."), messages.SUCCESS)
            return redirect(back)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Revoke %(name)s") % {"name": token.name},
            "hint": _(
                "The program that uses it is refused at once. It cannot be taken back: a new one is made instead."
            ),
            "back": back,
        }
        return TemplateResponse(request, "admin/integrations/connection/form.html", context)

    @admin.display(description=gettext_lazy("begins with"))
    def hint_column(self, token: ApiToken) -> str:
        return f"{token.hint}…"

    @label_column(_COLOURS, description=gettext_lazy("state"))
    def state(self, token: ApiToken) -> tuple[str, Words]:
        value = "revoked" if token.revoked_at else "valid" if token.is_valid(timezone.now()) else "expired"
        return value, _STATES[value]

    @admin.display(description=gettext_lazy("last used"))
    def used(self, token: ApiToken) -> str:
        return moment(token.last_used_at)

    @admin.display(description=gettext_lazy("valid until"))
    def until(self, token: ApiToken) -> str:
        return moment(token.expires_at)
