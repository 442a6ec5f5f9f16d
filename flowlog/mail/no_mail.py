"""The mail backend of an installation without EMAIL_URL."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import override

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

logger = logging.getLogger(__name__)


def can_mail() -> bool:
    """Whether mails go anywhere."""
    return bool(settings.MAILERS["default"]["BACKEND"] != f"{__name__}.EmailBackend")


class EmailBackend(BaseEmailBackend):
    """Sends nothing, and says so in the log."""

    @override
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            logger.warning("Not mailed, EMAIL_URL is not set: %s", message.subject)
        return 0
