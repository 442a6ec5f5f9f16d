"""What staff can do with messages: send again, cancel, dismiss. Each asks first and acts by POST alone.

The list and pages themselves are those of `integrations.messages.admin`, which registers nothing: here they are
registered once, with their actions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from flowlog.staffpages.base import keys, person
from flowlog.staffpages.once import once
from integrations.messages import attention
from integrations.messages.admin import NotificationLogAdmin
from integrations.messages.formatting import to_html
from integrations.messages.kinds import kind_words
from integrations.models import NotificationLog
from notifications import inbox_admin, instance_admin, previews, text_admin, texts  # noqa: F401 - three register theirs
from notifications.actions import cancel, dismiss, resend
from notifications.ask_first import AskFirst
from notifications.models import own_text_of
from orders.contacts import format_phone

previews.register()

Status = NotificationLog.Status
MOST_AT_ONCE = 1000
NAMED_AT_MOST = 10


@admin.register(NotificationLog)
class MessageAdmin(AskFirst, NotificationLogAdmin):
    actions = ("cancel_chosen", "dismiss_chosen")
    change_form_template = "admin/integrations/notificationlog/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/resend/", wrap(self.resend_view), name="integrations_notificationlog_resend"),
            path("<int:pk>/cancel/", wrap(self.cancel_view), name="integrations_notificationlog_cancel"),
            path("<int:pk>/dismiss/", wrap(self.dismiss_view), name="integrations_notificationlog_dismiss"),
            path("dismiss/", wrap(self.dismiss_chosen_view), name="integrations_notificationlog_dismiss_chosen"),
            path("cancel/", wrap(self.cancel_chosen_view), name="integrations_notificationlog_cancel_chosen"),
            *super().get_urls(),
        ]

    @admin.display(description=gettext_lazy("message"))
    def bubble(self, row: NotificationLog) -> SafeString | str:
        """Of one that has not been tried yet, too: what it would say now."""
        told = super().bubble(row)
        if row.status != Status.PENDING or row.message or row.anonymised_at:
            return told
        try:
            text = texts.render(row.event, row.parsed_snapshot, own_text_of(row))
        except OSError:  # a kind that this release does not know
            return told
        html = '{}<p class="flowlog-quiet">{}</p><div class="flowlog-bubble flowlog-unsent">{}</div>'
        return format_html(html, told, _("Now it would say:"), to_html(text))

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
        if row and self.has_dismiss_permission(request) and attention.need_a_person().filter(pk=row.pk).exists():
            buttons.append((_("Dismiss"), reverse("admin:integrations_notificationlog_dismiss", args=[row.pk])))
        context = {**(extra_context or {}), "buttons": buttons, "main_button": _("Send again")}
        return super().change_view(request, object_id, form_url, context)

    # -- Dismissing ----------------------------------------------------------------------------

    def has_dismiss_permission(self, request: HttpRequest) -> bool:
        """Asked for by the list's action."""
        return self._may(request, "dismiss_notificationlog")

    @once
    def dismiss_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask (GET) and dismiss one message (POST), if it still needs a person then."""
        self._require(request, "dismiss_notificationlog")
        row = get_object_or_404(self.get_queryset(request), pk=pk)
        if request.method == "POST":
            self._dismiss(request, [row])
            return HttpResponseRedirect(_page(row))
        question = _("Is nothing to be done about the message %(message)s any more?") % {"message": _named(row)}
        return self._ask(
            request, _("Dismiss"), question, _page(row), message=to_html(row.message), warning=row.error_message
        )

    @admin.action(permissions=["dismiss"], description=gettext_lazy("Dismiss messages"))
    def dismiss_chosen(self, request: HttpRequest, queryset: QuerySet[NotificationLog]) -> HttpResponse | None:
        """Ask before the messages chosen in the list are dismissed. They are fixed from here on."""
        chosen = list(queryset.order_by("pk").values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if len(chosen) > MOST_AT_ONCE:
            self.message_user(request, _("At most %(most)d messages at once.") % {"most": MOST_AT_ONCE}, messages.ERROR)
            return None
        question = ngettext(
            "Is nothing to be done about %(count)d message any more?",
            "Is nothing to be done about %(count)d messages any more?",
            len(chosen),
        ) % {"count": len(chosen)}
        lines = [_named(row) for row in queryset.order_by("pk")[:NAMED_AT_MOST]]
        if more := len(chosen) - len(lines):
            lines.append(_("… and %(count)d more.") % {"count": more})
        action = reverse("admin:integrations_notificationlog_dismiss_chosen")
        return self._ask(request, _("Dismiss messages"), question, _list(), action=action, chosen=chosen, lines=lines)

    @once
    def dismiss_chosen_view(self, request: HttpRequest) -> HttpResponse:
        """Dismiss (POST) the messages that the form names, those that need a person."""
        self._require(request, "dismiss_notificationlog")
        chosen = keys(request.POST.getlist("chosen")[:MOST_AT_ONCE])
        if request.method == "POST" and chosen:
            ours = self.get_queryset(request).filter(pk__in=chosen)
            self._dismiss(request, ours)
        return HttpResponseRedirect(_list())

    def _dismiss(self, request: HttpRequest, rows: Iterable[NotificationLog]) -> None:
        rows = list(rows)
        dismissed = dismiss.dismiss(rows, actor=person(request))
        if dismissed:
            words = ngettext("%(count)d message dismissed.", "%(count)d messages dismissed.", len(dismissed))
            self.message_user(request, words % {"count": len(dismissed)}, messages.SUCCESS)
        if left := len(rows) - len(dismissed):
            words = ngettext(
                "%(count)d message needed nobody and stayed as it was.",
                "%(count)d messages needed nobody and stayed as they were.",
                left,
            )
            self.message_user(request, words % {"count": left}, messages.WARNING)

    # -- Sending again and cancelling ----------------------------------------------------------

    @once
    def resend_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask (GET) and send one message again (POST), to the customer's present phone."""
        self._require(request, "resend_notificationlog")
        row = get_object_or_404(self.get_queryset(request).select_related("order__customer", "resend_of"), pk=pk)
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
        return self._ask(
            request, _("Send again"), question, back, message=to_html(row.message), warning=_resend_warning(row)
        )

    @once
    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask (GET) and cancel one message (POST), if it is still waiting then."""
        self._require(request, "cancel_notificationlog")
        row = get_object_or_404(self.get_queryset(request), pk=pk)
        if request.method == "POST":
            self._cancel(request, [row])
            return HttpResponseRedirect(_page(row))
        question = _("Cancel the message %(message)s? The customer will not be told.") % {"message": _named(row)}
        return self._ask(request, _("Cancel message"), question, _page(row), message=to_html(row.message))

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
        chosen = keys(request.POST.getlist("chosen")[:MOST_AT_ONCE])
        if request.method == "POST" and chosen:
            self._cancel(request, self.get_queryset(request).filter(pk__in=chosen))
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
