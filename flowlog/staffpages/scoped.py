"""The part of the admin's base classes that keeps each person to the rows of their stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from flowlog.staffpages.filters import StoreFilter
from flowlog.staffpages.stores import (
    NO_STORE,
    StorePath,
    is_within,
    path_of,
    reach,
    store_id_of,
    within,
)

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as Admin
    from django.contrib.admin.options import BaseModelAdmin as BaseAdmin
    from django.contrib.admin.views.main import ChangeList as ThemeChangeList
else:
    from unfold.views import ChangeList as ThemeChangeList

    Admin = BaseAdmin = object


class ScopedChoices(BaseAdmin):
    """Offers, and takes, as a relation's value only rows of the person's stores."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        self._limit(db_field, request, kwargs)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        self._limit(db_field, request, kwargs)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def _limit(self, db_field: Any, request: HttpRequest, kwargs: dict[str, Any]) -> None:
        related = db_field.remote_field.model
        if getattr(related, "store_path", None) is None:
            return
        chosen = kwargs.get("queryset")
        if chosen is None:
            chosen = self.get_field_queryset(kwargs.get("using"), db_field, request)
        kwargs["queryset"] = within(related._default_manager.all() if chosen is None else chosen, request.user)


class StoreScoped(ScopedChoices, Admin):
    """A page of the admin that shows of each list, look-up, filter and address only what is of the person's stores.

    `store_path` is the model's own, unless said here. A page whose model has none fails a system check.
    """

    store_path: StorePath | None = None
    # Off where the list has a column of its own, or the person could not tell from it what to do.
    shows_store = True
    # What the list is called; else as many rows are.
    list_title: Any = ""

    def get_store_path(self) -> StorePath:
        # From the class: a function must not become a method.
        own = type(self).store_path
        return path_of(self.model) if own is None else own

    def reaches(self, request: HttpRequest, obj: Model | None) -> bool:
        """Whether the row is of one of the person's stores; a new one is nobody's yet."""
        return obj is None or obj.pk is None or is_within(obj, request.user, self.get_store_path())

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return within(super().get_queryset(request), request.user, self.get_store_path())

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) and self.reaches(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self.reaches(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and self.reaches(request, obj)

    # -- Lists --------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:  # noqa: ARG002
        return ScopedChangeList

    def tells_store(self, request: HttpRequest) -> bool:
        """Whether the list says of each row whose it is: only to who works for several stores."""
        of_stores = self.shows_store and self.get_store_path() != NO_STORE and not callable(self.get_store_path())
        return of_stores and len(reach(request.user).names) > 1

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = super().get_list_display(request)
        return (*columns, "store_name") if self.tells_store(request) else columns

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = super().get_list_filter(request)
        return (StoreFilter, *filters) if self.tells_store(request) else filters

    @admin.display(description=_("store"))
    def store_name(self, row: Any) -> str:
        return getattr(row, "its_store_name", "")


class ScopedChangeList(ThemeChangeList):
    """A list that keeps to the person's stores whatever its filters and its search make of the rows."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_popup:
            # Not what can be done with one: which list it is.
            scoped: Any = self.model_admin
            self.title = scoped.list_title or capfirst(str(self.opts.verbose_name_plural))

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        rows = super().get_queryset(request, exclude_parameters)
        scoped: Any = self.model_admin
        if scoped.tells_store(request) and (relations := _relations(scoped.get_store_path())):
            rows = rows.select_related(*relations)
        return within(rows, request.user, scoped.get_store_path())

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        scoped: Any = self.model_admin
        if getattr(self.paginator, "is_capped", False):
            self.sortable_by: Any = ()
        if scoped.tells_store(request):
            names = reach(request.user).names
            for row in self.result_list:
                row.its_store_name = names.get(store_id_of(row, scoped.get_store_path()) or 0, "")


def _relations(path: StorePath) -> list[str]:
    """What has to be read with each row for its store to be known."""
    paths = [path] if isinstance(path, str) else list(path) if isinstance(path, tuple) else []
    return [each.rpartition("__")[0] for each in paths if "__" in each]
