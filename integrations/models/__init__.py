"""All models of the integrations, by purpose; they are imported from here."""

from integrations.carriers.models import CarrierNews
from integrations.inbound.models import CustomerReply, LidNumber, WebhookEvent
from integrations.models.attempts import DeliveryAttempt
from integrations.models.instances import EvolutionInstance, check_instance_name
from integrations.models.log import NotificationLog, earlier_unfinished
from integrations.models.tallies import WebhookTally

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
