"""What the admin pages of all apps share: their base classes, and how a value is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.options import ActionLocation
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from flowlog.staffpages.once import once
from flowlog.staffpages.paging import CappedPaginator, EndlessPaginator, FindingPaginator
from flowlog.staffpages.scoped import ScopedChoices, StoreScoped
from flowlog.translations import Words

if TYPE_CHECKING:
    # The theme is not typed; its classes are Django's with more attributes.
    from django.contrib.admin import ModelAdmin as ThemeModelAdmin
    from django.contrib.admin import StackedInline as ThemeStackedInline
    from django.contrib.admin import TabularInline as ThemeTabularInline
else:
    from unfold.admin import ModelAdmin as ThemeModelAdmin
    from unfold.admin import StackedInline as ThemeStackedInline
    from unfold.admin import TabularInline as ThemeTabularInline

_KEY = re.compile(r"[0-9]{1,19}")


class ModelAdmin(StoreScoped, ThemeModelAdmin):
    """The theme's, with the signature that Django 6.1 asks for, kept to the person's stores, each form saved once."""

    # Counting what each filter would find costs a scan of the table per filter.
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    paginator = CappedPaginator
    # What a list without rows says: what will stand there, and how it gets there.
    when_empty: ClassVar[Words]

    def get_paginator(self, request: HttpRequest, queryset: Any, *options: Any, **more: Any) -> Any:
        if issubclass(self.paginator, FindingPaginator):
            return self.paginator.of(request, queryset, *options, **more)
        return super().get_paginator(request, queryset, *options, **more)

    def get_action_choices(
        self,
        request: HttpRequest,
        default_choices: Any = None,
        action_location: ActionLocation = ActionLocation.CHANGE_LIST,
    ) -> list[tuple[str, str]]:
        choices = default_choices or [("", _("Select action"))]
        return admin.ModelAdmin.get_action_choices(self, request, choices, action_location)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """With the names of fields as the page has them: Django keeps the English ones, of which few are translated."""
        told = super().construct_change_message(request, form, formsets, add)
        forms = [form, *(each for formset in formsets or () for each in formset.forms)]
        labels = [label for each in forms for name, field in each.fields.items() for label in [field.label or name]]
        with override(None):
            english = [str(label) for label in labels]
        shown = dict(zip(english, map(str, labels), strict=True))
        for changed in (entry["changed"] for entry in told if "fields" in entry.get("changed", {})):
            changed["fields"] = [shown.get(name, name) for name in changed["fields"]]
        return told

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[Any], dict[str, int], Any, Any]:
        """Without the rows that only tie two others together, for which Django has no words: they go with either."""
        listed, counts, lacking, protected = super().get_deleted_objects(objs, request)
        ties = [each for each in apps.get_models(include_auto_created=True) if each._meta.auto_created]
        names = {each._meta.verbose_name_plural for each in ties}
        beginnings = tuple(f"{capfirst(each._meta.verbose_name)}: {each.__name__} object" for each in ties)
        counts = {name: count for name, count in counts.items() if name not in names}
        return _without(listed, beginnings), counts, lacking, protected

    @once
    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return super().changeform_view(request, object_id, form_url, extra_context)


def _without(listed: list[Any], beginnings: tuple[str, ...]) -> list[Any]:
    """A tree of texts, as a page that asks before it deletes has it, without those that begin so."""
    kept = (each if isinstance(each, str) else _without(each, beginnings) for each in listed)
    return [each for each in kept if each and not (isinstance(each, str) and each.startswith(beginnings))]


class TabularInline(ScopedChoices, ThemeTabularInline):
    """Rows of a table inside the page of what they belong to."""

    extra = 0
    show_title = False


class StackedInline(ScopedChoices, ThemeStackedInline):
    """A form inside the page of what it belongs to."""

    show_title = False


class ReadOnlyAdmin(ModelAdmin):
    """Rows that the system writes and people only look at."""

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False


class UncountedAdmin(ReadOnlyAdmin):
    """Rows without end, which are not counted for a page that shows a few of them."""

    paginator = EndlessPaginator
    # Without a count it would offer to select all 9999999999 of them.
    list_disable_select_all = True


def label_column(
    colours: Mapping[str, str], *, description: Words, ordering: str | None = None
) -> Callable[[Callable[[Any, Any], tuple[str, Words]]], Callable[[Any, Any], SafeString]]:
    """A list column or a page's field shown as a coloured label; the method returns the value and its words."""

    def decorate(method: Callable[[Any, Any], tuple[str, Words]]) -> Callable[[Any, Any], SafeString]:
        @admin.display(description=description, ordering=ordering)  # type: ignore[arg-type]
        @wraps(method)
        def label(model_admin: Any, row: Any) -> SafeString:
            value, words = method(model_admin, row)
            return label_html(colours.get(value, ""), words)

        return label

    return decorate


def label_html(colour: str, words: Words) -> SafeString:
    """The same coloured label for any other place."""
    return render_to_string("unfold/helpers/label.html", {"type": colour, "text": words})


def person(request: HttpRequest) -> User | None:
    """Who is logged in, as the services want to know it."""
    return request.user if request.user.is_authenticated else None


def keys(written: Iterable[str]) -> list[int]:
    """The rows' keys among what somebody has sent, who may have written anything."""
    numbers = [int(each) for each in written if _KEY.fullmatch(each)]
    return [each for each in numbers if each < 2**63]
