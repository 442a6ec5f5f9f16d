"""What carries messages to WhatsApp and back, whatever it is called: the engine knows no other door.

`gateway_for(instance)` is the way of one instance. A new kind is a class that keeps the promises of `protocol.Gateway`,
registered in `integrations.apps`; what it cannot do it says by its `Capabilities`.
"""

from integrations.gateways.outcomes import GatewayError, Outcome, Refused
from integrations.gateways.protocol import TOO_LATE, Archive, Capabilities, FoundMessage, Gateway, SendReceipt, uptime
from integrations.gateways.registry import Kind, gateway_for, register

__all__ = [
    "TOO_LATE",
    "Archive",
    "Capabilities",
    "FoundMessage",
    "Gateway",
    "GatewayError",
    "Kind",
    "Outcome",
    "Refused",
    "SendReceipt",
    "gateway_for",
    "register",
    "uptime",
]
