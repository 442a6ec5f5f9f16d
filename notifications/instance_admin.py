"""What staff can do with instances: let the messages of one go again, and send a test.

The list and pages themselves are those of `integrations.instances.admin`, which registers nothing.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from flowlog.staffpages.base import person
from flowlog.staffpages.once import once
from integrations.instances.admin import EvolutionInstanceAdmin
from integrations.instances.connections import is_cut
from integrations.models import EvolutionInstance
from notifications.actions import release
from notifications.ask_first import AskFirst
from notifications.trial_page import TestMessagePage


@admin.register(EvolutionInstance)
class InstanceAdmin(AskFirst, TestMessagePage, EvolutionInstanceAdmin):
    change_form_template = "admin/integrations/evolutioninstance/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        release = path(
            "<int:pk>/release/",
            self.admin_site.admin_view(self.release_view),
            name="integrations_evolutioninstance_release",
        )
        return [release, *super().get_urls()]

    def standing_context(self, request: HttpRequest, instance: EvolutionInstance) -> dict[str, Any]:
        """With the buttons for its messages beside those for its phone."""
        context = super().standing_context(request, instance)
        return {**context, "buttons": [*context["buttons"], *self._buttons(request, instance)]}

    def _buttons(self, request: HttpRequest, instance: EvolutionInstance) -> list[tuple[str, str]]:
        names = []
        if instance.held_at and self._may(request, "release_evolutioninstance"):
            names.append((_("Release"), "release"))
        if self.has_change_permission(request, instance):
            names.append((_("Send a test message"), "test"))
        return [
            (words, reverse(f"admin:integrations_evolutioninstance_{name}", args=[instance.pk]))
            for words, name in names
        ]

    @once
    def release_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask (GET) and end the hold of an instance (POST)."""
        self._require(request, "release_evolutioninstance")
        instance = get_object_or_404(self.get_queryset(request), pk=pk)
        back = reverse("admin:integrations_evolutioninstance_change", args=[pk])
        if request.method == "POST":
            if release.release(instance, actor=person(request)):
                done = (
                    _("Released. The messages are tried now.")
                    if is_cut(instance)
                    else _("Released. The messages go again.")
                )
                self.message_user(request, done, messages.SUCCESS)
            else:
                self.message_user(request, _("The instance was not held."), messages.WARNING)
            return HttpResponseRedirect(back)
        question = _("Let the messages of %(instance)s go again now?") % {"instance": instance.name}
        return self._ask(request, _("Release"), question, back, warning=instance.held_reason)
