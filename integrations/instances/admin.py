"""Instances in the admin: their pace, whether they are connected, and what to do if they are not."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.forms import BooleanField, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from flowlog.secrets_at_rest import Secret
from flowlog.staffpages.once import once
from integrations.evolution.pages import PhonePages, standing_html
from integrations.gateways.guides import guide_of
from integrations.instances import status, warmup
from integrations.instances.connections import needs_phone
from integrations.models import EvolutionInstance
from orders.models import Store

_OF_A_SERVER = {"api_url", "api_key", "forget_key"}


class InstanceForm(ModelForm):
    """An instance as the staff edit it. A stored key goes with the server that it was entered for, and no other."""

    forget_key = BooleanField(label=_("Forget the own key"), required=False)

    class Meta:
        model = EvolutionInstance
        fields = ("gateway", "api_url", "api_key")

    def clean(self) -> dict[str, Any]:
        """Let go of the key where it is not to be used any more, and ask for it again where it may not be.

        Else whoever may edit an instance, but never saw its key, could have it sent to a server of their own.
        """
        cleaned = super().clean() or {}
        stored = bool(self.instance.pk and self.initial.get("api_key"))
        entered = bool(str(self.data.get(self.add_prefix("api_key"), "")).strip())
        elsewhere = bool({"gateway", "api_url"}.intersection(self.changed_data))
        if stored and not entered and (cleaned.get("forget_key") or elsewhere):
            if elsewhere and cleaned.get("api_url"):
                self.add_error("api_key", gettext("Enter the key again: a stored one is sent to no other server."))
            self.instance.api_key = cleaned["api_key"] = Secret("")
        return cleaned


class EvolutionInstanceAdmin(PhonePages):
    """What is seen and edited. It is registered by `notifications.instance_admin`, which knows how to release one."""

    when_empty = _("Add the shop's number, and connect it with the phone in your hand: by a QR code, as WhatsApp Web.")
    form = InstanceForm
    list_display = ("name", "store", "is_default", "messages_per_minute", "daily_cap", "state_label")
    list_select_related = ("store",)
    shows_store = False
    search_fields = ("name",)
    fieldsets = (
        (None, {"fields": ("store", "name", "is_default")}),
        (_("Pace"), {"fields": ("messages_per_minute", "daily_cap"), "description": _(
            "So that WhatsApp does not take the shop for a machine: messages go one after the other, with pauses. What "
            "is beyond the limit waits and goes later; none is lost."
        )}),
        (_("Server (for who looks after the system)"), {"fields": ("gateway", "api_url", "api_key", "forget_key")}),
    )  # fmt: skip

    def save_model(self, request: HttpRequest, obj: EvolutionInstance, form: ModelForm, change: bool) -> None:  # noqa: ARG002
        """Only what was edited is written: slot, pace and state belong to the worker that is sending."""
        edited = {*form.changed_data, "api_key"}.intersection(form.cleaned_data) - {"forget_key"}
        obj.save(update_fields=edited if change else None)

    def get_fieldsets(self, request: HttpRequest, obj: EvolutionInstance | None = None) -> Any:
        """Nothing can be forgotten where nothing is stored, and no server be another's where there are none."""
        may = obj and obj.api_key and self.has_change_permission(request, obj)
        left_out = set() if may else {"forget_key"}
        if obj and not guide_of(obj.gateway).has_servers:
            left_out = _OF_A_SERVER
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name not in left_out]})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A first WhatsApp needs nothing but the button."""
        store = Store.get_default()
        first = not EvolutionInstance.objects.filter(store=store).exists()
        name = f"loja-{store.pk}" if first else ""
        return {"store": store.pk, "name": name, "is_default": first, **super().get_changeform_initial_data(request)}

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """The form, and above it how the WhatsApp stands and what can be done about it."""
        instance = self.get_object(request, object_id)
        context = self.standing_context(request, instance) if instance else {}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def standing_context(self, request: HttpRequest, instance: EvolutionInstance) -> dict[str, Any]:
        """What the page shows above its form."""
        return {
            "standing_html": standing_html(instance),
            "state_address": reverse("admin:integrations_evolutioninstance_state", args=[instance.pk]),
            "news_words": status.news_words(instance),
            "warm_up": warmup.hint(instance),
            "advised": warmup.to_set(instance),
            "warm_up_address": reverse("admin:integrations_evolutioninstance_warm_up", args=[instance.pk]),
            "needs_phone": needs_phone(instance) or instance.state == EvolutionInstance.State.UNKNOWN,
            "buttons": self.phone_buttons(request, instance),
            "only_looks": not self.has_change_permission(request, instance),
        }

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.warm_up_view)
        return [
            path("<int:pk>/warm-up/", view, name="integrations_evolutioninstance_warm_up"),
            *super().get_urls(),
        ]

    @once
    def warm_up_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Set the daily limit that a young number is advised today (POST); it can be edited as ever."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        instance = get_object_or_404(self.get_queryset(request), pk=pk)
        advised = warmup.to_set(instance)
        if request.method == "POST" and advised:
            EvolutionInstance.objects.filter(pk=pk).update(daily_cap=advised)
            before = instance.daily_cap or gettext("no limit")
            words = gettext("Messages in 24 hours: %(advised)d (before: %(before)s), as advised for a new number.")
            self.log_change(request, instance, words % {"advised": advised, "before": before})
            done = gettext("At most %(advised)d messages in 24 hours from now on. You can change it below at any time.")
            self.message_user(request, done % {"advised": advised}, messages.SUCCESS)
        return redirect("admin:integrations_evolutioninstance_change", pk)

    def get_inlines(self, request: HttpRequest, obj: EvolutionInstance | None) -> list[Any]:  # noqa: ARG002
        """What an instance of its kind needs beside."""
        return list(guide_of(obj.gateway).inlines()) if obj else []

    def response_post_save_add(self, request: HttpRequest, obj: EvolutionInstance) -> HttpResponseRedirect:
        """On to where it is made ready."""
        if not self.has_change_permission(request, obj):
            return super().response_post_save_add(request, obj)
        return self._ask_for_more(request, obj) or redirect(guide_of(obj.gateway).set_up_at(obj))

    def response_post_save_change(self, request: HttpRequest, obj: EvolutionInstance) -> HttpResponseRedirect:
        return self._ask_for_more(request, obj) or super().response_post_save_change(request, obj)

    def _ask_for_more(self, request: HttpRequest, instance: EvolutionInstance) -> HttpResponseRedirect | None:
        """On to where what is lacking can be entered now, if anything is."""
        guide = guide_of(instance.gateway)
        if not (lacking := guide.lacks(instance)):
            return None
        self.message_user(request, lacking, messages.WARNING)
        return redirect(guide.set_up_at(instance))

    @admin.display(description=_("connection"), ordering="state")
    def state_label(self, instance: EvolutionInstance) -> SafeString:
        return status.state_html(instance)
