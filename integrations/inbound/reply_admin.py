"""Customers' answers in the admin: all of them in a list, and on home those that a person has to decide on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from flowlog.staffpages.asking import counted
from flowlog.staffpages.base import UncountedAdmin, label_html, person
from flowlog.staffpages.people import name_of
from flowlog.staffpages.stores import within
from flowlog.staffpages.tabs import MOST, Tab
from flowlog.times import lasting, moment
from flowlog.translations import Words
from integrations.evolution import jids
from integrations.inbound import inbox, questions, senders
from integrations.inbound.models import CustomerReply
from orders.admin.phones import phone_html
from orders.contacts import format_phone
from orders.models import Order

Kind, Wish = CustomerReply.Kind, CustomerReply.Wish
# More than anybody answers at one glance; the list has the rest.
SHOWN_AT_HOME = 10
WAITING, OPEN, NOBODYS, ALL = "waiting", "open", "nobodys", "all"


def to_decide(request: HttpRequest) -> QuerySet[CustomerReply]:
    """The answers that somebody has to decide on, of those that the person may see."""
    return within(questions.open_questions(), request.user)


def home(request: HttpRequest, total: int) -> SafeString | str:
    """The answers to decide on, as a part of the first page; wishes for no messages one by one, the rest counted.

    `total` is how many of `to_decide` there are.
    """
    if not total:
        return ""
    # What could not even be read may be one too.
    wishes = to_decide(request).filter(Q(wish__in=(Wish.OUT, Wish.UNSURE)) | Q(kind=Kind.TOO_LARGE))
    shown = list(wishes[:SHOWN_AT_HOME])
    context = {
        "questions": [(each, who(each), question(each), about(each), moment(each.received_at)) for each in shown],
        "may_decide": _may_decide(request),
        "more": total - len(shown),
        "list": reverse("admin:integrations_customerreply_changelist", query={"state": OPEN}),
    }
    return render_to_string("admin/integrations/questions.html", context, request)


def who(reply: CustomerReply) -> str:
    """The customer, or as much as is known of who wrote it."""
    if reply.customer:
        return str(reply.customer)
    return format_phone(reply.sender) if reply.sender and not jids.lid(reply.sender) else gettext("without a number")


def about(reply: CustomerReply) -> Order | None:
    """The order that it is about, or whose message it quotes.

    What nobody knows whose it is stands with the number's store, which sees no order of another that sends by it.
    """
    if reply.customer:
        return reply.order
    quoted = senders.quoted_message(reply.instance, reply.quoted_id)
    order = quoted.order if quoted else None
    return order if order and order.store_id == reply.instance.store_id else None


def question(reply: CustomerReply) -> str:
    """What a person has to decide."""
    if reply.kind == Kind.TOO_LARGE:
        return gettext("Something too large came to be read here. See the chat on the shop's phone.")
    if reply.customer:
        return gettext("Wants no more messages?")
    if reply.wish in (Wish.OUT, Wish.UNSURE):
        return gettext("An answer that we do not know whose it is: wants no more messages?")
    return gettext("An answer that we do not know whose it is.")


def _state(request: HttpRequest) -> str:
    return request.GET.get(StateFilter.parameter_name) or WAITING


def _tabs(request: HttpRequest) -> list[Tab]:
    """The states as views, the first two counted: the rest is no work. One query."""
    address, active = reverse("admin:integrations_customerreply_changelist"), _state(request)
    work = {WAITING: inbox.open_replies(), OPEN: questions.open_questions()}
    counts = dict(zip(work, counted((within(rows, request.user) for rows in work.values()), MOST), strict=True))
    return [
        Tab(capfirst(str(words)), f"{address}?state={state}", active == state, counts.get(state))
        for state, words in _STATES
    ]


def _may_decide(request: HttpRequest) -> bool:
    return request.user.has_perm("orders.change_customer")


class StateFilter(DropdownFilter):  # type: ignore[misc]
    """Those that wait for an answer, if nothing else is asked for; that somebody has to decide on; nobody's; all."""

    title = _("what to do")
    parameter_name = "state"
    all_option = None

    def value(self) -> str:
        return super().value() or WAITING

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> Sequence[tuple[str, Words]]:
        return _STATES

    def queryset(self, _request: HttpRequest, queryset: QuerySet[CustomerReply]) -> QuerySet[CustomerReply]:
        rows = _in_state(self.value())
        return queryset if rows is None else queryset.filter(pk__in=rows.order_by().values("pk"))


_STATES: Sequence[tuple[str, Words]] = (
    (WAITING, _("not answered")),
    (OPEN, _("to be decided")),
    (NOBODYS, _("we do not know whose")),
    (ALL, _("all")),
)


def _in_state(state: str) -> QuerySet[CustomerReply] | None:
    """Those in this state; None for all."""
    if state == WAITING:
        return inbox.open_replies()
    if state == OPEN:
        return questions.open_questions()
    return inbox.replies().filter(customer=None) if state == NOBODYS else None


class CustomerReplyAdmin(UncountedAdmin):
    """Whoever may see the log of messages sees what was answered to them.

    It is registered by `notifications.inbox_admin`, which knows how they are answered.
    """

    when_empty = _(
        "Nobody waits for an answer. What customers write back comes here, and above the timeline of their order."
    )
    change_form_template = "admin/integrations/customerreply/change_form.html"
    list_before_template = "admin/tabs.html"
    list_display = ("words", "whose", "received", "state_label", "order_link")
    list_display_links = ("words",)
    list_filter = (StateFilter,)
    list_filter_submit = True
    list_per_page = 50
    sortable_by = ()
    fields = readonly_fields = (
        "received", "whose", "order_link", "words", "earlier", "edited", "deleted", "state_label", "decided", "handled",
    )  # fmt: skip

    def get_fields(self, request: HttpRequest, obj: CustomerReply | None = None) -> Any:  # noqa: ARG002
        """What there is to tell of this one; what was decided was handled as well."""
        told = [name for name in self.fields if obj is None or getattr(self, name)(obj)]
        return [name for name in told if name != "decided" or "handled" not in told]

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Who waits longest stands first; else what came last."""
        return ("received_at", "pk") if _state(request) == WAITING else ("-pk",)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(request, {**(extra_context or {}), "tabs": _tabs(request)})

    @admin.display(description=_("received"))
    def received(self, reply: CustomerReply) -> SafeString | str:
        if reply.handled_at or reply.decided_at or reply.deleted_at:
            return moment(reply.received_at)
        waits = gettext("%(lasting)s ago") % {"lasting": lasting((timezone.now() - reply.received_at).total_seconds())}
        return format_html(
            '{} <span class="flowlog-quiet flowlog-unbroken">{}</span>', moment(reply.received_at), waits
        )

    @admin.display(description=_("from"))
    def whose(self, reply: CustomerReply) -> SafeString | str:
        if reply.customer is None:
            return phone_html(reply.sender) if reply.sender and not jids.lid(reply.sender) else who(reply)
        address = reverse("admin:orders_customer_change", args=[reply.customer.pk])
        customer = format_html('<a class="text-link" href="{}">{}</a>', address, reply.customer.name)
        phone = phone_html(reply.customer.phone)
        return format_html("{} · {}", customer, phone) if phone else customer

    @admin.display(description=_("answer"))
    def words(self, reply: CustomerReply) -> str:
        if reply.kind == Kind.TEXT:
            return reply.text or gettext("The text was erased.")
        named = f"{reply.get_kind_display()}: {reply.file_name}" if reply.file_name else reply.get_kind_display()
        return f"({named}) {reply.text}".strip()

    @admin.display(description=_("before the edit"))
    def earlier(self, reply: CustomerReply) -> str:
        return " · ".join(reply.earlier_texts)

    @admin.display(description=_("edited"))
    def edited(self, reply: CustomerReply) -> str:
        return moment(reply.edited_at)

    @admin.display(description=_("deleted by the customer"))
    def deleted(self, reply: CustomerReply) -> str:
        return moment(reply.deleted_at)

    @admin.display(description=_("state"))
    def state_label(self, reply: CustomerReply) -> SafeString | str:
        if reply.customer is None and not reply.decided_at:
            return label_html("danger", gettext("we do not know whose"))
        if reply.wish == Wish.UNSURE and not reply.decided_at:
            return label_html("warning", gettext("wants no more messages?"))
        if reply.handled_at or reply.customer is None:
            return label_html("", gettext("handled"))
        if reply.wish:
            return label_html("", reply.get_wish_display())
        if reply.deleted_at:
            return label_html("", gettext("deleted by the customer"))
        return label_html("warning", gettext("waits"))

    @admin.display(description=_("dealt with"))
    def decided(self, reply: CustomerReply) -> str:
        by = name_of(reply.decided_by) if reply.decided_by else ""
        return f"{moment(reply.decided_at)} {by}".strip()

    @admin.display(description=_("handled"))
    def handled(self, reply: CustomerReply) -> str:
        by = name_of(reply.handled_by) if reply.handled_by else ""
        return f"{moment(reply.handled_at)} {by}".strip()

    @admin.display(description=_("order"))
    def order_link(self, reply: CustomerReply) -> SafeString | str:
        order = about(reply)
        if order is None:
            return ""
        return format_html('<a class="text-link" href="{}">{}</a>', order.get_admin_url(), order.code)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("integrations.view_notificationlog") and self.reaches(request, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustomerReply]:
        return within(inbox.replies().order_by(*self.get_ordering(request)), request.user)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        decide = path("<int:pk>/decide/", wrap(self.decide_view), name="integrations_customerreply_decide")
        return [decide, *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """The answer, and under it what there is to decide."""
        reply, context = self.get_object(request, object_id), {}
        if reply and not reply.decided_at and (reply.customer is None or reply.wish == Wish.UNSURE):
            context = {"reply": reply, "question": question(reply), "may_decide": _may_decide(request)}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def decide_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take what a person decided (POST alone), and note who it was."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        actor = person(request)
        if actor is None or not (_may_decide(request) and self.has_view_permission(request)):
            raise PermissionDenied
        reply = get_object_or_404(self.get_queryset(request), pk=pk)
        wants_none = request.POST.get("wants_none") == "yes"
        changed = questions.decide(reply, wants_none=wants_none, actor=actor)
        if changed is None:
            self.message_user(request, gettext("Somebody has decided that already."), messages.WARNING)
        else:
            self._tell(request, reply, wants_none=wants_none and reply.customer is not None, changed=bool(changed))
        return HttpResponseRedirect(reverse("admin:index"))

    def _tell(self, request: HttpRequest, reply: CustomerReply, *, wants_none: bool, changed: bool) -> None:
        if not wants_none:
            done = gettext("Noted: dealt with.") if reply.customer is None else gettext("Noted: no such wish.")
        elif changed:
            done = gettext("Noted: the customer gets no more messages.")
        else:
            done = gettext(
                "Nothing changed: the customer had said so before, or has written since that they want them."
            )
        self.log_change(request, reply, done)
        self.message_user(request, done, messages.SUCCESS)
