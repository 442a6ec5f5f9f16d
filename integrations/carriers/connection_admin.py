"""The carriers that stores are connected to, in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy

from integrations.carriers import CARRIERS, guides, health, polling
from integrations.carriers.meanings import Meaning
from integrations.carriers.models import CarrierConnection, CarrierNews
from integrations.carriers.views import waker
from integrations.sources.admin import ConnectionAdmin


@admin.register(CarrierConnection)
class CarrierConnectionAdmin(ConnectionAdmin):
    when_empty = gettext_lazy(
        "Connect the carrier: what happens to a parcel takes its order on by itself, and customers are told."
    )
    sources = CARRIERS
    meanings = Meaning
    unknown_result = CarrierNews.Result.UNKNOWN_STATUS
    steps = staticmethod(guides.steps)
    state_words = staticmethod(health.words)
    polling = polling
    waker = waker
    panel_words = gettext_lazy("In the carrier's panel")
