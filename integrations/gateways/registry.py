"""The kinds of gateways that there are, and which one is an instance's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from integrations.gateways.outcomes import GatewayError, Outcome
from integrations.gateways.protocol import Gateway

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from integrations.gateways.guides import Guide
    from integrations.inbound.reading import Reader
    from integrations.models import EvolutionInstance


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of gateway: as rows name it, as the staff read it, and what makes an instance's.

    Its `guide` says what people do about it, where that is more than what holds of any; its `reader` what its webhooks
    say, if it has any.
    """

    name: str
    label: StrOrPromise
    gateway: type[Gateway]
    guide: Guide | None = None
    reader: Reader | None = None


KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Let instances be of this kind. For `AppConfig.ready`."""
    KINDS[kind.name] = kind


def choices() -> list[tuple[str, StrOrPromise]]:
    """The kinds, for a form."""
    return [(kind.name, kind.label) for kind in KINDS.values()]


def that_tell_receipts() -> list[str]:
    """The kinds by whose webhooks one learns what became of a message."""
    return [kind.name for kind in KINDS.values() if kind.gateway.capabilities.tells_receipts]


def gateway_for(instance: EvolutionInstance) -> Gateway:
    """The instance's gateway. No call to anywhere; raises `GatewayError` for a kind that this release does not know."""
    try:
        kind = KINDS[instance.gateway]
    except KeyError:
        raise GatewayError(Outcome.INSTANCE_DOWN, "unknown_gateway") from None
    return kind.gateway(instance)
