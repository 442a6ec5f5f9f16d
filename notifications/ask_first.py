"""Pages of the admin that ask before something is done."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from flowlog.staffpages.base import ModelAdmin
from flowlog.translations import Words


class AskFirst(ModelAdmin):
    """Adds pages that ask before something is done."""

    def _require(self, request: HttpRequest, permission: str) -> None:
        """The page that asks shows what only those may see who may see the object."""
        if not (self._may(request, permission) and self.has_view_permission(request)):
            raise PermissionDenied

    @staticmethod
    def _may(request: HttpRequest, permission: str) -> bool:
        return request.user.has_perm(f"integrations.{permission}")

    def _ask(self, request: HttpRequest, title: Words, question: str, back: str, **values: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "question": question,
            "back": back,
            **values,
        }
        return TemplateResponse(request, "admin/notifications/confirm.html", context)
