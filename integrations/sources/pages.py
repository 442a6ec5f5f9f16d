"""Pages of one row beside its form, each of which asks for something and does it: the next step, or a button."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from flowlog.staffpages.base import ModelAdmin


class StepPages(ModelAdmin):
    """For a model whose rows have a store. Each view takes the row's key, and asks `_changeable` for the row."""

    def step_views(self) -> Mapping[str, Callable[..., HttpResponse]]:
        """The views of one row, by the names that their addresses end with."""
        return {}

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        views = self.step_views().items()
        own = [path(f"<int:pk>/{name}/", wrap(view), name=self._page_name(name)) for name, view in views]
        return [*own, *super().get_urls()]

    def _changeable(self, request: HttpRequest, pk: int) -> Any:
        """The row, if the person may change it."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        return get_object_or_404(self.get_queryset(request).select_related("store"), pk=pk)

    def _page(self, request: HttpRequest, row: Model, title: str, **values: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "back": self._address("change", row.pk),
            **values,
        }
        return TemplateResponse(request, "admin/integrations/connection/form.html", context)

    def _page_name(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"

    def _address(self, name: str, pk: int) -> str:
        return reverse(f"admin:{self._page_name(name)}", args=[pk])
