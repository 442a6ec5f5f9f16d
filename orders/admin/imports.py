"""Import in the admin: a file is uploaded, a page says what it would do and why it cannot, one confirms, it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from flowlog.staffpages import stores
from flowlog.staffpages.base import ModelAdmin, person
from flowlog.staffpages.once import once
from orders import sheet_files
from orders.import_models import DataImport
from orders.imports import work
from orders.imports.columns import CUSTOMER_COLUMNS, ORDER_COLUMNS, Column
from orders.imports.plans import Plan, sentences
from orders.models import Store
from orders.spreadsheets import MOST_BYTES

# More than anybody reads on one page.
SHOWN = 200
_USUAL_SOURCE = "planilha"


class UploadForm(forms.Form):
    store = forms.ModelChoiceField(
        Store.objects.none(), label=_("Store"), empty_label=None, widget=UnfoldAdminSelectWidget()
    )
    source = forms.CharField(
        label=_("Where the orders come from"),
        max_length=30,
        initial=_USUAL_SOURCE,
        help_text=_("Such as: planilha, shopee. An order with the same number from the same place is not made twice."),
        widget=UnfoldAdminTextInputWidget(),
    )
    file = forms.FileField(
        label=_("File (.xlsx or CSV)"),
        help_text=_("Up to 5,000 lines and 5 MB."),
        error_messages={"required": _("Choose the file."), "empty": _("The file is empty.")},
        widget=UnfoldAdminFileFieldWidget({"accept": ".xlsx,.csv,.txt"}),
    )

    def __init__(
        self, *args: Any, request: HttpRequest, kind: DataImport.Kind, usual: int | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["store"]
        field.queryset = stores.within(Store.objects.all(), request.user)
        field.initial = usual
        if kind == DataImport.Kind.CUSTOMERS:
            del self.fields["source"]

    def clean_source(self) -> str:
        source: str = self.cleaned_data["source"]
        if not source.isprintable():
            raise ValidationError(gettext("The text has characters that cannot be stored."))
        return source

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MOST_BYTES:
            raise ValidationError(
                gettext("The file has more than 5 MB. Divide it, or leave out pictures and other sheets.")
            )
        return file


class ConfirmForm(forms.Form):
    documents = forms.ChoiceField(
        choices=DataImport.Documents,
        label=_("CPFs and CNPJs"),
        error_messages={"required": _("Say what is to be done with these CPFs and CNPJs.")},
        widget=UnfoldAdminRadioSelectWidget(),
    )
    notify = forms.BooleanField(
        required=False,
        label=_("Tell each customer on WhatsApp that the order has come in"),
        help_text=_(
            "Without the tick nobody is told of the import; of an order that is confirmed or further already nobody is "
            "told in any case. Later changes of these orders are told as always."
        ),
        widget=UnfoldBooleanWidget(),
    )

    def __init__(self, *args: Any, kind: str, plan: Plan[Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not plan.questions:
            del self.fields["documents"]
        if kind != DataImport.Kind.ORDERS:
            del self.fields["notify"]


class ImportViews(ModelAdmin):
    """Adds the pages of an import of the model's rows, for who may import them."""

    import_kind: DataImport.Kind
    import_columns: Sequence[Column]
    import_title: Any

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, f"orders_{self.opts.model_name}_import"
        return [
            path("import/", wrap(self.import_view), name=name),
            path("import/model.xlsx", wrap(self.import_model_xlsx_view), name=f"{name}_model_xlsx"),
            path("import/model.csv", wrap(self.import_model_csv_view), name=f"{name}_model_csv"),
            path("import/<int:pk>/", wrap(self.import_page_view), name=f"{name}_page"),
            *super().get_urls(),
        ]

    def may_import(self, request: HttpRequest) -> bool:
        named = request.user.has_perm(f"orders.import_{self.opts.model_name}")
        return bool(named and self.has_add_permission(request))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """With the way to the import above the list."""
        context = extra_context or {}
        mine = [(self._import_address(), gettext("Import"))] if self.may_import(request) else []
        return super().changelist_view(request, {**context, "in_out": [*context.get("in_out", []), *mine]})

    @once
    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Take a file: what can be read of it is shown next."""
        actor = self._importer(request)
        filled = (request.POST, request.FILES) if request.method == "POST" else ()
        form = UploadForm(*filled, request=request, kind=self.import_kind, usual=self._usual_store(request))
        if form.is_valid():
            given = form.cleaned_data
            try:
                wanted = work.upload(
                    self.import_kind,
                    given["store"],
                    actor,
                    file_name=given["file"].name,
                    content=given["file"].read(),
                    source=given.get("source", ""),
                )
                return HttpResponseRedirect(self._import_address("page", wanted.pk))
            except ValidationError as refusal:
                form.add_error("file", sentences(refusal))
        context = self._import_context(request) | {"form": form, "columns": self.import_columns}
        return TemplateResponse(request, "admin/orders/imports/upload.html", context)

    @once
    def import_page_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What the file would do (GET), done (POST) if nothing is wrong; then what became of it."""
        actor = self._importer(request)
        # Whose file it is sees it, and nobody else: it is full of other people's data.
        mine = DataImport.objects.filter(actor=actor, kind=self.import_kind).select_related("store")
        wanted = get_object_or_404(stores.within(mine, request.user, "store"), pk=pk)
        context = self._import_context(request) | {"wanted": wanted}
        if wanted.confirmed_at:
            return TemplateResponse(request, "admin/orders/imports/result.html", context | _result(wanted))
        try:
            plan = work.plan(wanted)
        except ValidationError as refusal:
            # It could be read when it was uploaded.
            self.message_user(request, " ".join(sentences(refusal)), "error")
            return HttpResponseRedirect(self._import_address())
        form = ConfirmForm(request.POST if request.method == "POST" else None, kind=wanted.kind, plan=plan)
        if form.is_valid() and plan.rows and not plan.problems:
            documents = form.cleaned_data.get("documents", "")
            notify = form.cleaned_data.get("notify", False)
            work.confirm(wanted, notify=notify, documents=documents, count=len(plan.rows))
            return HttpResponseRedirect(request.path)
        context |= {"plan": plan, "form": form, "again": self._import_address(), **_shown(plan)}
        return TemplateResponse(request, "admin/orders/imports/dry_run.html", context)

    def import_model_xlsx_view(self, request: HttpRequest) -> HttpResponse:
        """A file to fill in, with two lines as an example."""
        self._importer(request)
        name = f"modelo-{self.opts.verbose_name_plural}.xlsx"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        with sheet_files.xlsx_file(*self._model(), title=str(self.opts.verbose_name_plural)) as file:
            return HttpResponse(file.read(), content_type=sheet_files.XLSX_TYPE, headers=headers)

    def import_model_csv_view(self, request: HttpRequest) -> HttpResponse:
        self._importer(request)
        name = f"modelo-{self.opts.verbose_name_plural}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        lines = "".join(sheet_files.csv_lines(*self._model()))
        return HttpResponse(lines, content_type=sheet_files.CSV_TYPE, headers=headers)

    def _model(self) -> tuple[list[str], list[list[str]]]:
        lines = zip(*(column.examples for column in self.import_columns), strict=True)
        return [column.title for column in self.import_columns], [list(line) for line in lines]

    def _importer(self, request: HttpRequest) -> Any:
        if not self.may_import(request):
            raise PermissionDenied
        return person(request)

    @staticmethod
    def _usual_store(request: HttpRequest) -> int | None:
        names = stores.reach(request.user).names
        default = Store.get_default().pk
        return default if default in names else next(iter(names), None)

    def _import_address(self, view: str = "", *arguments: Any) -> str:
        name = f"admin:orders_{self.opts.model_name}_import"
        return reverse(f"{name}_{view}" if view else name, args=arguments)

    def _import_context(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": self.import_title,
            "kind": self.import_kind,
            "model_xlsx": self._import_address("model_xlsx"),
            "model_csv": self._import_address("model_csv"),
            "back": reverse(f"admin:orders_{self.opts.model_name}_changelist"),
        }


class OrderImportViews(ImportViews):
    import_kind = DataImport.Kind.ORDERS
    import_columns = ORDER_COLUMNS
    import_title = _("Import orders")


class CustomerImportViews(ImportViews):
    import_kind = DataImport.Kind.CUSTOMERS
    import_columns = CUSTOMER_COLUMNS
    import_title = _("Import customers")


def _shown(plan: Plan[Any]) -> dict[str, Any]:
    """What the page lists, each no longer than anybody reads."""
    lists = {"problems": plan.problems, "known": plan.known, "questions": plan.questions, "hints": plan.hints}
    return {
        name: {"all": said, "some": said[:SHOWN], "more": max(len(said) - SHOWN, 0)} for name, said in lists.items()
    }


def _result(wanted: DataImport) -> dict[str, Any]:
    return {"refusals": wanted.refusals[:SHOWN], "more": max(len(wanted.refusals) - SHOWN, 0)}
