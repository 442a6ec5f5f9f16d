"""The one error of the development tools."""

from __future__ import annotations


class DevError(Exception):
    """Something a developer has to know: its text is a sentence to show as it is, without a traceback."""
