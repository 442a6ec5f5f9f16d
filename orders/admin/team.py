"""The shop's people in the admin: who works for which store and as what, invited and let go without a technician."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, override

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from flowlog.staffpages import passwords, second_factor, sessions, stores
from flowlog.staffpages.base import ModelAdmin, label_column
from flowlog.staffpages.once import UNKEPT, once
from flowlog.times import moment
from orders.members import Member, functions_for, may_manage
from orders.models import Store, StoreStaff


class MemberForm(forms.ModelForm):
    """A person as the shop knows them. What they may do comes from their function, where from their stores."""

    # Who fills it in.
    actor: User

    name = forms.CharField(label=_("Name"), max_length=150, widget=UnfoldAdminTextInputWidget())
    email = forms.EmailField(
        label=_("E-mail"), max_length=150, help_text=_("They log in with it."), widget=UnfoldAdminEmailInputWidget()
    )
    function = forms.ModelChoiceField(
        Group.objects.none(),
        label=_("Function"),
        empty_label=None,
        help_text=_("Atendimento: orders and customers. Gerência: stores, numbers and the team as well."),
        widget=UnfoldAdminRadioSelectWidget(),
    )
    stores = forms.ModelMultipleChoiceField(
        Store.objects.none(), label=_("Stores"), required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget()
    )

    class Meta:
        model = Member
        fields = ("email", "is_active")
        labels = {"is_active": _("May log in")}
        help_texts = {"is_active": _("Switch it off for who has left the shop: what they did stays in the histories.")}
        widgets = {"is_active": UnfoldBooleanSwitchWidget()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Who may only look gets no fields.
        if "function" not in self.fields:
            return
        offered: Any = self.fields["function"]
        offered.queryset = functions_for(self.actor)
        mine: Any = self.fields["stores"]
        mine.queryset = stores.within(Store.objects.all(), self.actor)
        if self.instance.pk:
            # From before people logged in with their address.
            self.fields["email"].help_text = ""
            self.initial["name"] = self.instance.get_full_name()
            self.initial["function"] = self.instance.groups.order_by("name").first()
            self.initial["stores"] = list(self.instance.memberships.values_list("store", flat=True))
        elif mine.queryset.count() == 1:
            self.initial["stores"] = [mine.queryset.get().pk]

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].strip().lower()
        others = User.objects.exclude(pk=self.instance.pk)
        if others.filter(email__iexact=email).exists() or others.filter(username__iexact=email).exists():
            raise ValidationError(_("Somebody has access with this e-mail already."))
        return email

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        function = cleaned.get("function")
        everywhere = function and function.permissions.filter(codename="work_in_all_stores").exists()
        if function and not everywhere and not cleaned.get("stores"):
            self.add_error("stores", gettext("Choose at least one store: without one the person sees nothing."))
        return cleaned


@admin.register(Member)
class TeamAdmin(ModelAdmin):
    """Who may change the team (*Gerência*) may do so at their own stores, and gives nobody more than they have."""

    when_empty = _("Invite who works with you: by mail, each with a function and the stores that they work for.")
    form = MemberForm
    shows_store = False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Not by their passwords, which nobody may guess letter by letter."""
        return not lookup.startswith("password") and super().lookup_allowed(lookup, value, request)

    list_title = _("Team")
    list_display = ("person", "address", "function_names", "store_names", "state_label", "last_seen")
    list_display_links = ("person",)
    list_filter = ("is_active",)
    list_per_page = 50
    ordering = ("first_name", "username")
    search_fields = ("first_name", "last_name", "email", "username")
    sortable_by = ()
    readonly_fields = ("logs_in_as", "function_names", "store_names", "last_seen", "state_label")
    change_form_template = "admin/orders/member/change_form.html"

    @admin.display(description=_("name"))
    def person(self, member: Member) -> str:
        return str(member)

    @admin.display(description=_("e-mail"))
    def address(self, member: Member) -> str:
        return member.email

    @admin.display(description=_("logs in as"))
    def logs_in_as(self, member: Member) -> str:
        return member.get_username()

    @admin.display(description=_("function"))
    def function_names(self, member: Member) -> str:
        if member.is_superuser:
            return gettext("administrator")
        return ", ".join(sorted(group.name for group in member.groups.all()))

    @admin.display(description=_("stores"))
    def store_names(self, member: Member) -> str:
        return ", ".join(membership.store.name for membership in member.memberships.all())

    @admin.display(description=_("last log-in"))
    def last_seen(self, member: Member) -> str:
        return moment(member.last_login)

    @label_column({"active": "success", "invited": "warning"}, description=_("access"))
    def state_label(self, member: Member) -> tuple[str, Any]:
        if not member.is_active:
            return "off", _("switched off")
        if not member.has_usable_password():
            return "invited", pgettext_lazy("person", "invited")
        return "active", pgettext_lazy("person", "active")

    # -- Who sees and changes whom ------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Member]:
        people: QuerySet[Member] = super().get_queryset(request).filter(is_staff=True)
        if not request.user.is_superuser:
            people = people.filter(is_superuser=False)
        visible = stores.within(StoreStaff.objects.select_related("store").order_by("store__name"), request.user)
        return people.prefetch_related("groups", Prefetch("memberships", visible))

    def has_change_permission(self, request: HttpRequest, obj: Member | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        if not allowed or obj is None or not isinstance(request.user, User):
            return allowed
        if not hasattr(obj, "_managed"):
            obj._managed = may_manage(request.user, User.objects.get(pk=obj.pk))  # type: ignore[attr-defined]
        return bool(obj._managed)  # type: ignore[attr-defined]

    def has_delete_permission(self, request: HttpRequest, obj: Member | None = None) -> bool:  # noqa: ARG002
        """Never: who has left is switched off, and what they did keeps their name."""
        return False

    # -- The form -----------------------------------------------------------------------------

    def get_fields(self, request: HttpRequest, obj: Member | None = None) -> Any:
        if obj is None:
            return ("name", "email", "function", "stores")
        if not self.has_change_permission(request, obj):
            return ("logs_in_as", "email", "function_names", "store_names", "state_label", "last_seen")
        own = () if obj.username == obj.email else ("logs_in_as",)
        return (*own, "name", "email", "function", "stores", "is_active", "last_seen")

    def get_form(self, request: HttpRequest, obj: Member | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        return type("MemberForm", (form,), {"actor": request.user})

    def save_model(self, request: HttpRequest, obj: Member, form: Any, change: bool) -> None:
        obj.first_name, obj.last_name = form.cleaned_data["name"], ""
        if change:
            self._tell_former_address(request, obj, form)
            obj.save(update_fields=["first_name", "last_name", "email", "is_active"])
            # Who may set anybody's password says whose an address is.
            if request.user.is_superuser:
                passwords.take_address(obj, obj.email)
            if "is_active" in form.changed_data and not obj.is_active:
                sessions.end(sessions.of(obj))
            return
        obj.username, obj.is_staff = obj.email, True
        obj.set_unusable_password()
        obj.save()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        member: Member = form.instance
        if not change or "function" in form.changed_data:
            member.groups.set([form.cleaned_data["function"]])
        if not change or "stores" in form.changed_data:
            chosen = form.cleaned_data["stores"]
            stores.within(StoreStaff.objects.filter(user=member), form.actor).exclude(store__in=chosen).delete()
            StoreStaff.objects.bulk_create(
                [StoreStaff(user_id=member.pk, store=store) for store in chosen], ignore_conflicts=True
            )
        if not change:
            self._invite(request, member)

    def _tell_former_address(self, request: HttpRequest, member: Member, form: Any) -> None:
        """Nobody gets somebody's access by giving them an address of their own."""
        if "email" not in form.changed_data or not member.has_usable_password():
            return
        kept = passwords.keep_address(member, form.initial["email"])
        told = passwords.mail_changed_address(member, form.initial["email"])
        if not told:
            words = gettext("No mail could be sent to the former address: tell %(name)s of it.")
            self.message_user(request, words % {"name": member}, messages.WARNING)
        if kept != member.email and not request.user.is_superuser:
            words = gettext(
                "Links for a new password go to the former address until %(name)s confirms the new one on “My access”."
            )
            self.message_user(request, words % {"name": member}, messages.INFO)

    def _invite(self, request: HttpRequest, member: Member) -> None:
        if passwords.mail_invitation(member):
            words = gettext("%(name)s gets a mail with the link for their password.") % {"name": member}
            self.message_user(request, words, messages.SUCCESS)
            return
        self.message_user(request, self._by_hand(member), messages.WARNING, UNKEPT)

    def _by_hand(self, member: Member) -> SafeString:
        words = gettext("No mail could be sent. Give %(name)s this link, with which they choose their password:")
        return format_html("{} <code>{}</code>", words % {"name": member}, passwords.link_of(member))

    # -- What can be done with a person -------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/password/", wrap(self.password_view), name="orders_member_password"),
            path("<int:pk>/second-factor/", wrap(self.second_factor_view), name="orders_member_second_factor"),
            *super().get_urls(),
        ]

    @override
    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Member | None = None,
    ) -> HttpResponse:
        if obj is not None and self.has_change_permission(request, obj):
            label = _("Send a new password link") if obj.has_usable_password() else _("Invite again")
            buttons = [(label, reverse("admin:orders_member_password", args=[obj.pk]))] if obj.is_active else []
            if second_factor.is_on(obj):
                address = reverse("admin:orders_member_second_factor", args=[obj.pk])
                buttons.append((_("Switch the second step off"), address))
            context["buttons"] = buttons
        return super().render_change_form(request, context, add, change, form_url, obj)

    @once
    def password_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask (GET) and mail (POST) a link for a new password."""
        question = _("Send %(name)s a mail with a link for a new password? The present one works until then.")
        return self._ask(request, pk, _("Send a new password link"), question, self._send_link)

    @once
    def second_factor_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask (GET) and switch off (POST) the second step of somebody's log-in, such as after a lost phone."""
        question = _(
            "Switch the second step of %(name)s off? Only do so if you know that it is really they who ask: they then "
            "log in with their password alone."
        )
        return self._ask(request, pk, _("Switch the second step off"), question, self._switch_off)

    def _ask(
        self, request: HttpRequest, pk: int, title: Any, question: Any, act: Callable[[HttpRequest, Member], None]
    ) -> HttpResponse:
        member = get_object_or_404(self.get_queryset(request), pk=pk)
        if not self.has_change_permission(request, member):
            raise PermissionDenied
        back = reverse("admin:orders_member_change", args=[pk])
        if request.method == "POST":
            act(request, member)
            return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "question": question % {"name": member},
            "back": back,
        }
        return TemplateResponse(request, "admin/notifications/confirm.html", context)

    def _send_link(self, request: HttpRequest, member: Member) -> None:
        is_new = not member.has_usable_password()
        sent = passwords.mail_invitation(member) if is_new else passwords.mail_link(member)
        if sent:
            self.log_change(request, member, gettext("Link for a new password sent."))
            words = gettext("Sent to %(email)s.") % {"email": passwords.address_of(member)}
            self.message_user(request, words, messages.SUCCESS)
        elif is_new:
            self.log_change(request, member, gettext("Link for a new password shown."))
            self.message_user(request, self._by_hand(member), messages.WARNING, UNKEPT)
        else:
            words = gettext("No mail could be sent. Ask who looks after Flowlog to set a new password.")
            self.message_user(request, words, messages.ERROR)

    def _switch_off(self, request: HttpRequest, member: Member) -> None:
        second_factor.switch_off(member)
        self.log_change(request, member, gettext("Second step of the log-in switched off."))
        self.message_user(request, gettext("Switched off."), messages.SUCCESS)
