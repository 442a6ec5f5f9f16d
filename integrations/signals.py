"""What the outside world tells the apps above this one."""

from __future__ import annotations

from django.dispatch import Signal

instance_connection_changed = Signal()
"""Sent by `integrations.connections` once it is committed that an instance is held, or no longer.

Arguments: `instance`, the `EvolutionInstance` as it is now, and `held`. A receiver that raises is logged and
changes nothing.
"""

shipment_status_changed = Signal()
"""Sent by `integrations.carriers.inbox` inside the transaction that stores a carrier's news of a known order.

Argument `news`: the `CarrierNews`; its order is locked. A receiver that raises undoes the whole news, which the
carrier may then send again.
"""
