"""Installing Flowlog in a shop's system as an app: its owner is sent there, allows it, and comes back with a code."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from flowlog.secrets_at_rest import NoKey, Unreadable
from flowlog.translations import Words
from integrations.shops import wishes
from integrations.shops.models import ShopConnection
from integrations.sources import RefusedError, calls
from integrations.sources.admin import ConnectionAdmin

_SESSION = "shop_install"
# Whoever has to log in there, or to look for a password, takes a while.
_LONGEST = 30 * 60
_ABOUT_DATA = {
    wishes.ERASE_ALL: "LGPD, store/redact:",
    wishes.ERASE: "LGPD, customers/redact:",
    wishes.TELL: "LGPD, customers/data_request:",
}


class InstallAdmin(ConnectionAdmin):
    """The button, for sources that can be installed, and where the owner comes back to."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("<int:pk>/install/", wrap(self.install_view), name=self._page_name("install")),
            path("installed/", wrap(self.installed_view), name=self._page_name("installed")),
        ]
        return [*own, *super().get_urls()]

    def own_buttons(self, connection: ShopConnection) -> Sequence[tuple[Words, str]]:
        """The installation goes first once it can begin."""
        source = self.sources.get(connection.source)
        if source is None or not hasattr(source, "install") or not self._can_begin(connection):
            return ()
        words = _("Install in %(system)s") % {"system": source.TITLE}
        return ((words, self._address("install", connection.pk)),)

    def more_addresses(self, connection: ShopConnection) -> Sequence[tuple[Words, str]]:
        if not hasattr(self.sources.get(connection.source), "install"):
            return ()
        back = f"{settings.SITE_URL}{reverse(f'admin:{self._page_name("installed")}')}"
        data = [(words, f"{connection.address}lgpd/{topic}/") for topic, words in _ABOUT_DATA.items()]
        return ((_("Address to come back to after the installation:"), back), *data)

    def install_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """To the page of the shop's system on which its owner allows it."""
        connection = self._changeable(request, pk)
        source = self._installable(connection)
        state = secrets.token_urlsafe(32)
        try:
            address = source.install_address(connection.reveal(), state)
        except (RefusedError, Unreadable) as refusal:
            return self._trouble(request, connection, str(refusal))
        request.session[_SESSION] = {"state": state, "connection": pk, "at": time.time()}
        return HttpResponseRedirect(address)

    def installed_view(self, request: HttpRequest) -> HttpResponse:
        """Back with a code: kept is what the system grants for it. Each time that it was begun it counts once."""
        begun = request.session.pop(_SESSION, None) or {"state": "", "connection": 0, "at": 0}
        state = request.GET.get("state", "")
        is_ours = bool(state) and constant_time_compare(state, begun["state"])
        if not is_ours or time.time() - begun["at"] > _LONGEST:
            words = _("This installation was not begun here, or too long ago: press Install again.")
            self.message_user(request, words, messages.ERROR)
            return redirect(f"admin:{self._page_name('changelist')}")
        connection = self._changeable(request, begun["connection"])
        source = self._installable(connection)
        code = request.GET.get("code", "")
        if not code:
            return self._trouble(request, connection, _("The installation was not allowed there: nothing is changed."))
        try:
            self._keep(connection, source.install(connection.reveal(), code, calls.call))
        except (RefusedError, Unreadable, NoKey, calls.AwayError) as trouble:
            return self._trouble(request, connection, str(trouble))
        except calls.TooOftenError:
            return self._trouble(request, connection, _("The system wants to be asked later."))
        self.log_change(request, connection, _("Installed in the shop."))
        return self._register(request, connection, source)

    def _keep(self, connection: ShopConnection, granted: dict[str, str]) -> None:
        with transaction.atomic():
            row = ShopConnection.objects.select_for_update().get(pk=connection.pk)
            row.keep(row.reveal() | granted)
            row.last_error = ""
            row.save(update_fields=["credentials", "last_error"])

    def _register(self, request: HttpRequest, connection: ShopConnection, source: Any) -> HttpResponse:
        connection.refresh_from_db()
        try:
            source.register(connection.reveal(), connection.address, calls.call)
        except (RefusedError, calls.AwayError) as trouble:
            return self._trouble(request, connection, _("It is installed, but nothing will come in: %(trouble)s") % {
                "trouble": trouble
            })  # fmt: skip
        except calls.TooOftenError:
            words = _("It is installed, but nothing will come in as yet: press Install again in a minute.")
            return self._trouble(request, connection, words)
        words = _("It is installed: orders come in by themselves from now on.")
        self.message_user(request, words, messages.SUCCESS)
        return redirect(self._address("change", connection.pk))

    def _trouble(self, request: HttpRequest, connection: ShopConnection, words: str) -> HttpResponse:
        self.message_user(request, words, messages.ERROR)
        return redirect(self._address("change", connection.pk))

    def _installable(self, connection: ShopConnection) -> Any:
        source = self._source(connection)
        if not hasattr(source, "install"):
            raise Http404
        return source

    def _can_begin(self, connection: ShopConnection) -> bool:
        """Whether all is entered that the owner enters herself."""
        source = self._source(connection)
        try:
            kept = connection.reveal()
        except Unreadable:
            return False
        needed = [each.name for each in source.CREDENTIALS if each.required and not each.granted]
        return all(kept.get(name) for name in (*needed, "app_id"))
