"""The command line's own words in Portuguese, which Python's argparse and Django do not bring."""

from __future__ import annotations

import argparse
from typing import Any

from django.apps import apps
from django.utils.translation import gettext, ngettext


def _(text: str) -> str:
    """Marks a text for the catalog as `gettext_noop` does, which would load the settings too early for manage.py."""
    return text


# Every command has these, explained in English; they work, whether or not its help shows them.
DJANGOS_OPTIONS = {
    *("--version", "--verbosity", "--settings", "--pythonpath"),
    *("--traceback", "--no-color", "--force-color"),
}
# Listed here, so that they are found when the catalog is brought up to date.
WORDS = (
    _("usage: "), _("positional arguments"), _("options"), _("show this help message and exit"),
    _("%(prog)s: error: %(message)s\n"), _("argument %(argument_name)s: %(message)s"),
    _("the following arguments are required: %s"), _("one of the arguments %s is required"),
    _("unrecognized arguments: %s"), _("not allowed with argument %s"), _("ignored explicit argument %r"),
    _("expected one argument"), _("expected at most one argument"), _("expected at least one argument"),
    _("ambiguous option: %(option)s could match %(matches)s"), _("invalid %(type)s value: %(value)r"),
    _("invalid choice: %(value)r (choose from %(choices)s)"),
    _("unknown parser %(parser_name)r (choices: %(choices)s)"),
)  # fmt: skip


def translate() -> None:
    """Have argparse look its words up in Django's catalogs, once there are any. Other processes keep theirs."""
    words: Any = argparse
    words._ = lambda text: gettext(text) if apps.ready else text
    words.ngettext = lambda one, more, number: ngettext(one, more, number) if apps.ready else (one, more)[number != 1]
