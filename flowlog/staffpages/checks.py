"""A page of the admin that does not say whose its rows are would show them to everybody: no process starts with one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from flowlog.staffpages.scoped import StoreScoped


@checks.register(checks.Tags.admin)
def every_page_is_scoped(**_kwargs: Any) -> list[checks.CheckMessage]:
    """One error for each registered model whose page is not kept to the stores of who looks."""
    return [error for page in admin.site._registry.values() for error in errors_of(page)]


def errors_of(page: admin.ModelAdmin[Any]) -> list[checks.CheckMessage]:
    if not isinstance(page, StoreScoped):
        words = f"The page of {page.model.__name__} is not kept to the stores of who looks."
        return [
            checks.Error(words, hint="Derive it from flowlog.staffpages.base.ModelAdmin.", obj=page, id="flowlog.E001")
        ]
    try:
        page.get_store_path()
    except ImproperlyConfigured as error:
        hint = "Give the model (or the page) a `store_path`; NO_STORE where permission alone decides."
        return [checks.Error(str(error), hint=hint, obj=page, id="flowlog.E002")]
    return []
