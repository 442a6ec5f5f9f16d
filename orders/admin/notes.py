"""Internal notes on an order's page: who noted what and when, for the others of the shop alone."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from flowlog.staffpages.base import ModelAdmin, person
from flowlog.staffpages.once import once
from flowlog.staffpages.people import name_of
from flowlog.times import moment
from orders.contacts import is_storable
from orders.desk_models import OrderNote
from orders.models import Order

# More than anybody reads; the rest is in the database.
SHOWN = 50


class NoteForm(forms.Form):
    note = forms.CharField(
        label=gettext_lazy("New note"),
        max_length=OrderNote.LENGTH,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        error_messages={"required": gettext_lazy("Write the note.")},
    )

    def clean_note(self) -> str:
        note: str = self.cleaned_data["note"]
        if not is_storable(note):
            raise ValidationError(_("The text has characters that cannot be stored."))
        return note


class NoteViews(ModelAdmin):
    """Adds the address that the form of a note is sent to."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.note_view)
        return [path("<int:pk>/note/", view, name="orders_order_note"), *super().get_urls()]

    @once
    def note_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Keep a note (POST alone). What cannot be kept is said, and the note shown again to be mended."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        order = get_object_or_404(self.get_queryset(request), pk=pk)
        form = NoteForm(request.POST)
        if form.is_valid():
            OrderNote.objects.create(order=order, author=person(request), text=form.cleaned_data["note"])
            self.message_user(request, _("Noted. The customer is not told."), messages.SUCCESS)
            return HttpResponseRedirect(order.get_admin_url())
        request.refused_note = form  # type: ignore[attr-defined]
        request.method = "GET"
        return self.change_view(request, str(pk))


def notes_card(request: HttpRequest, order: Order, *, may_add: bool, none: bool = False) -> SafeString:
    """The order's notes, the newest first, and the form for another. One query, and none where it is known that there
    are none."""
    notes = () if none else OrderNote.objects.filter(order=order).select_related("author")[:SHOWN]
    context = {
        "order": order,
        "notes": [(note.text, name_of(note.author) if note.author else "", moment(note.at)) for note in notes],
        "form": getattr(request, "refused_note", None) or NoteForm(),
        "may_add": may_add,
    }
    return SafeString(render_to_string("admin/orders/order/notes.html", context, request))
