"""All models of the integrations, by purpose; they are imported from here."""

from integrations.carriers.models import CarrierNews
from integrations.inbound.models import CustomerReply, LidNumber, WebhookEvent
from integrations.instances.models import EvolutionInstance, check_instance_name
from integrations.instances.tallies import WebhookTally
from integrations.messages.attempts import DeliveryAttempt
from integrations.messages.log import NotificationLog, earlier_unfinished

__all__ = [
    "CarrierNews",
    "CustomerReply",
    "DeliveryAttempt",
    "EvolutionInstance",
    "LidNumber",
    "NotificationLog",
    "WebhookEvent",
    "WebhookTally",
    "check_instance_name",
    "earlier_unfinished",
]
