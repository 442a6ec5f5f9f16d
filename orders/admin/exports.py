"""Export of a list: what its filters and its search show, for the person who looks, as CSV or XLSX."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from flowlog.staffpages.base import ModelAdmin, person
from orders import export_jobs
from orders.export_models import DataExport
from orders.exports import ExportColumn
from orders.sheet_files import CSV_TYPE, XLSX_TYPE, Value, csv_lines, xlsx_file

# Such a file is made before it is sent: one of more rows in the background. A CSV file is sent while it is read.
AT_ONCE_XLSX = 20_000
MOST_XLSX = 100_000
_AT_ONCE = 500
# What says where in a list one is, and nothing of what it shows.
_PAGE = ("p", "all", "e")


class ExportViews(ModelAdmin):
    """Adds the two files, for who may export them."""

    export_columns: ClassVar[Sequence[ExportColumn]]
    export_permission: str
    export_name: str
    # What each row's columns ask for.
    export_related: ClassVar[Sequence[str]] = ()
    export_prefetched: ClassVar[Sequence[str]] = ()

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("export/csv/", wrap(self.export_csv_view), name=self._export_name("csv")),
            path("export/xlsx/", wrap(self.export_xlsx_view), name=self._export_name("xlsx")),
            path("export/<int:pk>/", wrap(self.export_page_view), name=self._export_name("page")),
            path("export/<int:pk>/file/", wrap(self.export_file_view), name=self._export_name("file")),
            *super().get_urls(),
        ]

    def may_export(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(self.export_permission) and self.has_view_permission(request))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """With the way to the files above the list."""
        context = extra_context or {}
        mine = self._export_links(request) if self.may_export(request) else []
        return super().changelist_view(request, {**context, "in_out": [*context.get("in_out", []), *mine]})

    def export_csv_view(self, request: HttpRequest) -> HttpResponseBase:
        """Line by line, however many there are."""
        rows = self._exported(request)
        if isinstance(rows, HttpResponseBase):
            return rows
        self._log_export(request, rows.count())
        lines = csv_lines(self.export_headings(), self.export_values(rows, translation.get_language()))
        headers = {"Content-Disposition": f'attachment; filename="{self._file_name("csv")}"'}
        return StreamingHttpResponse(lines, content_type=CSV_TYPE, headers=headers)

    def export_xlsx_view(self, request: HttpRequest) -> HttpResponseBase:
        rows = self._exported(request)
        if isinstance(rows, HttpResponseBase):
            return rows
        count = rows.count()
        if count > MOST_XLSX:
            words = _("These are %(count)d rows; an Excel file takes %(most)d here. Filter the list, or take CSV.")
            self.message_user(request, words % {"count": count, "most": MOST_XLSX}, messages.ERROR)
            return HttpResponseRedirect(self._list_address(request))
        self._log_export(request, count)
        actor = person(request)
        if count > AT_ONCE_XLSX and actor:
            wanted = export_jobs.start(self.opts.label_lower, request.GET.urlencode(), actor, count)
            return HttpResponseRedirect(reverse(f"admin:{self._export_name('page')}", args=[wanted.pk]))
        values = self.export_values(rows, translation.get_language())
        file = xlsx_file(self.export_headings(), values, str(self.export_name))
        return FileResponse(file, as_attachment=True, filename=self._file_name("xlsx"), content_type=XLSX_TYPE)

    def export_page_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How far a file in the background has come, for whoever asked for it."""
        wanted = self._wanted(request, pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Export to Excel"),
            "wanted": wanted,
            "has_file": wanted.has_file,  # type: ignore[attr-defined]
            "file": reverse(f"admin:{self._export_name('file')}", args=[pk]),
            "back": f"{self._list_address(request)}{'?' if wanted.query else ''}{wanted.query}",
        }
        return TemplateResponse(request, "admin/orders/export.html", context)

    def export_file_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The file itself, while it is kept."""
        wanted = self._wanted(request, pk)
        if wanted.content is None:
            raise Http404
        headers = {"Content-Disposition": f'attachment; filename="{self._file_name("xlsx")}"'}
        return HttpResponse(bytes(wanted.content), content_type=XLSX_TYPE, headers=headers)

    def _wanted(self, request: HttpRequest, pk: int) -> DataExport:
        if not self.may_export(request):
            raise PermissionDenied
        mine = DataExport.objects.filter(actor=request.user.pk, model=self.opts.label_lower).defer("content")
        return get_object_or_404(mine.annotate(has_file=Q(content__isnull=False)), pk=pk)

    def _exported(self, request: HttpRequest) -> QuerySet[Any] | HttpResponseBase:
        """The rows that the list shows, on all its pages; or what to answer to a list that there is not."""
        if not self.may_export(request):
            raise PermissionDenied
        request.GET = request.GET.copy()  # type: ignore[assignment]
        for name in _PAGE:
            request.GET.pop(name, None)  # type: ignore[misc]
        try:
            return self.exported_rows(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"))

    def exported_rows(self, request: HttpRequest) -> QuerySet[Any]:
        """Those that the list shows this person for its address, which says no page. Raises
        `IncorrectLookupParameters`."""
        rows: QuerySet[Any] = self.get_changelist_instance(request).queryset
        rows = rows.select_related(*self.export_related) if self.export_related else rows
        return rows.prefetch_related(*self.export_prefetched)

    def export_values(self, rows: QuerySet[Any], language: str) -> Iterator[list[Value]]:
        """Of each row what the file says of it."""
        for row in rows.iterator(chunk_size=_AT_ONCE):
            with translation.override(language):
                line = [column.value(row) for column in self.export_columns]
            yield line

    def export_headings(self) -> list[str]:
        return [str(column.title) for column in self.export_columns]

    def _file_name(self, ending: str) -> str:
        return f"{self.export_name}-{timezone.localdate():%Y-%m-%d}.{ending}"

    def _export_name(self, ending: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_export_{ending}"

    def _export_links(self, request: HttpRequest) -> list[tuple[str, str]]:
        query = {name: values for name, values in request.GET.lists() if name not in _PAGE}
        return [
            (reverse(f"admin:{self._export_name(ending)}", query=query), words)
            for ending, words in (("xlsx", _("Export to Excel")), ("csv", _("Export CSV")))
        ]

    def _list_address(self, request: HttpRequest) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
        return reverse(name, query=dict(request.GET.lists()))

    def _log_export(self, request: HttpRequest, count: int) -> None:
        """Who took how many people's data along, and when."""
        LogEntry.objects.create(
            user_id=request.user.pk or 0,
            content_type=ContentType.objects.get_for_model(self.model),
            object_repr=str(self.export_name),
            action_flag=CHANGE,
            change_message=ngettext("Exported %(count)d row.", "Exported %(count)d rows.", count) % {"count": count},
        )
