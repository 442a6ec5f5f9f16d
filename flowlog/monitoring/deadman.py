"""A sign of life for a switch outside: it raises the alarm when it hears nothing, even if this machine is gone."""

from __future__ import annotations

import logging

import requests
from django.conf import settings

from flowlog.monitoring import checks

logger = logging.getLogger(__name__)

TIMEOUT = (5, 10)


def ping() -> bool:
    """Call `DEADMAN_PING_URL` if everything is ready; returns whether it took the call. Never raises."""
    if not_ok := [check.name for check in checks.run() if not check.ok]:
        logger.warning("No ping to the dead-man's switch: %s", ", ".join(not_ok))
        return False
    try:
        # The address is a secret of its own: no log may hold it.
        requests.get(settings.DEADMAN_PING_URL, timeout=TIMEOUT).raise_for_status()
    except requests.RequestException as error:
        logger.warning("The dead-man's switch did not take the ping: %s", type(error).__name__)
        return False
    return True
