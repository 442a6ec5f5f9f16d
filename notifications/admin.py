"""What staff can do with messages and instances: send again, cancel, release. Each asks first and acts by POST alone.

The lists and pages themselves are those of `integrations.messages.admin` and `integrations.instances.admin`, which
register nothing: here each is registered once, with its actions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from flowlog.staffpages.base import ModelAdmin, person
from flowlog.staffpages.once import once
from flowlog.translations import Words
from integrations.instances.admin import EvolutionInstanceAdmin, is_cut
from integrations.messages.admin import NotificationLogAdmin
from integrations.messages.kinds import kind_words
from integrations.models import EvolutionInstance, NotificationLog
from notifications.actions import cancel, release, resend
from orders.contacts import format_phone

Status = NotificationLog.Status
MOST_AT_ONCE = 1000
NAMED_AT_MOST = 10


class AskFirst(ModelAdmin):
    """Adds pages that ask before something is done."""

    def _require(self, request: HttpRequest, permission: str) -> None:
        """The page that asks shows what only those may see who may see the object."""
        if not (self._may(request, permission) and self.has_view_permission(request)):
            raise PermissionDenied

    @staticmethod
    def _may(request: HttpRequest, permission: str) -> bool:
        return request.user.has_perm(f"integrations.{permission}")

    def _ask(self, request: HttpRequest, title: Words, question: str, back: str, **values: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "question": question,
            "back": back,
            **values,
        }
        return TemplateResponse(request, "admin/notifications/confirm.html", context)


@admin.register(NotificationLog)
class MessageAdmin(AskFirst, NotificationLogAdmin):
    actions = ("cancel_chosen",)
    change_form_template = "admin/integrations/notificationlog/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/resend/", wrap(self.resend_view), name="integrations_notificationlog_resend"),
            path("<int:pk>/cancel/", wrap(self.cancel_view), name="integrations_notificationlog_cancel"),
            path("cancel/", wrap(self.cancel_chosen_view), name="integrations_notificationlog_cancel_chosen"),
            *super().get_urls(),
        ]

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Asked for by the list's action."""
        return self._may(request, "cancel_notificationlog")

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        row = self.get_object(request, object_id)
        buttons = []
        if row and _may_go_again(row) and self._may(request, "resend_notificationlog"):
            buttons.append((_("Send again"), reverse("admin:integrations_notificationlog_resend", args=[row.pk])))
        if row and row.status == Status.PENDING and self.has_cancel_permission(request):
            buttons.append((_("Cancel message"), reverse("admin:integrations_notificationlog_cancel", args=[row.pk])))
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "buttons": buttons})

    @once
    def resend_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask (GET) and send one message again (POST), to the customer's present phone."""
        self._require(request, "resend_notificationlog")
        row = get_object_or_404(NotificationLog.objects.select_related("order__customer", "resend_of"), pk=pk)
        back = _page(row)
        if reason := resend.never_again(row.resend_of or row):
            self.message_user(request, reason, messages.ERROR)
            return HttpResponseRedirect(back)
        if request.method == "POST":
            try:
                new = resend.resend(row, actor=person(request))
            except resend.ResendRefusedError as refusal:
                self.message_user(request, str(refusal), messages.ERROR)
                return HttpResponseRedirect(back)
            self.message_user(request, _("The message is being sent again."), messages.SUCCESS)
            return HttpResponseRedirect(_page(new))
        customer = row.order.customer if row.order else None
        phone = format_phone(customer.phone if customer else row.recipient)
        question = _("Send this message again, to %(phone)s?") % {"phone": phone or _("a customer without a phone")}
        return self._ask(request, _("Send again"), question, back, message=row.message, warning=_resend_warning(row))

    @once
    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask (GET) and cancel one message (POST), if it is still waiting then."""
        self._require(request, "cancel_notificationlog")
        row = get_object_or_404(NotificationLog, pk=pk)
        if request.method == "POST":
            self._cancel(request, [row])
            return HttpResponseRedirect(_page(row))
        question = _("Cancel the message %(message)s? The customer will not be told.") % {"message": _named(row)}
        return self._ask(request, _("Cancel message"), question, _page(row), message=row.message)

    @admin.action(permissions=["cancel"], description=gettext_lazy("Cancel messages"))
    def cancel_chosen(self, request: HttpRequest, queryset: QuerySet[NotificationLog]) -> HttpResponse | None:
        """Ask before the messages chosen in the list are cancelled. They are fixed from here on."""
        chosen = list(queryset.order_by("pk").values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if len(chosen) > MOST_AT_ONCE:
            self.message_user(request, _("At most %(most)d messages at once.") % {"most": MOST_AT_ONCE}, messages.ERROR)
            return None
        question = ngettext(
            "Cancel %(count)d message? The customer will not be told.",
            "Cancel %(count)d messages? The customers will not be told.",
            len(chosen),
        ) % {"count": len(chosen)}
        lines = [_named(row) for row in queryset.order_by("pk")[:NAMED_AT_MOST]]
        if more := len(chosen) - len(lines):
            lines.append(_("… and %(count)d more.") % {"count": more})
        action = reverse("admin:integrations_notificationlog_cancel_chosen")
        return self._ask(request, _("Cancel messages"), question, _list(), action=action, chosen=chosen, lines=lines)

    @once
    def cancel_chosen_view(self, request: HttpRequest) -> HttpResponse:
        """Cancel (POST) the messages that the form names, those that are still waiting."""
        self._require(request, "cancel_notificationlog")
        chosen = [int(pk) for pk in request.POST.getlist("chosen")[:MOST_AT_ONCE] if pk.isascii() and pk.isdigit()]
        if request.method == "POST" and chosen:
            self._cancel(request, NotificationLog.objects.filter(pk__in=[pk for pk in chosen if pk < 2**63]))
        return HttpResponseRedirect(_list())

    def _cancel(self, request: HttpRequest, rows: Iterable[NotificationLog]) -> None:
        rows = list(rows)
        cancelled = cancel.cancel(rows, actor=person(request))
        if cancelled:
            words = ngettext("%(count)d message cancelled.", "%(count)d messages cancelled.", len(cancelled))
            self.message_user(request, words % {"count": len(cancelled)}, messages.SUCCESS)
        if left := len(rows) - len(cancelled):
            words = ngettext(
                "%(count)d message was not waiting any more and stayed as it was.",
                "%(count)d messages were not waiting any more and stayed as they were.",
                left,
            )
            self.message_user(request, words % {"count": left}, messages.WARNING)


@admin.register(EvolutionInstance)
class InstanceAdmin(AskFirst, EvolutionInstanceAdmin):
    change_form_template = "admin/integrations/evolutioninstance/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        release = path(
            "<int:pk>/release/",
            self.admin_site.admin_view(self.release_view),
            name="integrations_evolutioninstance_release",
        )
        return [release, *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        instance = self.get_object(request, object_id)
        buttons = []
        if instance and instance.held_at and self._may(request, "release_evolutioninstance"):
            address = reverse("admin:integrations_evolutioninstance_release", args=[instance.pk])
            buttons.append((_("Release"), address))
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "buttons": buttons})

    @once
    def release_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask (GET) and end the hold of an instance (POST)."""
        self._require(request, "release_evolutioninstance")
        instance = get_object_or_404(EvolutionInstance, pk=pk)
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


def _may_go_again(row: NotificationLog) -> bool:
    return row.status not in NotificationLog.UNFINISHED and not resend.never_again(row.resend_of or row)


def _named(row: NotificationLog) -> str:
    """A message as people tell it from others: what it says, of which order, to whom."""
    named = {
        "kind": kind_words(row.event),
        "code": row.snapshot_order_code,
        "customer": row.parsed_snapshot.customer.name or format_phone(row.recipient),
    }
    if not row.snapshot_order_code:
        return _("“%(kind)s” (%(customer)s)") % named
    return _("“%(kind)s” of order %(code)s (%(customer)s)") % named


def _resend_warning(row: NotificationLog) -> str:
    """Why it may be better not sent again, for the person who asks."""
    if row.order and row.order.customer.opted_out_at:
        return _("The customer does not want WhatsApp messages.")
    told = row.parsed_snapshot.order.tracking_code
    if row.order and told and told != row.order.tracking_code:
        return _("The tracking code has changed since; this message still has the old one: %(code)s.") % {"code": told}
    return ""


def _page(row: NotificationLog) -> str:
    return reverse("admin:integrations_notificationlog_change", args=[row.pk])


def _list() -> str:
    return reverse("admin:integrations_notificationlog_changelist")
