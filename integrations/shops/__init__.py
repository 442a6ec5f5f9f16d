"""Orders that come in from the systems in which shops sell."""

from __future__ import annotations

from types import ModuleType

from integrations.shops.sources import generic, nuvemshop, woocommerce, yampi

SHOPS: dict[str, ModuleType] = {
    "woocommerce": woocommerce,
    "nuvemshop": nuvemshop,
    "yampi": yampi,
    "generic": generic,
}
"""The systems that may tell, by the name (at most 30 characters) that stands in the webhook's address and on the orders
that come of it. A module of `integrations.shops.sources` is one; `integrations/SHOPS.md` says what each has."""
