"""Forms of an endpoint: what it is told of, and from when on it is told again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldBooleanWidget,
)

from outgoing import kinds


class EndpointForm(forms.ModelForm):
    kinds = forms.MultipleChoiceField(
        label=capfirst(gettext_lazy("events")),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=gettext_lazy("None chosen: all of them, also those that come later."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kinds" in self.fields:
            choices = [(kind, f"{words} ({kinds.type_of(kind)})") for kind, words in kinds.choices()]
            self.fields["kinds"].choices = choices  # type: ignore[attr-defined]


class SpanForm(forms.Form):
    """From when to when; both ends count."""

    since = forms.SplitDateTimeField(label=capfirst(gettext_lazy("from")), widget=UnfoldAdminSplitDateTimeWidget)
    until = forms.SplitDateTimeField(label=capfirst(gettext_lazy("until")), widget=UnfoldAdminSplitDateTimeWidget)
    delivered = forms.BooleanField(
        label=capfirst(gettext_lazy("also what was delivered")),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=gettext_lazy("Else only what was given up or cancelled."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and cleaned["since"] > cleaned["until"]:
            self.add_error("until", _("It ends before it begins."))
        return cleaned
