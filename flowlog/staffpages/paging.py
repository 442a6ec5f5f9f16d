"""Pages of a list that may have no end: it is counted as far as anybody leafs through it."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from flowlog.staffpages.asking import counted

MOST = 1000


class MoreThan(int):
    """A number of rows that is not known, but that it is more than this; as such it is read wherever it stands."""

    def __str__(self) -> str:
        return _("more than %(number)s") % {"number": number_format(int(self), force_grouping=True)}


def note_count(request: HttpRequest, number: int) -> None:
    """The list that is asked for has so many rows, or more than `MOST`: it is known already."""
    request._flowlog_count = number  # type: ignore[attr-defined]


class CappedPaginator(Paginator):
    """Offers the first `MOST` rows, and of a longer list says that there are more: a search and filters lead to those.

    A longer list is in its model's own order, which an index gives, whatever it was asked to be sorted by.
    """

    known: int | None = None

    @classmethod
    def of(cls, request: HttpRequest, rows: Any, *options: Any, **more: Any) -> CappedPaginator:
        """That of a list whose rows may have been counted: see `note_count`."""
        paginator = cls(rows, *options, **more)
        paginator.known = getattr(request, "_flowlog_count", None)
        return paginator

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        [number] = counted([rows], MOST) if self.known is None else [self.known]
        return MoreThan(MOST) if number > MOST else number

    @property
    def is_capped(self) -> bool:
        """Whether there are more rows than are offered."""
        return isinstance(self.count, MoreThan)

    def page(self, number: Any) -> Page:
        if self.is_capped and isinstance(self.object_list, QuerySet):
            self.object_list = self.object_list.order_by(*self.object_list.model._meta.ordering)
        return super().page(number)
