"""All models of the integrations, by purpose; they are imported from here."""

from integrations.carriers.models import CarrierConnection, CarrierNews, ParcelAsked
from integrations.inbound.models import CustomerReply, LidNumber, WebhookEvent
from integrations.instances.models import EvolutionInstance, check_instance_name
from integrations.instances.tallies import WebhookTally
from integrations.messages.attempts import DeliveryAttempt
from integrations.messages.log import NotificationLog, earlier_unfinished
from integrations.meta.models import MetaNumber
from integrations.shops.models import ShopConnection, ShopNews

__all__ = [
    "CarrierConnection",
    "CarrierNews",
    "CustomerReply",
    "DeliveryAttempt",
    "EvolutionInstance",
    "LidNumber",
    "MetaNumber",
    "NotificationLog",
    "ParcelAsked",
    "ShopConnection",
    "ShopNews",
    "WebhookEvent",
    "WebhookTally",
    "check_instance_name",
    "earlier_unfinished",
]
