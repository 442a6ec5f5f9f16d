"""How often the requests to a webhook's address were taken and refused."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from integrations.gateways import registry


class WebhookTally(models.Model):
    """The requests to the address of this `name` that were answered with this HTTP status: how many, when the latest.

    `name` is an instance's, or a carrier's source; empty for all that Flowlog does not know, so that strangers can add
    no rows. The number is a little too low after a restart.
    """

    class Source(models.TextChoices):
        """Who may tell beside the kinds of gateways."""

        CARRIER = "carrier"

    source = models.CharField(max_length=20)
    name = models.CharField(max_length=100)
    status = models.PositiveSmallIntegerField()
    number = models.PositiveBigIntegerField()
    last_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (models.UniqueConstraint(fields=["source", "name", "status"], name="webhook_tally_once"),)

    def __str__(self) -> str:
        return f"{self.source} {self.name} {self.status}"

    @property
    def told_by(self) -> str:
        """What its source is called."""
        return str(dict([*registry.choices(), *self.Source.choices]).get(self.source, self.source))
