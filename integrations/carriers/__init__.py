"""What carriers tell of the shop's parcels: a signed POST each, described in `integrations/CARRIERS.md`."""

from __future__ import annotations

from integrations.carriers.sources import generic
from integrations.carriers.updates import Update
from integrations.sources import Source

SOURCES: dict[str, Source[Update]] = {"generic": generic}
"""Who may tell, by the name (at most 30 characters) that stands in the webhook's address and on each piece of news."""
