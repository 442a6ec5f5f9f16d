"""Erasing a customer's personal data in the admin: asked first, then done, then shown with its proof."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from flowlog.staffpages.base import ModelAdmin, person
from flowlog.staffpages.once import once
from flowlog.times import moment
from orders.erasure import ErasureRefusedError, as_lines, erase
from orders.models import Customer


class ErasureView(ModelAdmin):
    """The part of the customers' pages that erases one."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.erase_view)
        return [path("<int:pk>/erase/", view, name="orders_customer_erase"), *super().get_urls()]

    @once
    def erase_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask (GET) and erase the customer's personal data (POST)."""
        if not may_erase(request):
            raise PermissionDenied
        customer = get_object_or_404(self.get_queryset(request).select_related("store"), pk=pk)
        back = reverse("admin:orders_customer_change", args=[pk])
        if customer.erased_at:
            self.message_user(request, _("This customer has been changed or erased meanwhile."), messages.ERROR)
            return HttpResponseRedirect(back)
        if request.method == "POST":
            try:
                erase(customer, actor=person(request))
            except ErasureRefusedError as refusal:
                self.message_user(request, str(refusal), messages.ERROR)
                return HttpResponseRedirect(back)
            customer.refresh_from_db()
            self.log_change(request, customer, _("Personal data erased."))
            self.message_user(request, _("The customer's personal data are erased."), messages.SUCCESS)
            return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Erase personal data"),
            "customer": customer,
            "others": customer.others_of_account(),
            "back": back,
        }
        return TemplateResponse(request, "admin/orders/customer/erase.html", context)


def may_erase(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("orders.erase_customer"))


def erasure_section(request: HttpRequest, customer: Customer) -> SafeString | str:
    """The proof that the customer is erased, or the way there for who may erase."""
    if not customer.erased_at and not may_erase(request):
        return ""
    proofs = customer.erasures.all() if customer.erased_at else ()
    context = {
        "customer": customer,
        "proofs": [(proof, moment(proof.at), as_lines(proof)) for proof in proofs],
        "address": reverse("admin:orders_customer_erase", args=[customer.pk]),
    }
    return SafeString(render_to_string("admin/orders/customer/erasure.html", context))
