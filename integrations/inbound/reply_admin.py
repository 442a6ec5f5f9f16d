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
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter
from unfold.paginator import InfinitePaginator

from flowlog.staffpages.base import ReadOnlyAdmin, label_html, name_of, person
from flowlog.times import moment
from flowlog.translations import Words
from integrations.evolution import jids
from integrations.inbound import questions, senders
from integrations.inbound.models import CustomerReply
from orders.contacts import format_phone
from orders.models import Order

Kind, Wish = CustomerReply.Kind, CustomerReply.Wish
# More than anybody answers at one glance; the list has the rest.
SHOWN_AT_HOME = 10
OPEN, NOBODYS = "open", "nobodys"


def home(request: HttpRequest) -> SafeString | str:
    """The answers to decide on, as a part of the first page; wishes for no messages one by one, the rest counted."""
    waiting = questions.open_questions()
    # What could not even be read may be one too.
    wishes = waiting.filter(Q(wish__in=(Wish.OUT, Wish.UNSURE)) | Q(kind=Kind.TOO_LARGE))
    shown, total = list(wishes[:SHOWN_AT_HOME]), waiting.count()
    if not total:
        return ""
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
    """The order that it is about, or whose message it quotes."""
    if reply.customer:
        return reply.order
    quoted = senders.quoted_message(reply.instance, reply.quoted_id)
    return quoted.order if quoted else None


def question(reply: CustomerReply) -> str:
    """What a person has to decide."""
    if reply.kind == Kind.TOO_LARGE:
        return gettext("Something too large came to be read here. See the chat on the shop's phone.")
    if reply.customer:
        return gettext("Wants no more messages?")
    if reply.wish in (Wish.OUT, Wish.UNSURE):
        return gettext("An answer that we do not know whose it is: wants no more messages?")
    return gettext("An answer that we do not know whose it is.")


def _may_decide(request: HttpRequest) -> bool:
    return request.user.has_perm("orders.change_customer")


class StateFilter(DropdownFilter):  # type: ignore[misc]
    """Those that somebody has to decide on, and those of which nobody knows who wrote them."""

    title = _("what to do")
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> Sequence[tuple[str, Words]]:
        return [(OPEN, _("to be decided")), (NOBODYS, _("we do not know whose"))]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[CustomerReply]) -> QuerySet[CustomerReply]:
        if self.value() == OPEN:
            return questions.open_questions()
        return queryset.filter(customer=None) if self.value() == NOBODYS else queryset


@admin.register(CustomerReply)
class CustomerReplyAdmin(ReadOnlyAdmin):
    """Whoever may see the log of messages sees what was answered to them."""

    actions = ("deal_with",)
    change_form_template = "admin/integrations/customerreply/change_form.html"
    list_display = ("received", "whose", "words", "state_label", "order_link")
    list_display_links = ("received",)
    list_filter = (StateFilter,)
    list_filter_submit = True
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False
    sortable_by = ()
    ordering = ("-pk",)
    fields = readonly_fields = (
        "received", "whose", "order_link", "words", "earlier", "edited", "deleted", "state_label", "decided",
    )  # fmt: skip

    @admin.display(description=_("received"))
    def received(self, reply: CustomerReply) -> str:
        return moment(reply.received_at)

    @admin.display(description=_("from"))
    def whose(self, reply: CustomerReply) -> SafeString | str:
        if reply.customer is None:
            return who(reply)
        address = reverse("admin:orders_customer_change", args=[reply.customer.pk])
        return format_html('<a class="text-link" href="{}">{}</a>', address, reply.customer)

    @admin.display(description=_("answer"))
    def words(self, reply: CustomerReply) -> str:
        kind = "" if reply.kind == Kind.TEXT else f"({reply.get_kind_display()}) "
        return f"{kind}{reply.text}"

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
        if reply.decided_at:
            return label_html("", gettext("dealt with"))
        if reply.customer is None:
            return label_html("danger", gettext("we do not know whose"))
        if reply.wish == Wish.UNSURE:
            return label_html("warning", gettext("wants no more messages?"))
        if reply.wish:
            return label_html("", reply.get_wish_display())
        return label_html("", gettext("deleted by the customer")) if reply.deleted_at else ""

    @admin.display(description=_("dealt with"))
    def decided(self, reply: CustomerReply) -> str:
        by = name_of(reply.decided_by) if reply.decided_by else ""
        return f"{moment(reply.decided_at)} {by}".strip()

    @admin.display(description=_("order"))
    def order_link(self, reply: CustomerReply) -> SafeString | str:
        order = about(reply)
        if order is None:
            return ""
        return format_html('<a class="text-link" href="{}">{}</a>', order.get_admin_url(), order.code)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return request.user.has_perm("integrations.view_notificationlog")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustomerReply]:
        rows: QuerySet[CustomerReply] = super().get_queryset(request)
        return rows.select_related("customer", "order", "decided_by", "instance")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Asked for by the list's action."""
        return _may_decide(request)

    @admin.action(permissions=["decide"], description=_("Mark as dealt with those that we do not know whose they are"))
    def deal_with(self, request: HttpRequest, queryset: QuerySet[CustomerReply]) -> None:
        """Of the chosen ones only those; what a customer may want is decided one by one."""
        actor = person(request)
        for reply in queryset.filter(customer=None, decided_at=None):
            if actor and questions.decide(reply, wants_none=False, actor=actor) is not None:
                self._tell(request, reply, wants_none=False, changed=False)

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
        reply = get_object_or_404(CustomerReply, pk=pk)
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
