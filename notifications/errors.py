"""What the staff read about a message that was not sent, or not yet: one sentence per code, with what to do."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

_SENTENCES = {
    "no_phone": _("The customer has no phone. Add it to the customer; the next message will go."),
    "no_instance": _("There is no WhatsApp instance for this store. Add one under Evolution instances."),
    "opted_out": _("The customer does not want WhatsApp messages."),
    "expired": _("It could not be sent in time, and by now the news is too old."),
    "outcome_unknown": _("Nobody knows whether the customer got it. Ask before writing again."),
    "lease_expired": _("The worker stopped while sending. The message may have gone out; it is not sent again."),
    "interrupted": _("The gateway did not answer in time. The message may have gone out; it is not sent again."),
    "not_on_whatsapp": _("This number is not on WhatsApp. Check it with the customer."),
    "bad_request": _("The gateway refused the message as malformed. Check the customer's number."),
    "connection_closed": _("The shop's phone is disconnected from WhatsApp. Reconnect it; the message goes then."),
    "never_connected": _("The instance was never connected. Read its QR code with the shop's phone."),
    "unauthorized": _("The gateway refused the key. Check EVOLUTION_API_KEY."),
    "instance_not_found": _("The gateway does not know this instance. Check its name."),
    "gateway_unreachable": _("The gateway does not answer. Check that it is running; the message will be retried."),
    "gateway_database_down": _("The gateway's database is down. The message will be retried."),
}
_OTHERWISE = _("The gateway answered in an unexpected way; see the attempts below.")


def sentence(code: str) -> str:
    """The sentence for a code, in the active language; a general one for a code without its own."""
    return str(_SENTENCES.get(code, _OTHERWISE))
