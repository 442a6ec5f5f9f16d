"""What the shop has at Meta for one of its numbers."""

from __future__ import annotations

import secrets

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from flowlog.secrets_at_rest import EncryptedTextField
from integrations.instances.models import EvolutionInstance
from integrations.meta.templates import Template


def new_verify_token() -> str:
    """A text that nobody guesses, to be entered at Meta as it is."""
    return secrets.token_urlsafe(24)


class MetaNumber(models.Model):
    """An instance's number at Meta: by which id it is called, with which token, whose webhooks are believed.

    The template goes out with our text in its one variable whenever the customer has not written for 24 hours.
    """

    instance = models.OneToOneField(
        EvolutionInstance, models.CASCADE, related_name="meta_number", verbose_name=_("instance")
    )
    phone_number_id = models.CharField(
        _("phone number id"),
        max_length=20,
        unique=True,
        validators=[RegexValidator(r"^[0-9]{5,20}$", _("The id is digits alone; it is not the phone number itself."))],
        help_text=_("At Meta: WhatsApp > API Setup, below the number. Digits alone; not the phone number itself."),
    )
    access_token = EncryptedTextField(
        _("access token"),
        help_text=_(
            "The token of a system user, without expiry, with the permissions whatsapp_business_messaging and "
            "whatsapp_business_management. The one on the page API Setup ends after a day."
        ),
    )
    app_secret = EncryptedTextField(
        _("app secret"),
        help_text=_("At Meta: App settings > Basic. It shows that webhooks come from Meta; without it none is taken."),
    )
    verify_token = models.CharField(
        _("verify token"),
        max_length=100,
        default=new_verify_token,
        editable=False,
    )
    template_name = models.CharField(
        _("template"),
        max_length=512,
        validators=[RegexValidator(r"^[a-z0-9_]+$", _("Only small letters, digits and _, as Meta calls it."))],
        help_text=_(
            "A template of the category Utility that Meta has approved, of a body alone with one variable, such as: "
            "“News of your order: {{1}} To get no more messages, answer SAIR.” It goes out when the customer has not "
            "written in the last 24 hours."
        ),
    )
    template_language = models.CharField(
        _("template's language"),
        max_length=10,
        default="pt_BR",
        validators=[RegexValidator(r"^[a-z]{2,3}(_[A-Z]{2})?$", _("A language as Meta writes it, such as pt_BR."))],
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("number at Meta")
        verbose_name_plural = _("numbers at Meta")

    def __str__(self) -> str:
        return self.phone_number_id

    @property
    def template(self) -> Template:
        """What goes out when a text may not."""
        return Template(self.template_name, self.template_language)
