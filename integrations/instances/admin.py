"""Instances in the admin: their pace, whether they are connected, and what to do if they are not."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.forms import BooleanField, ModelForm
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from flowlog.secrets_at_rest import Secret
from flowlog.staffpages.base import ModelAdmin, label_html
from flowlog.times import moment
from integrations.gateways import sentences
from integrations.inbound import way_back
from integrations.instances.connections import why_held
from integrations.meta.admin import MetaNumberInline
from integrations.meta.gateway import KIND as META
from integrations.models import EvolutionInstance, MetaNumber

State = EvolutionInstance.State

STATE_COLOURS: dict[str, str] = {
    State.OPEN: "success",
    State.CONNECTING: "warning",
    State.CLOSE: "danger",
    State.UNKNOWN: "",
}
# What `evolution connect` mends.
_CUT = frozenset({"connection_closed", "never_paired", "never_connected"})


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


class EvolutionInstanceAdmin(ModelAdmin):
    """What is seen and edited. It is registered by `notifications.admin`, which knows how to release one."""

    form = InstanceForm
    list_display = ("name", "store", "is_default", "messages_per_minute", "daily_cap", "state_label")
    list_select_related = ("store",)
    search_fields = ("name",)
    fields = (
        "store",
        "name",
        "gateway",
        "api_url",
        "api_key",
        "forget_key",
        "is_default",
        "messages_per_minute",
        "daily_cap",
        "state_label",
        "hold_shown",
        "news_shown",
    )
    readonly_fields = ("state_label", "hold_shown", "news_shown")

    def save_model(self, request: HttpRequest, obj: EvolutionInstance, form: ModelForm, change: bool) -> None:  # noqa: ARG002
        """Only what was edited is written: slot, pace and state belong to the worker that is sending."""
        edited = {*form.changed_data, "api_key"}.intersection(form.cleaned_data) - {"forget_key"}
        obj.save(update_fields=edited if change else None)

    def get_fields(self, request: HttpRequest, obj: EvolutionInstance | None = None) -> Any:
        """Nothing can be forgotten where nothing is stored, and no server be another's where it is Meta."""
        fields = super().get_fields(request, obj)
        if _is_at_meta(obj):
            return tuple(name for name in fields if name not in {"api_url", "api_key", "forget_key"})
        may = obj and obj.api_key and self.has_change_permission(request, obj)
        return fields if may else tuple(name for name in fields if name != "forget_key")

    def get_inlines(self, request: HttpRequest, obj: EvolutionInstance | None) -> list[Any]:  # noqa: ARG002
        """What an instance at Meta needs beside."""
        return [MetaNumberInline] if _is_at_meta(obj) else []

    def response_post_save_add(self, request: HttpRequest, obj: EvolutionInstance) -> HttpResponseRedirect:
        return self._ask_for_number(request, obj) or super().response_post_save_add(request, obj)

    def response_post_save_change(self, request: HttpRequest, obj: EvolutionInstance) -> HttpResponseRedirect:
        return self._ask_for_number(request, obj) or super().response_post_save_change(request, obj)

    def _ask_for_number(self, request: HttpRequest, instance: EvolutionInstance) -> HttpResponseRedirect | None:
        """Back to the page, where the number can be entered now, if an instance is at Meta and has none."""
        if not _is_at_meta(instance) or MetaNumber.objects.filter(instance=instance).exists():
            return None
        words = gettext("Now enter below what the shop has at Meta; until then its messages wait.")
        self.message_user(request, words, messages.WARNING)
        return redirect("admin:integrations_evolutioninstance_change", instance.pk)

    @admin.display(description=_("connection"), ordering="state")
    def state_label(self, instance: EvolutionInstance) -> SafeString:
        return state_html(instance)

    @admin.display(description=_("messages"))
    def hold_shown(self, instance: EvolutionInstance) -> str:
        return f"{_whether_they_go(instance)} {_how_to_reconnect(instance)}".rstrip()

    @admin.display(description=_("receipts and answers"))
    def news_shown(self, instance: EvolutionInstance) -> str:
        judged: Any = way_back.judged().filter(pk=instance.pk).first()
        if judged is None:
            return ""
        if judged.deaf or judged.refused:
            return ". ".join(way_back.words(judged))
        return way_back.hint(judged) or gettext("They come in.")


def _is_at_meta(instance: EvolutionInstance | None) -> bool:
    return instance is not None and instance.gateway == META


def state_html(instance: EvolutionInstance) -> SafeString:
    """The instance's connection as a label; that it is held comes first."""
    if instance.held_at:
        return label_html("danger", gettext("held"))
    return label_html(STATE_COLOURS[instance.state], instance.get_state_display())


def is_cut(instance: EvolutionInstance) -> bool:
    """Whether the gateway said that it has no connection. Of an `unknown` one it has said nothing."""
    return instance.state in {State.CLOSE, State.CONNECTING}


def _whether_they_go(instance: EvolutionInstance) -> str:
    if instance.held_at:
        return gettext("They wait since %(since)s. %(reason)s Next try: %(next)s.") % {
            "since": moment(instance.held_at),
            "reason": why_held(instance),
            "next": _next_try(instance),
        }
    return (
        gettext("The instance is not connected: the messages will wait.")
        if is_cut(instance)
        else gettext("They go out.")
    )


def _next_try(instance: EvolutionInstance) -> str:
    if instance.probe_at and instance.probe_at > timezone.now():
        return moment(instance.probe_at)
    return gettext("with the next message")


def _how_to_reconnect(instance: EvolutionInstance) -> str:
    other_trouble = instance.held_code in sentences.INSTANCE.keys() - _CUT
    if other_trouble or not (is_cut(instance) or instance.held_code in _CUT):
        return ""
    words = gettext("To reconnect: manage.py evolution connect %(name)s on the server (or call who looks after it).")
    # The gateway says `close` only when WhatsApp has ended the session, as after a logout on the phone.
    again = gettext("The QR code must be read again with the shop's phone.") if instance.state == State.CLOSE else ""
    return f"{words % {'name': instance.name}} {again}".rstrip()
