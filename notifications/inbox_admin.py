"""The inbox at work: what customers wrote is answered or marked as handled, on its own, an order's or their page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from flowlog.staffpages.base import person
from flowlog.staffpages.once import once
from flowlog.staffpages.people import name_of
from flowlog.times import moment
from integrations.inbound import inbox
from integrations.inbound.conversation import conversation_of
from integrations.inbound.correspondence import SHOWN_WAITING, with_customer
from integrations.inbound.reply_admin import CustomerReplyAdmin
from integrations.messages.timeline import reply_html
from integrations.models import CustomerReply
from notifications.actions.answer import AnswerRefusedError, answer
from notifications.answer_form import CUSTOMER, INBOX, ORDER, AnswerForm
from orders.admin import cards, customers
from orders.admin.phones import phone_html
from orders.models import Customer, Order


@admin.register(CustomerReply)
class InboxAdmin(CustomerReplyAdmin):
    actions = ("mark_handled",)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/answer/", wrap(self.answer_view), name="integrations_customerreply_answer"),
            path("<int:pk>/handle/", wrap(self.handle_view), name="integrations_customerreply_handle"),
            *super().get_urls(),
        ]

    def has_answer_permission(self, request: HttpRequest) -> bool:
        """Asked for by the list's action."""
        return may_answer(request)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """The reply, and above it what waits for an answer."""
        reply = self.get_object(request, object_id)
        card = conversation_card(request, reply, back=INBOX) if reply else ""
        may_reopen = reply is not None and reply.handled_at is not None and may_answer(request)
        context = {**(extra_context or {}), "card": card, "may_reopen": may_reopen}
        return super().change_view(request, object_id, form_url, context)

    @once
    def answer_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for (GET) and send (POST) an answer. What cannot go is shown again, with why and as it was written."""
        self._require(request)
        reply = get_object_or_404(self.get_queryset(request), pk=pk)
        if request.method != "POST":
            return HttpResponseRedirect(_page(reply))
        form = AnswerForm(request.POST)
        actor = person(request)
        if form.is_valid() and actor and not self._overtaken(form, reply):
            try:
                answer(reply, form.cleaned_data["text"], actor=actor, seen=form.cleaned_data["seen"])
            except AnswerRefusedError as refusal:
                form.add_error(None, str(refusal))
            else:
                self.message_user(request, _("Your answer is on its way."), messages.SUCCESS)
                return HttpResponseRedirect(_back(form.cleaned_data, reply))
        card = conversation_card(request, reply, back=request.POST.get("back", INBOX), form=form)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Answer the customer"),
            "card": card,
        }
        return TemplateResponse(request, "admin/notifications/answer.html", context)

    def handle_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Mark (POST alone) as handled what the person saw of this customer's; or with `reopen` this one as waiting."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self._require(request)
        reply = get_object_or_404(self.get_queryset(request), pk=pk)
        if request.POST.get("reopen"):
            if inbox.reopen(reply):
                self._record(request, [reply], _("Waits for an answer again."))
                self.message_user(request, _("Waits for an answer again."), messages.SUCCESS)
            return HttpResponseRedirect(_page(reply))
        waiting = inbox.of_person(reply, self._open(request)).filter(pk__lte=pk)
        self._handle(request, waiting | self._open(request).filter(pk=pk))
        values = {"back": request.POST.get("back"), "page_of": _number(request.POST.get("page_of", ""))}
        return HttpResponseRedirect(_back(values, reply))

    @admin.action(permissions=["answer"], description=gettext_lazy("Mark as handled"))
    def mark_handled(self, request: HttpRequest, queryset: QuerySet[CustomerReply]) -> None:
        """Those chosen in the list, whatever they are. A wish that is to be decided stays a question on home."""
        self._handle(request, queryset)

    def _handle(self, request: HttpRequest, rows: QuerySet[CustomerReply]) -> None:
        actor = person(request)
        handled = list(inbox.handle(rows.order_by(), actor)) if actor else []
        if not handled:
            self.message_user(request, _("Somebody had handled that already."), messages.WARNING)
            return
        words = ngettext("%(count)d answer handled.", "%(count)d answers handled.", len(handled))
        self._record(request, handled, _("Marked as handled."))
        self.message_user(request, words % {"count": len(handled)}, messages.SUCCESS)

    def _record(self, request: HttpRequest, rows: list[CustomerReply], done: str) -> None:
        for row in rows:
            self.log_change(request, row, done)

    def _open(self, request: HttpRequest) -> QuerySet[CustomerReply]:
        """What waits, of what this person may see."""
        return self.get_queryset(request).order_by().filter(pk__in=inbox.open_replies().order_by().values("pk"))

    def _require(self, request: HttpRequest) -> None:
        if not (may_answer(request) and self.has_view_permission(request)):
            raise PermissionDenied

    @staticmethod
    def _overtaken(form: AnswerForm, reply: CustomerReply) -> bool:
        """Whether what the form was to answer has been handled by somebody else meanwhile: then it is asked about."""
        if not form.cleaned_data["waiting"] or inbox.of_person(reply, inbox.open_replies()).exists():
            return False
        latest = inbox.of_person(reply, inbox.replies()).exclude(handled_at=None).order_by("-handled_at").first()
        who = name_of(latest.handled_by) if latest and latest.handled_by else _("Somebody")
        words = _("%(who)s has answered or handled this meanwhile. Send yours only if it is still needed.")
        form.add_error(None, words % {"who": who})
        return True


def may_answer(request: HttpRequest) -> bool:
    return request.user.has_perm("integrations.answer_customerreply")


def register() -> None:
    """Called once, when the admin is loaded."""
    cards.register_card(_order_card)
    customers.register_section(_customer_card, pinned=True)


def conversation_card(
    request: HttpRequest,
    reply: CustomerReply,
    *,
    back: str,
    order: Order | None = None,
    form: AnswerForm | None = None,
    waiting: Sequence[CustomerReply] | None = None,
) -> SafeString:
    """What this customer wrote that waits for somebody, and the form to answer it, or why that is not possible here.

    What is `waiting` may have been read already, one more than is shown.
    """
    if waiting is None:
        waiting = list(inbox.of_person(reply, inbox.open_replies())[: SHOWN_WAITING + 1])
    shown = waiting[:SHOWN_WAITING]
    talk = conversation_of(reply)
    latest = max(shown, key=lambda each: each.pk, default=talk.reply)
    if form is None or form.errors:
        form = _form(latest, bool(shown), back, order, form)
    context = {
        "reply": latest,
        "waiting": [reply_html(each, each.order if each.order != order else None) for each in shown],
        "more": len(waiting) > SHOWN_WAITING,
        "talk": talk,
        "until": moment(talk.until),
        "phone": phone_html(talk.phone),
        "form": form,
        "back": back,
        "order": order,
        "may_answer": may_answer(request),
    }
    return SafeString(render_to_string("admin/notifications/conversation.html", context, request))


def _form(
    latest: CustomerReply, waiting: bool, back: str, order: Order | None, refused: AnswerForm | None
) -> AnswerForm:
    """A form that knows what is seen now; with the words of the one that was refused, and why it was."""
    known = {"seen": latest.pk, "waiting": waiting, "back": back, "page_of": order.pk if order else ""}
    if refused is None:
        return AnswerForm(initial=known)
    form = AnswerForm({**known, "text": refused.data.get("text", ""), "page_of": refused.data.get("page_of", "")})
    for error in refused.non_field_errors():
        form.add_error(None, error)
    return form


def _order_card(request: HttpRequest, order: Order) -> SafeString | str:
    return _latest_card(request, order.customer, back=ORDER, order=order)


def _customer_card(request: HttpRequest, customer: Customer) -> SafeString | str:
    return _latest_card(request, customer, back=CUSTOMER)


def _latest_card(
    request: HttpRequest, customer: Customer, *, back: str, order: Order | None = None
) -> SafeString | str:
    """The conversation with a customer who has ever written."""
    if not request.user.has_perm("integrations.view_notificationlog"):
        return ""
    said = with_customer(customer, order)
    if said.latest is None:
        return ""
    return conversation_card(request, said.latest, back=back, order=order, waiting=said.waiting)


def _back(values: dict[str, Any], reply: CustomerReply) -> str:
    """To where the form was; an order's page only if it is this customer's."""
    if values.get("back") == ORDER and reply.customer and values.get("page_of"):
        order = Order.objects.filter(customer=reply.customer, pk=values["page_of"]).first()
        if order:
            return order.get_admin_url()
    if values.get("back") == CUSTOMER and reply.customer:
        return reverse("admin:orders_customer_change", args=[reply.customer.pk])
    return reverse("admin:integrations_customerreply_changelist")


def _page(reply: CustomerReply) -> str:
    return reverse("admin:integrations_customerreply_change", args=[reply.pk])


def _number(written: str) -> int:
    return int(written[:18]) if written.isascii() and written.isdigit() else 0


register()
