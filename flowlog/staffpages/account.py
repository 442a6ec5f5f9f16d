"""Each person's own page: where they are logged in, and the second step of their log-in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from flowlog.models import FormerAddress
from flowlog.staffpages import passwords, people, second_factor, sessions
from flowlog.staffpages.login import locked
from flowlog.times import moment


class NewCodeForm(forms.Form):
    code = forms.CharField(
        label=gettext_lazy("Code of the app"),
        max_length=20,
        help_text=gettext_lazy("The six digits that it shows now."),
        widget=UnfoldAdminTextInputWidget({"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


class PasswordForm(forms.Form):
    password = forms.CharField(
        label=gettext_lazy("Your password"),
        widget=UnfoldAdminPasswordWidget({"autocomplete": "current-password"}),
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not is_their_password(self.request, password):
            raise forms.ValidationError(_("That is not your password."))
        return password


def is_their_password(request: HttpRequest, password: str) -> bool:
    """Whether it is the password of who is logged in. Guesses count with those at the log-in, and end as there."""
    return authenticate(request, username=request.user.get_username(), password=password) is not None


def password_change(request: HttpRequest) -> HttpResponse:
    """The admin's page for the own new password, on which the present one cannot be guessed either."""
    if request.method == "POST":
        is_their_password(request, request.POST.get("old_password", ""))
        if getattr(request, "axes_locked_out", False):
            return locked(request)
    answer: HttpResponse = admin.site.password_change(request)
    return answer


@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """The page; what is pressed on it comes back as a POST with `do`."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101 - the admin lets nobody else in
    context: dict[str, Any] = {}
    if request.method == "POST":
        act = _ACTIONS.get(request.POST.get("do", ""))
        context = (act(request, user) if act else None) or {}
        if not context:
            return HttpResponseRedirect(reverse("account"))
    return TemplateResponse(request, "admin/account/account.html", {**_context(request, user), **context})


def _context(request: HttpRequest, user: User) -> dict[str, Any]:
    is_on = second_factor.is_on(user)
    mine = request.session.session_key
    return {
        **admin.site.each_context(request),
        "title": _("My access"),
        "password_address": reverse("admin:password_change"),
        "sessions": [
            (each, sessions.device(each), moment(each.began_at), moment(each.seen_at), each.session_key == mine)
            for each in sessions.of(user)
        ],
        "former_address": FormerAddress.objects.filter(user=user).exists(),
        "address_form": PasswordForm(request),
        "is_on": is_on,
        "codes_left": second_factor.codes_left(user) if is_on else 0,
        "password_form": PasswordForm(request) if is_on else None,
    }


def _end(request: HttpRequest, user: User) -> None:
    pk = request.POST.get("session", "")
    chosen = sessions.of(user).filter(pk=int(pk) if pk.isascii() and pk.isdigit() and len(pk) < 19 else 0)  # noqa: PLR2004
    sessions.end(chosen.exclude(session_key=request.session.session_key))
    messages.success(request, _("Logged out there."))


def _end_others(request: HttpRequest, user: User) -> None:
    sessions.end(sessions.of(user).exclude(session_key=request.session.session_key))
    messages.success(request, _("Logged out everywhere but here."))


def _take_address(request: HttpRequest, user: User) -> dict[str, Any] | None:
    form = PasswordForm(request, request.POST)
    if not form.is_valid():
        return {"address_form": form}
    if not passwords.take_address(user, request.POST.get("address", "")):
        messages.warning(request, _("Your e-mail was changed again meanwhile: look whether the new one is yours."))
        return None
    people.note(user, _("New e-mail confirmed."))
    messages.success(request, _("Confirmed: from now on mails go to the new address."))
    return None


def _begin(_request: HttpRequest, user: User) -> dict[str, Any]:
    return {} if second_factor.is_on(user) else _set_up(second_factor.begin(user), NewCodeForm())


def _set_up(device: Any, form: NewCodeForm) -> dict[str, Any]:
    return {"code_form": form, "qr": second_factor.qr(device), "secret": second_factor.secret_of(device)}


def _confirm(request: HttpRequest, user: User) -> dict[str, Any]:
    form = NewCodeForm(request.POST)
    if second_factor.is_on(user):
        return {}
    codes = second_factor.confirm(user, form.cleaned_data["code"]) if form.is_valid() else []
    if not codes:
        if form.is_valid():
            form.add_error("code", _("This code is not right. Is the time of your phone set automatically?"))
        return _set_up(second_factor.begun(user) or second_factor.begin(user), form)
    people.note(user, _("Second step of the log-in switched on."))
    return {"codes": codes, "is_on": True, "codes_left": len(codes), "password_form": PasswordForm(request)}


def _new_codes(request: HttpRequest, user: User) -> dict[str, Any]:
    form = PasswordForm(request, request.POST)
    if not form.is_valid() or not second_factor.is_on(user):
        return {"password_form": form}
    people.note(user, _("New codes for the second step of the log-in."))
    codes = second_factor.new_recovery_codes(user)
    return {"codes": codes, "codes_left": len(codes)}


def _switch_off(request: HttpRequest, user: User) -> dict[str, Any] | None:
    form = PasswordForm(request, request.POST)
    if not form.is_valid():
        return {"password_form": form}
    second_factor.switch_off(user)
    people.note(user, _("Second step of the log-in switched off."))
    messages.success(request, _("Switched off: your password alone is enough."))
    return None


_ACTIONS: dict[str, Any] = {
    "end": _end,
    "end_others": _end_others,
    "take_address": _take_address,
    "begin": _begin,
    "confirm": _confirm,
    "new_codes": _new_codes,
    "switch_off": _switch_off,
}
