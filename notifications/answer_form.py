"""What a person types to answer a customer."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from notifications import texts
from orders.contacts import is_storable
from orders.typed import visible

# Whence the form was sent, and so where it leads back to.
ORDER, CUSTOMER, INBOX = "order", "customer", "inbox"


class AnswerForm(forms.Form):
    """The answer. `seen`: the latest reply that stood above the form; `waiting`: that some of them waited for it;
    `page_of`: the order on whose page it stood."""

    text = forms.CharField(
        label=_("Your answer"),
        widget=UnfoldAdminTextareaWidget({"rows": 3, "maxlength": str(texts.LONGEST)}),
        error_messages={"required": _("Write the answer.")},
    )
    seen = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=2**63 - 1)
    waiting = forms.BooleanField(widget=forms.HiddenInput, required=False)
    back = forms.ChoiceField(
        choices=[(each, each) for each in (INBOX, ORDER, CUSTOMER)], widget=forms.HiddenInput, required=False
    )
    page_of = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=1, max_value=2**63 - 1)

    def clean_text(self) -> str:
        text: str = visible(self.cleaned_data["text"]).replace("\r\n", "\n").strip()
        if not text:
            raise ValidationError(_("Write the answer."))
        if not is_storable(text):
            raise ValidationError(_("The text has characters that cannot be stored."))
        if (length := texts.length(text)) > texts.LONGEST:
            words = _("The answer is too long for one message: %(length)d signs, and at most %(most)d go.")
            raise ValidationError(words, params={"length": length, "most": texts.LONGEST})
        return text
