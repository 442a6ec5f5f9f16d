"""What the staff read about an answer of the gateway: one sentence per code of `classify`, with what to do."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

SENTENCES = {
    "interrupted": _("The gateway did not answer in time. The message may have gone out; the gateway is being asked."),
    # The message itself
    "not_on_whatsapp": _("This number is not on WhatsApp. Check it with the customer."),
    "invalid_number": _("The customer's number cannot be a WhatsApp number. Correct it."),
    "bad_request": _("The gateway refused the message as malformed. Check the customer's number."),
    "meta_recipient_not_allowed": _("Meta does not allow messages to this number."),
    "meta_undeliverable": _("Meta cannot deliver to this number. Check it with the customer."),
    # The instance: nothing of it can be sent until somebody acts
    "connection_closed": _("The shop's phone is disconnected from WhatsApp. Reconnect it; the message goes then."),
    "never_paired": _("The instance was never paired. Read its QR code with the shop's phone."),
    "never_connected": _("The instance has not connected yet. Read its QR code with the shop's phone."),
    "unauthorized": _("The gateway refused the key. Check EVOLUTION_API_KEY."),
    "forbidden": _("The gateway forbids this. Check EVOLUTION_API_KEY."),
    "instance_not_found": _("The gateway does not know this instance. Check its name."),
    "route_not_found": _("There is no Evolution API at this address. Check EVOLUTION_API_URL."),
    "meta_auth": _("Meta refused the instance's token. Renew it in the gateway."),
    # Passing trouble: retried by itself
    "gateway_unreachable": _("The gateway does not answer. Check that it is running; the message will be retried."),
    "gateway_database_down": _("The gateway's database is down. The message will be retried."),
    "number_query_timeout": _("WhatsApp did not answer in time. The message will be retried."),
    "media_unreachable": _("The gateway could not fetch the attachment. The message will be retried."),
    "meta_rate_limit": _("Meta asks for a pause. The message will be retried."),
    # A look-up
    "incomplete_answer": _("The gateway showed only a part of its messages. It is asked again."),
    "too_many_messages": _("The gateway has too many messages for this number to look through. It is asked again."),
    # After it was accepted
    "not_delivered": _(
        "WhatsApp took the message, then did not deliver it. Tell the customer in another way; if it happens often, "
        "WhatsApp is restricting the shop's number."
    ),
    # Nobody knows whether it was sent
    "client_error": _("Flowlog failed while sending. The message may have gone out; the gateway is being asked."),
    "read_timeout": _("The gateway did not answer in time. The message may have gone out; the gateway is being asked."),
    "connection_reset": _(
        "The connection broke while sending. The message may have gone out; the gateway is being asked."
    ),
    "whatsapp_timeout": _(
        "WhatsApp did not confirm in time. The message may have gone out; the gateway is being asked."
    ),
    "bad_gateway": _(
        "The gateway's proxy answered with an error. The message may have gone out; the gateway is being asked."
    ),
}
# Every code that is not listed is an answer that nobody has seen yet: its outcome is unknown.
OTHERWISE = _("The gateway answered in an unexpected way. The message may have gone out; the gateway is being asked.")


def sentence(code: str) -> str:
    """The sentence for a code, in the active language; a general one for a code without its own."""
    return str(SENTENCES.get(code, OTHERWISE))
