"""The form in which a store's own text is written, and from which it is tested on a phone."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from notifications import own_texts
from orders.accounts import account_key
from orders.asking import AskingForm
from orders.contacts import phone_doubt
from orders.forms import PhoneField
from orders.models import Customer, Store

TEST = "test"
# More than fits into any message, and little enough to be read at each key.
MOST_TYPED = 10_000


class TextForm(AskingForm, forms.Form):
    """`mistakes` are those of the text, each with its place; `newest` is the version that the page was shown with."""

    text = forms.CharField(
        label=_("Text"),
        required=False,
        strip=False,
        max_length=MOST_TYPED,
        widget=UnfoldAdminTextareaWidget({"rows": 14, "data-text": "", "spellcheck": "true", "lang": "pt-BR"}),
    )
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)
    phone = PhoneField(label=_("Number for a test"), required=False)

    def __init__(self, store: Store, event: str, *args: Any, newest: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.store, self.event, self.newest = store, event, newest
        self.mistakes: list[own_texts.Mistake] = []
        self.is_test = self.data.get("action") == TEST
        self.changed_meanwhile = False

    def clean_text(self) -> str:
        text = own_texts.same_line_ends(self.cleaned_data["text"])
        self.mistakes = own_texts.mistakes(self.event, text)
        if self.mistakes:
            raise ValidationError(_("Nothing was saved: the text has mistakes."), code="mistakes")
        return text

    def clean(self) -> None:
        super().clean()
        if self.is_test:
            self._check_phone()
        elif (self.cleaned_data.get("seen") or 0) != self.newest:
            self.changed_meanwhile = True
            words = _("Somebody else has changed this text meanwhile: see the history. Save again to replace it.")
            self.add_error(None, ValidationError(words))

    def _check_phone(self) -> None:
        phone = self.cleaned_data.get("phone")
        if "phone" in self.errors:
            return
        if not phone:
            self.add_error("phone", ValidationError(_("Which number is to get the test?")))
            return
        if doubt := phone_doubt(phone):
            self.ask("phone", [doubt])
        same_account = Customer.objects.filter(store=self.store, account=account_key(phone))
        if same_account.filter(opted_out_at__isnull=False).exists():
            words = _("This is the number of a customer who does not want WhatsApp messages.")
            self.add_error("phone", ValidationError(words))
