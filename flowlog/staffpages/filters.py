"""The lists' filters by what a person's stores have."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter, RelatedDropdownFilter

from flowlog.staffpages.stores import condition, path_of, reach, stores_of


class StoreFilter(DropdownFilter):  # type: ignore[misc]
    """By store, for who works for several."""

    title = _("store")
    parameter_name = "of_store"

    def __init__(self, request: HttpRequest, params: Any, model: type[Model], model_admin: Any) -> None:
        self.path = model_admin.get_store_path()
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in reach(request.user).names.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        if not self.value():
            return queryset
        chosen = {pk for pk in reach(request.user).stores if str(pk) == self.value()}
        return queryset.filter(condition(self.path, frozenset(chosen)))


class RelatedFilter(RelatedDropdownFilter):  # type: ignore[misc]
    """The theme's filter by a related row, among those of the person's stores."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        ordering = self.field_admin_ordering(field, request, model_admin)
        stores = stores_of(request.user)
        limit = Q() if stores is None else condition(path_of(field.related_model), stores)
        return field.get_choices(include_blank=False, ordering=ordering, limit_choices_to=limit)
