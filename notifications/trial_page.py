"""The admin's page that sends a test message from a WhatsApp, through the queue as all others."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from flowlog.staffpages.base import ModelAdmin
from flowlog.staffpages.once import once
from integrations.models import EvolutionInstance
from notifications import outbox
from orders import throttle
from orders.contacts import certain_phone, mask_phone

TOO_MANY_TESTS = gettext_lazy("That was many tests in a minute: wait a little before the next one.")
# A test goes before what customers wait for, and costs of the daily limit.
_BY_PERSON, _BY_INSTANCE = 5, 10


def too_many_tests(request: HttpRequest, instance: EvolutionInstance) -> bool:
    """Count one more test by the person and from the number; whether either has had enough in this minute."""
    by_person = throttle.is_used_up(f"tests by {request.user.pk}", _BY_PERSON)
    return throttle.is_used_up(f"tests from {instance.pk}", _BY_INSTANCE) or by_person


class TestMessageForm(forms.Form):
    phone = forms.CharField(
        label=gettext_lazy("Number"),
        max_length=40,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "tel", "inputmode": "tel"}),
        help_text=gettext_lazy("With area code, as in (11) 98765-4321. Your own, for example."),
    )

    def clean_phone(self) -> str:
        return certain_phone(self.cleaned_data["phone"])


class TestMessagePage(ModelAdmin):
    """Adds it to the pages of the instances."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.test_view)
        return [path("<int:pk>/test/", view, name="integrations_evolutioninstance_test"), *super().get_urls()]

    @once
    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for the number (GET) and put the message into the outbox (POST); its page tells what became of it."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        instance = get_object_or_404(self.get_queryset(request), pk=pk)
        form = TestMessageForm(request.POST or None)
        back = reverse("admin:integrations_evolutioninstance_change", args=[pk])
        if form.is_valid() and too_many_tests(request, instance):
            form.add_error("phone", TOO_MANY_TESTS)
        if form.is_valid():
            row = outbox.add_test(instance, form.cleaned_data["phone"])
            self.log_change(request, instance, _("Test message to %(phone)s.") % {"phone": mask_phone(row.recipient)})
            self.message_user(
                request, _("The test message is on its way: here you see what becomes of it."), messages.INFO
            )
            if request.user.has_perm("integrations.view_notificationlog"):
                return redirect("admin:integrations_notificationlog_change", row.pk)
            return redirect(back)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Send a test message"),
            "form": form,
            "back": back,
        }
        return TemplateResponse(request, "admin/integrations/evolutioninstance/test.html", context)
