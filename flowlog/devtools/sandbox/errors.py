"""What cannot be done."""

from __future__ import annotations


class ActionError(Exception):
    """What was asked for cannot be done; the text says why."""
