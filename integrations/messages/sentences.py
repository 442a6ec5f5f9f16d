"""What the staff read about a message that was not sent, or not yet: one sentence per code, with what to do."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from integrations.gateways import sentences

_SENTENCES = {
    "no_phone": _("The customer has no phone. Add it to the customer; the next message will go."),
    "no_instance": _("There is no WhatsApp instance for this store. Add one under Evolution instances."),
    "opted_out": _("The customer does not want WhatsApp messages."),
    "store_is_silent": _("Messages are switched off for this store."),
    "kind_is_silent": _("This kind of message is switched off for this store."),
    "gone_by": _("By the time it could be sent, the order had gone on: there was nothing to remind of any more."),
    "corrected": _("What it told of was corrected before it was sent."),
    "cannot_prepare": _("This version of Flowlog cannot prepare this message. It waits for one that can."),
    "expired": _("It could not be sent in time, and by now the news is too old."),
    "daily_cap": _("The instance has sent all that its limit for 24 hours allows. It goes as soon as that allows it."),
    "quiet_hours": _("It waits for the end of the shop's quiet hours."),
    "did_not_arrive": _("The gateway does not have it: it was not sent. It is sent again."),
    "outcome_unknown": _("Nobody knows whether the customer got it. Ask before writing again."),
    "lease_expired": _("The worker stopped while sending. The message may have gone out; the gateway is being asked."),
}


def sentence(code: str) -> str:
    """The sentence for a code, in the active language: one of ours, else the gateway's."""
    return str(_SENTENCES[code]) if code in _SENTENCES else sentences.sentence(code)
