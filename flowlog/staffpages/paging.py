"""Pages of a list that may have no end: it is counted as far as anybody leafs through it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from unfold.paginator import InfinitePaginator

from flowlog.staffpages.asking import counted

MOST = 1000


class MoreThan(int):
    """A number of rows that is not known, but that it is more than this; as such it is read wherever it stands."""

    def __str__(self) -> str:
        return _("more than %(number)s") % {"number": number_format(int(self), force_grouping=True)}


def note_found(request: HttpRequest, rows: QuerySet[Any], known: Sequence[Any]) -> None:
    """Of the list that is asked for these keys are known, in its model's own order: the first, or all there are. `rows`
    are those among which they were looked for."""
    request._flowlog_found = rows, known  # type: ignore[attr-defined]


class FindingPaginator(Paginator):
    """That of a list whose rows may have been found already: see `note_found`."""

    found: tuple[QuerySet[Any], Sequence[Any]] | None = None

    @classmethod
    def of(cls, request: HttpRequest, rows: Any, *options: Any, **more: Any) -> Self:
        paginator = cls(rows, *options, **more)
        paginator.found = getattr(request, "_flowlog_found", None)
        return paginator

    def page_of_found(self, number: Any) -> Page | None:
        """The page, if all of it is known: in the model's own order."""
        listed = self.object_list
        if self.found is None or not isinstance(listed, QuerySet):
            return None
        number = self.validate_number(number)
        rows, known = self.found
        end = number * self.per_page
        if end > min(len(known), MOST):
            return None
        shown = rows.filter(pk__in=known[end - self.per_page : end]).order_by(*(listed.model._meta.ordering or ()))
        # Whatever is read with each row of the list.
        shown.query.select_related = listed.query.select_related
        page: Page = self._get_page(shown, number, self)  # type: ignore[attr-defined]
        return page


class EndlessPaginator(FindingPaginator, InfinitePaginator):  # type: ignore[misc]
    """Of rows that are never counted: whoever leafs on comes to an empty page."""

    def page(self, number: Any) -> Page:
        return self.page_of_found(number) or super().page(number)


class CappedPaginator(FindingPaginator):
    """Offers the first `MOST` rows, and of a longer list says that there are more: a search and filters lead to those.

    A longer list is in its model's own order, which an index gives, whatever it was asked to be sorted by.
    """

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        number = len(self.found[1]) if self.found is not None else counted([rows], MOST)[0]
        return MoreThan(MOST) if number > MOST else number

    @property
    def is_capped(self) -> bool:
        """Whether there are more rows than are offered."""
        return isinstance(self.count, MoreThan)

    def page(self, number: Any) -> Page:
        if self.is_capped and (page := self.page_of_found(number)):
            return page
        if self.is_capped and isinstance(self.object_list, QuerySet):
            self.object_list = self.object_list.order_by(*self.object_list.model._meta.ordering)
        return super().page(number)
