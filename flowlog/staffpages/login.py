"""Logging in: the password, then the code for who wants to be asked for one; and the ways to a new password."""

from __future__ import annotations

import time
from typing import Any, override

from axes.utils import reset as axes_reset
from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import login
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, PasswordResetCompleteView, PasswordResetConfirmView, RedirectURLMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse, reverse_lazy
from django.utils.crypto import constant_time_compare
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView, TemplateView
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from flowlog.mail.no_mail import can_mail
from flowlog.publishing import WakeUp, publish
from flowlog.staffpages import second_factor, sessions

# Who has given the right password, and has so long to give the code.
_WAITING = "second_factor_of"
_WAITS = 600
# A link that is mailed later than that is of no use to anybody.
_MAIL_EXPIRES = 600


class Page:
    """What all pages before the log-in have in common with the admin's own."""

    page_title: Any = ""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)  # type: ignore[misc]
        return {**admin.site.each_context(self.request), **context, "title": self.page_title, "subtitle": None}  # type: ignore[attr-defined]


class PasswordStep(Page, LoginView):
    """The first step. Whoever is in already goes on to where they wanted to."""

    form_class = AuthenticationForm
    template_name = "admin/login.html"
    page_title = _("Log in")

    @override
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "GET" and admin.site.has_permission(request):
            return HttpResponseRedirect(self.get_success_url())
        return super().dispatch(request, *args, **kwargs)  # type: ignore[return-value]

    @override
    def get_default_redirect_url(self) -> str:
        return reverse("admin:index")

    @override
    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        if not second_factor.is_on(user):
            return super().form_valid(form)
        self.request.session[_WAITING] = {
            "user": user.pk,
            "backend": user.backend,
            "until": time.time() + _WAITS,
            # Of the password: one that was changed since lets nobody on.
            "password": user.get_session_auth_hash(),
        }
        return redirect(f"{reverse('second_step')}?{urlencode({'next': self.get_success_url()})}")

    @override
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        username = self.request.user.get_username()
        return {**super().get_context_data(**kwargs), "app_path": self.request.get_full_path(), "username": username}


class CodeForm(forms.Form):
    code = forms.CharField(
        label=_("Code"),
        max_length=20,
        help_text=_("The six digits that your app shows now, or one of the codes that you keep on paper."),
        widget=UnfoldAdminTextInputWidget({"autocomplete": "one-time-code", "autofocus": "", "inputmode": "text"}),
    )


class CodeStep(Page, RedirectURLMixin, FormView):
    """The second step, only after the first. Wrong codes make the next try wait, longer each time."""

    form_class = CodeForm
    template_name = "admin/account/code.html"
    page_title = _("Log in: second step")

    @override
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self._waiting() is None:
            return redirect("admin:login")
        return super().dispatch(request, *args, **kwargs)  # type: ignore[return-value]

    @override
    def get_default_redirect_url(self) -> str:
        return reverse("admin:index")

    def _waiting(self) -> User | None:
        waiting = self.request.session.get(_WAITING) or {}
        if waiting.get("until", 0) < time.time():
            return None
        user = User.objects.filter(pk=waiting["user"], is_active=True, is_staff=True).first()
        if user is None or not constant_time_compare(waiting.get("password", ""), user.get_session_auth_hash()):
            return None
        user.backend = waiting["backend"]
        return user

    @override
    def form_valid(self, form: Any) -> HttpResponse:
        user = self._waiting()
        if user is None or not second_factor.is_right(user, form.cleaned_data["code"]):
            form.add_error(
                "code", _("This code is not right, or came too soon after a wrong one. Try again in a moment.")
            )
            return self.form_invalid(form)
        login(self.request, user)
        self.request.session.pop(_WAITING, None)
        return HttpResponseRedirect(self.get_success_url())


class ForgottenForm(forms.Form):
    email = forms.EmailField(
        label=_("E-mail"), widget=UnfoldAdminEmailInputWidget({"autocomplete": "email", "autofocus": ""})
    )


class Forgotten(Page, FormView):
    """Asks for the address, and says the same whether anybody has it or not."""

    form_class = ForgottenForm
    template_name = "admin/account/forgotten.html"
    success_url = reverse_lazy("password_reset_done")
    page_title = _("Forgotten password")

    @override
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "can_mail": can_mail()}

    @override
    def form_valid(self, form: Any) -> HttpResponse:
        if can_mail():
            wake_up = WakeUp("orders.tasks.mail_who_forgot", (form.cleaned_data["email"],), argsrepr="('…',)")
            publish([wake_up], expires=_MAIL_EXPIRES)
        return super().form_valid(form)


class ForgottenDone(Page, TemplateView):
    template_name = "admin/account/forgotten_done.html"
    page_title = _("Forgotten password")


class NewPasswordForm(SetPasswordForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget = UnfoldAdminPasswordWidget({"autocomplete": "new-password"})
            field.label = _("New password") if name.endswith("1") else _("The same again")


class NewPassword(Page, PasswordResetConfirmView):
    form_class = NewPasswordForm
    template_name = "admin/account/new_password.html"
    page_title = _("New password")

    @override
    def form_valid(self, form: Any) -> HttpResponse:
        """Who had tried too often need not wait any more, and whoever else was logged in as them is out."""
        axes_reset(username=form.user.get_username())
        sessions.end(sessions.of(form.user))
        return super().form_valid(form)


class NewPasswordDone(Page, PasswordResetCompleteView):
    template_name = "admin/account/new_password_done.html"
    page_title = _("New password")


def locked(request: HttpRequest, _credentials: Any = None, *_args: Any, **_kwargs: Any) -> HttpResponse:
    """What django-axes answers after too many wrong passwords: the same whether the name exists or not."""
    context = {
        **admin.site.each_context(request),
        "title": _("Too many tries"),
        "minutes": int(settings.AXES_COOLOFF_TIME.total_seconds() // 60),
    }
    return TemplateResponse(request, "admin/account/locked.html", context, status=429).render()
