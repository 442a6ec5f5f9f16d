"""What carriers tell of the shop's parcels; `integrations/CARRIERS.md` describes it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django.utils.translation import gettext_lazy

from integrations.carriers.sources import correios, generic, melhorenvio
from integrations.carriers.sources.signed import Signed
from integrations.carriers.updates import Update
from integrations.sources import Source

SOURCES: dict[str, Source[Update]] = {"generic": generic}
"""Who may tell under the secret that all stores share, by the name (at most 30 characters) that stands in the webhook's
address and on each piece of news."""

CARRIERS: dict[str, Any] = {
    "melhorenvio": melhorenvio,
    "correios": correios,
    # The same header; nobody has confirmed more.
    "superfrete": SimpleNamespace(
        TITLE="SuperFrete",
        CREDENTIALS=melhorenvio.CREDENTIALS[:1],
        MEANINGS=melhorenvio.MEANINGS,
        is_probe=melhorenvio.is_probe,
        verify=melhorenvio.verify,
        read=melhorenvio.read,
    ),
    "generic": Signed(gettext_lazy("A system of your own"), generic),
}
"""Who a store may be connected to, by the name that stands in the connection's address. A module of
`integrations.carriers.sources` is one; `integrations/CARRIERS.md` says what each has."""
