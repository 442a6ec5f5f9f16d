"""What is kept about a customer, from the customer's page, as a file to hand out."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from flowlog.staffpages.base import ModelAdmin, person
from orders.disclosure import archive
from orders.models import Customer


class DisclosureView(ModelAdmin):
    """Adds the file, for who may hand it out."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.disclose_view)
        return [path("<int:pk>/data/", view, name="orders_customer_disclose"), *super().get_urls()]

    def disclose_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The file (POST alone: that it was taken is noted in the customer's history)."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not may_disclose(request):
            raise PermissionDenied
        customer = get_object_or_404(self.get_queryset(request).select_related("store"), pk=pk)
        content = archive(customer, actor=person(request))
        self.log_change(request, customer, _("What is kept was taken as a file."))
        # Nobody's name or number: the browser's list of downloads is anybody's.
        name = f"dados-cliente-{customer.pk}-{timezone.localdate():%Y-%m-%d}.zip"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return HttpResponse(content, content_type="application/zip", headers=headers)


def may_disclose(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("orders.disclose_customer"))


def disclosure_section(request: HttpRequest, customer: Customer) -> SafeString | str:
    """The button, for who may."""
    if not may_disclose(request):
        return ""
    return SafeString(render_to_string("admin/orders/customer/disclosure.html", {"customer": customer}, request))
