"""What the staff read about an answer of the gateway: per code of a `GatewayError` what happened and what to do.

What becomes of the message follows from the group; an instance that is held says the cause alone.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

MESSAGE = {
    "not_on_whatsapp": _("This number is not on WhatsApp. Check it with the customer."),
    "invalid_number": _("The customer's number cannot be a WhatsApp number. Correct it."),
    "bad_request": _("The gateway refused the message as malformed. Check the customer's number."),
    "meta_recipient_not_allowed": _("Meta does not allow messages to this number."),
    "meta_undeliverable": _("Meta cannot deliver to this number. Check it with the customer."),
    "meta_outside_24_hours": _(
        "The customer has not written to the shop in the last 24 hours, and then Meta takes approved templates only. "
        "Tell the customer in another way."
    ),
    "meta_withheld": _("Meta withholds this message from the customer. Tell the customer in another way."),
    "meta_bad_request": _("Meta refused the message as malformed. Check the customer's number."),
    # After it was accepted
    "not_delivered": _(
        "WhatsApp took the message, then did not deliver it. Tell the customer in another way; if it happens often, "
        "WhatsApp is restricting the shop's number."
    ),
    # A look-up
    "incomplete_answer": _("The gateway showed only a part of its messages. It is asked again."),
    "too_many_messages": _("The gateway has too many messages for this number to look through. It is asked again."),
}
"""Of this message alone."""

INSTANCE = {
    "connection_closed": _("The shop's phone is disconnected from WhatsApp. Reconnect it."),
    "never_paired": _("The instance was never paired. Read its QR code with the shop's phone."),
    "never_connected": _(
        "The instance has not connected since the gateway started. Reconnect it; if a QR code appears, read it with "
        "the shop's phone."
    ),
    "unauthorized": _("The gateway refused the key. Check EVOLUTION_API_KEY, or the own key."),
    "forbidden": _("The gateway forbids this. Check EVOLUTION_API_KEY, or the own key."),
    "instance_not_found": _("The gateway does not know this instance. Check its name."),
    "route_not_found": _("There is no Evolution API at this address. Check EVOLUTION_API_URL, or the own address."),
    "key_unreadable": _(
        "The instance's own key cannot be read: CREDENTIALS_KEYS lacks the one that encrypted it. Put that back, or "
        "enter the key again on the instance's page."
    ),
    "unknown_gateway": _("This version of Flowlog does not know the instance's gateway. Choose another, or update."),
    "license_required": _(
        "The gateway's licence is not activated, so it does nothing. Activate it on the gateway's page /manager."
    ),
    "meta_auth": _("Meta refused the instance's token. Make a new one at Meta and enter it."),
    "meta_number": _(
        "Meta does not know the number by its id, or the number is not ready to send. See it in WhatsApp Manager at "
        "Meta."
    ),
    "meta_permission": _("Meta does not allow the instance's token to send. Give it the permission at Meta."),
    "meta_blocked": _("Meta has blocked the shop's account. See why in WhatsApp Manager at Meta."),
    "meta_payment": _("Meta waits for a payment. Check the payment method in WhatsApp Manager at Meta."),
}
"""Nothing of the instance can be sent until somebody acts."""

PASSING = {
    "gateway_unreachable": _("The gateway does not answer. Check that it is running."),
    "gateway_database_down": _("The gateway's database is down."),
    "number_query_timeout": _("WhatsApp did not answer in time."),
    "meta_rate_limit": _("Meta asks for a pause."),
    "meta_unavailable": _("Meta cannot send at the moment."),
    "meta_template": _(
        "Meta does not take the instance's template: it is not there under this name and language, is paused, or has "
        "another number of variables. Check it in WhatsApp Manager at Meta."
    ),
    "meta_error": _("Meta refused the message for a reason that Flowlog does not know."),
}
"""The message was not sent, and is tried again by itself."""

UNCLEAR = {
    "client_error": _("Flowlog failed while sending."),
    "interrupted": _("The gateway did not answer in time."),
    "read_timeout": _("The gateway did not answer in time."),
    "connection_reset": _("The connection broke while sending."),
    "whatsapp_timeout": _("WhatsApp did not confirm in time."),
    "bad_gateway": _("The gateway's proxy answered with an error."),
}
"""Nobody knows yet whether the message was sent."""

# Every code that is not listed is an answer that nobody has seen yet: its outcome is unknown.
OTHERWISE = _("The gateway answered in an unexpected way.")


def cause(code: str) -> str:
    """What the gateway's code says, in the active language."""
    return str((MESSAGE | INSTANCE | PASSING | UNCLEAR).get(code, OTHERWISE))


def not_delivered(code: str) -> str:
    """That a message which had been accepted did not arrive, and why, if a code says so."""
    if not code:
        return cause("not_delivered")
    return f"{_('WhatsApp took the message, then did not deliver it.')} {cause(code)}"


def sentence(code: str) -> str:
    """The same, and what becomes of the message that met it."""
    return f"{cause(code)} {_consequence(code)}".rstrip()


def _consequence(code: str) -> str:
    if code in MESSAGE:
        return ""
    if code in INSTANCE:
        return str(_("The message goes as soon as that is settled."))
    if code in PASSING:
        return str(_("The message will be retried."))
    return str(_("The message may have gone out; the gateway is being asked."))
