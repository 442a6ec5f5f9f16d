"""Shops' systems in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy

from integrations.shops import SHOPS, guides, health, news_admin, polling
from integrations.shops.install_admin import InstallAdmin
from integrations.shops.meanings import Meaning
from integrations.shops.models import ShopConnection, ShopNews
from integrations.shops.views import waker

__all__ = ["ShopConnectionAdmin", "news_admin"]


@admin.register(ShopConnection)
class ShopConnectionAdmin(InstallAdmin):
    when_empty = gettext_lazy(
        "Connect the system in which the shop sells: its orders come in by themselves, and customers are told."
    )
    sources = SHOPS
    meanings = Meaning
    unknown_result = ShopNews.Result.UNKNOWN_STATUS
    steps = staticmethod(guides.steps)
    state_words = staticmethod(health.words)
    polling = polling
    waker = waker
    panel_words = gettext_lazy("In the shop's panel")
