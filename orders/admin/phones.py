"""A customer's phone on the pages of the staff, with the way to their chat."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from orders.contacts import format_phone


def chat_address(phone: str) -> str:
    """Where WhatsApp opens the chat with this number (E.164), on a phone and on the web; empty for no number."""
    return f"https://wa.me/{phone.removeprefix('+')}" if phone.startswith("+") else ""


def phone_html(phone: str) -> SafeString | str:
    """The number as people write it, and beside it the link to the chat."""
    if not (address := chat_address(phone)):
        return format_phone(phone)
    return format_html(
        '<span class="flowlog-unbroken">{}</span> '
        '<a class="text-link" href="{}" target="_blank" rel="noopener noreferrer" title="{}">WhatsApp</a>',
        format_phone(phone),
        address,
        _("Open the chat in WhatsApp"),
    )
