"""The shop's own systems in the admin: made, tried, and told again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from flowlog.secrets_at_rest import NoKey
from flowlog.staffpages.base import label_column
from flowlog.staffpages.once import UNKEPT, once
from flowlog.times import moment
from flowlog.translations import Words
from integrations.sources.pages import StepPages
from orders.models import Store
from outgoing import delivery, event_admin, health, kinds
from outgoing.forms import EndpointForm, SpanForm
from outgoing.models import Endpoint, OutgoingEvent

__all__ = ["EndpointAdmin", "event_admin"]

STATE_WORDS: dict[str, Words] = {
    health.OK: gettext_lazy("webhooks arrive"),
    health.OFF: gettext_lazy("switched off"),
    health.NEW: gettext_lazy("nothing sent yet"),
    health.TROUBLE: gettext_lazy("trouble"),
}
STATE_COLOURS = {
    health.OK: "success", health.OFF: "warning", health.NEW: "info", health.TROUBLE: "danger",
}  # fmt: skip


@admin.register(Endpoint)
class EndpointAdmin(StepPages):
    when_empty = gettext_lazy(
        "Tell a system of yours what happens here: add its address, and it gets each order's and "
        "message's news, signed."
    )
    form = EndpointForm
    list_display = ("description", "url", "state_label", "last_success", "last_failure")
    sortable_by = ()
    change_form_template = "admin/outgoing/endpoint/change_form.html"

    def step_views(self) -> Mapping[str, Callable[..., HttpResponse]]:
        return {"try": self.try_view, "rotate": self.rotate_view, "replay": self.replay_view}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """It is switched off: what was sent says where to."""
        return False

    def get_fields(self, request: HttpRequest, obj: Endpoint | None = None) -> Any:  # noqa: ARG002
        return ("store", "description", "url", *(("is_on",) if obj else ()), "with_phone", "kinds")

    def get_readonly_fields(self, request: HttpRequest, obj: Endpoint | None = None) -> Any:  # noqa: ARG002
        return ("store",) if obj else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"store": Store.get_default().pk, **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: Endpoint, form: Any, change: bool) -> None:
        """Only what was edited is written, and that somebody has seen what was amiss. A new one's secret is shown in
        the answer, and never again."""
        if change:
            obj.off_reason = obj.last_error = ""
            obj.save(update_fields=[*form.changed_data, "off_reason", "last_error"])
            delivery.wake()
            return
        secret = obj.new_secret()
        obj.save()
        self._show(request, secret)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Where no secret could be stored none is asked for."""
        try:
            Endpoint(secret="whsec_").secret.token()  # noqa: S106 - a try
        except NoKey as error:
            self.message_user(request, str(error), messages.ERROR)
            return redirect(f"admin:{self._page_name('changelist')}")
        return super().add_view(request, form_url, extra_context)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """The form, and above it how the endpoint stands and what can be done."""
        endpoint = self.get_object(request, object_id)
        context = self._standing(request, endpoint) if endpoint else {}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def _standing(self, request: HttpRequest, endpoint: Endpoint) -> dict[str, Any]:
        may, found = self.has_change_permission(request, endpoint), health.state(endpoint)
        buttons = (
            (_("New secret"), self._address("rotate", endpoint.pk)),
            (_("Send again"), self._address("replay", endpoint.pk)),
        )
        waiting = endpoint.events.filter(state__in=OutgoingEvent.UNFINISHED).count()
        words = ngettext("%(number)d event waits.", "%(number)d events wait.", waiting)
        return {
            "endpoint": endpoint,
            "state": (STATE_COLOURS[found], STATE_WORDS[found]),
            "state_words": endpoint.off_reason or endpoint.last_error,
            "waiting": words % {"number": waiting} if waiting else "",
            "buttons": buttons if may else (),
            "try_address": self._address("try", endpoint.pk) if may else "",
            "events_address": reverse(
                "admin:outgoing_outgoingevent_changelist", query={"endpoint__id__exact": endpoint.pk}
            ),
        }

    def try_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Have it told of a test, which comes after all that waits."""
        endpoint = self._changeable(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        event = OutgoingEvent.objects.create(
            endpoint=endpoint, kind=kinds.TEST, payload={"message": _("A test from Flowlog.")}
        )
        delivery.wake()
        event.refresh_from_db()
        self.message_user(request, _("The test is on its way: here it says what came of it."), messages.SUCCESS)
        return redirect("admin:outgoing_outgoingevent_change", event.pk)

    @once
    def rotate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask (GET) and make another secret (POST)."""
        endpoint = self._changeable(request, pk)
        if request.method != "POST":
            hint = _(
                "The secret that your system has now goes on being valid for 24 hours: until then each webhook is "
                "signed with both."
            )
            return self._page(request, endpoint, _("New secret"), form=None, hint=hint)
        try:
            secret = endpoint.new_secret()
            endpoint.save(update_fields=["secret", "former_secret", "former_until"])
        except NoKey as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.log_change(request, endpoint, _("New secret made."))
            self._show(request, secret)
        return redirect(self._address("change", pk))

    @once
    def replay_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Have it told again of a span of time."""
        endpoint = self._changeable(request, pk)
        form = SpanForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            span = (form.cleaned_data["since"], form.cleaned_data["until"])
            events = OutgoingEvent.objects.filter(endpoint=endpoint, created_at__range=span)
            if not form.cleaned_data["delivered"]:
                events = events.exclude(state=OutgoingEvent.State.DELIVERED)
            number = delivery.again(events)
            delivery.wake()
            self.log_change(request, endpoint, _("Sent again: %(number)d.") % {"number": number})
            words = ngettext("%(number)d event is sent again.", "%(number)d events are sent again.", number)
            self.message_user(request, words % {"number": number}, messages.SUCCESS if number else messages.WARNING)
            return redirect(self._address("change", pk))
        hint = _("They have the same ids as before: a system that knows them passes them by.")
        return self._page(request, endpoint, _("Send again"), form=form, hint=hint, does=True)

    def _show(self, request: HttpRequest, secret: str) -> None:
        words = _("This is the secret. It is shown only now: copy it into your system, and keep it like a password.")
        self.message_user(
            request, format_html('{} <code class="flowlog-file">{}</code>', words, secret), messages.WARNING, UNKEPT
        )

    @label_column(STATE_COLOURS, description=gettext_lazy("state"))
    def state_label(self, endpoint: Endpoint) -> tuple[str, Words]:
        found = health.state(endpoint)
        return found, STATE_WORDS[found]

    @admin.display(description=gettext_lazy("last success"))
    def last_success(self, endpoint: Endpoint) -> str:
        return moment(endpoint.last_success_at)

    @admin.display(description=gettext_lazy("last failure"))
    def last_failure(self, endpoint: Endpoint) -> str:
        return moment(endpoint.last_failure_at)
