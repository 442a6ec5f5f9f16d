"""The admin's pages for a shop's phone: connect it, see its state, have its answers told, log it out.

Every call to the gateway has a short time-out, holds no database connection, and ends in a sentence if it fails. The QR
code is on the page of who may connect the phone and nowhere else: whoever has it gets the shop's chats.
"""

from __future__ import annotations

import contextlib
from typing import Any

import segno
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from flowlog.staffpages.base import ModelAdmin
from integrations.evolution import phone
from integrations.evolution.manager import EvolutionManager, Pairing, manager
from integrations.evolution.phone import WayBack
from integrations.evolution.servers import KIND, server_of
from integrations.gateways import GatewayError, sentences
from integrations.instances import status
from integrations.instances.connections import needs_phone
from integrations.models import EvolutionInstance
from orders.contacts import certain_phone

_AWAY = frozenset({"gateway_unreachable", "gateway_database_down", "read_timeout", "connection_reset", "bad_gateway"})


class PhonePages(ModelAdmin):
    """Adds them to the pages of the instances."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        pages = (
            ("phone/", self.phone_view, "phone"),
            ("phone/step/", self.step_view, "phone_step"),
            ("state/", self.state_view, "state"),
            ("webhook/", self.webhook_view, "webhook"),
            ("logout/", self.logout_view, "logout"),
        )
        own = [path(f"<int:pk>/{end}", wrap(view), name=f"{_NAME}_{name}") for end, view, name in pages]
        return [*own, *super().get_urls()]

    def phone_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Where the phone is connected; its script asks for the steps."""
        instance = self._phone_of(request, pk)
        return self._page(request, "connect", instance, _("Connect the phone"), step=_address("phone_step", pk))

    def step_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The next step of connecting (POST alone, since it begins something at the gateway), as JSON."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        instance = self._phone_of(request, pk)
        try:
            given = request.POST.get("number", "")
            number = certain_phone(given) if given else ""
        except ValidationError as error:
            return _answer("number", " ".join(error.messages))
        _let_connection_go()
        try:
            gateway = _gateway(instance)
            pairing = phone.connect(gateway, instance.name, number, anew=bool(request.POST.get("anew")))
            if pairing.connected:
                return self._connected(request, instance, gateway)
        except GatewayError as error:
            return _answer("trouble", sentence(error))
        return _code(pairing)

    def _connected(self, request: HttpRequest, instance: EvolutionInstance, gateway: EvolutionManager) -> HttpResponse:
        paired = bool(request.POST.get("shown"))
        phone.note_connected(instance.name, paired=paired)
        if paired:
            self.log_change(request, instance, _("Phone connected."))
        words = [_("Connected: the messages of this shop can go out.")]
        with contextlib.suppress(GatewayError):
            words.append(_way_back_words(phone.heard_at_last(gateway, instance.name)))
        return _answer("connected", " ".join(words))

    def state_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How it stands now, for the page that shows it live. The gateway is not asked: it tells by itself."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        instance = get_object_or_404(self.get_queryset(request), pk=pk)
        return JsonResponse({"html": standing_html(instance)})

    def webhook_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Whether receipts and answers are told here, asked of the gateway (GET); have them told here (POST)."""
        instance = self._phone_of(request, pk)
        _let_connection_go()
        try:
            gateway = _gateway(instance)
            if request.method == "POST":
                phone.set_webhook(gateway, instance.name)
                self.log_change(request, instance, _("Receipts and answers are told here."))
            remote = gateway.webhook(instance.name)
        except GatewayError as error:
            return self._page(request, "webhook", instance, _("Receipts and answers"), trouble=sentence(error))
        found = phone.way_back(remote, instance.name)
        if request.method == "POST" and found == WayBack.HERE:
            self.message_user(request, _way_back_words(found), messages.SUCCESS)
            return HttpResponseRedirect(_address("change", pk))
        elsewhere = remote.url if found == WayBack.ELSEWHERE else ""
        context = {"words": _way_back_words(found), "here": found == WayBack.HERE, "elsewhere": elsewhere}
        return self._page(request, "webhook", instance, _("Receipts and answers"), **context)

    def logout_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask (GET) and disconnect the phone (POST)."""
        instance = self._phone_of(request, pk)
        if request.method != "POST":
            return self._page(request, "logout", instance, _("Disconnect the phone"))
        _let_connection_go()
        try:
            phone.log_out(_gateway(instance), instance.name)
        except GatewayError as error:
            self.message_user(request, sentence(error), messages.ERROR)
        else:
            self.log_change(request, instance, _("Phone disconnected."))
            self.message_user(request, _("Disconnected. The messages of this shop wait from now on."), messages.SUCCESS)
        return HttpResponseRedirect(_address("change", pk))

    def phone_buttons(self, request: HttpRequest, instance: EvolutionInstance) -> list[tuple[str, str]]:
        """What this person can do about the phone, the most likely first."""
        if instance.gateway != KIND or not self.has_change_permission(request, instance):
            return []
        buttons = [(_("Connect with the QR code"), _address("phone", instance.pk))]
        buttons.append((_("Receipts and answers"), _address("webhook", instance.pk)))
        if not needs_phone(instance):
            buttons.append((_("Disconnect the phone"), _address("logout", instance.pk)))
        return buttons

    def _phone_of(self, request: HttpRequest, pk: int) -> EvolutionInstance:
        """The instance, if the person may connect its phone."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        instance: EvolutionInstance = get_object_or_404(self.get_queryset(request).select_related("store"), pk=pk)
        if not self.has_change_permission(request, instance):
            raise PermissionDenied
        if instance.gateway != KIND:
            raise Http404
        return instance

    def _page(
        self, request: HttpRequest, name: str, instance: EvolutionInstance, title: str, **values: Any
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "instance": instance,
            "back": _address("change", instance.pk),
            "phone_page": _address("phone", instance.pk),
            **values,
        }
        return TemplateResponse(request, f"admin/integrations/evolutioninstance/{name}.html", context)


_NAME = "integrations_evolutioninstance"


def standing_html(instance: EvolutionInstance) -> str:
    """How it stands, as the page shows it."""
    return render_to_string(
        "admin/integrations/evolutioninstance/standing.html", {"standing": status.standing(instance)}
    )


def sentence(error: GatewayError) -> str:
    """What went wrong, and what the shop can do, without a technician's word."""
    if error.code in _AWAY:
        return _(
            "The WhatsApp service does not answer now. Nothing was changed: try again in a minute. If it stays so, "
            "call who looks after the system."
        )
    words = {
        phone.NOT_SET: _("A setting is missing for that. Call who looks after the system."),
        "not_connected": _("This WhatsApp is not connected."),
        "cannot_connect": _("The connection could not be started. Try again in a minute."),
        "name_in_use": _("There is a WhatsApp of that name already. Choose another name."),
    }
    if error.code in words:
        return words[error.code]
    if error.code in sentences.INSTANCE:
        return sentences.cause(error.code)
    return _("The WhatsApp service answered in an unexpected way. Call who looks after the system.")


def _gateway(instance: EvolutionInstance) -> EvolutionManager:
    return manager(server_of(instance), for_a_page=True)


def _code(pairing: Pairing) -> HttpResponse:
    if not pairing.code:
        return _answer("waiting", _("Preparing the code …"))
    drawn = segno.make(pairing.code, error="l", micro=False).svg_inline(border=4, omitsize=True, light="#fff")
    typed = f"{pairing.pairing_code[:4]}-{pairing.pairing_code[4:]}" if pairing.pairing_code else ""
    words = (
        _("Type this code on the phone.") if typed else _("Read this code with the shop's phone. It changes by itself.")
    )
    return _answer("code", words, qr="" if typed else drawn, typed=typed)


def _answer(now: str, words: str, **more: str) -> HttpResponse:
    return JsonResponse({"status": now, "words": words, **more})


def _way_back_words(found: WayBack) -> str:
    return {
        WayBack.HERE: _("Receipts and customers' answers come in here."),
        WayBack.NOWHERE: _("Receipts and customers' answers do not come in yet."),
        WayBack.ELSEWHERE: _("Receipts and customers' answers go to another system, and not here."),
        WayBack.IN_PART: _("Only a part of the receipts and customers' answers comes in here."),
    }[found]


def _address(name: str, pk: int) -> str:
    return reverse(f"admin:{_NAME}_{name}", args=[pk])


def _let_connection_go() -> None:
    """Back to the pool: a slow gateway must not hold a database connection."""
    if not connection.in_atomic_block:
        connection.close()
