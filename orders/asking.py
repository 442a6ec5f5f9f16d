"""Forms that ask about doubtful input before anything is done with it."""

from __future__ import annotations

from collections.abc import Iterable

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.html import format_html
from django.utils.translation import gettext as _

SURE = "sure"


class AskingForm(forms.BaseForm):
    """A form that is refused with each doubt until the box beside it is ticked.

    The box is for this very doubt: other input raises another one, which is asked about anew.
    """

    def ask(self, field: str, doubts: Iterable[str]) -> None:
        """To be called by `clean`."""
        ticked = self.data.getlist(SURE) if isinstance(self.data, QueryDict) else []
        for doubt in doubts:
            if doubt not in ticked:
                self.add_error(field, ValidationError(_question(doubt), code="doubt"))


def _question(doubt: str) -> str:
    return format_html(
        '{} <label class="flowlog-sure"><input type="checkbox" name="{}" value="{}"> {}</label>',
        doubt,
        SURE,
        doubt,
        _("It is right: use it all the same"),
    )
