"""What people do about an instance at Meta: there, and on the instance's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from flowlog.times import moment
from integrations.gateways.guides import Guide
from integrations.models import EvolutionInstance, MetaNumber

if TYPE_CHECKING:
    from django.contrib.admin.options import InlineModelAdmin


class MetaGuide(Guide):
    """No phone and no server, but a number, whose webhook somebody enters at Meta."""

    has_servers = False

    def inlines(self) -> Sequence[type[InlineModelAdmin]]:
        """The number."""
        from integrations.meta.admin import MetaNumberInline  # noqa: PLC0415 - workers know the guide, not the pages

        return (MetaNumberInline,)

    def lacks(self, instance: EvolutionInstance) -> str:
        """The number, if it has none."""
        if MetaNumber.objects.filter(instance=instance).exists():
            return ""
        return _("Now enter below what the shop has at Meta; until then its messages wait.")

    def unheard(self) -> str:
        """Nothing comes before the address is entered."""
        return _("Meta has told nothing of it yet. For receipts and answers enter the webhook's address at Meta.")

    def silent(self, instance: Any) -> tuple[str, str]:
        """The webhook is not set any more, or not whole."""
        of = {"instance": instance.name, "since": moment(instance.silent_since)}
        return (
            _("WhatsApp %(instance)s: the receipts do not come in") % of,
            _(
                "None came for the messages since %(since)s, so nobody knows whether they arrived. See at Meta whether "
                "the webhook is set and has the field messages: its address is on the instance's page."
            )
            % of,
        )

    def refused(self, instance: Any) -> tuple[str, str]:
        """Mostly another app's secret was entered."""
        of = {"instance": instance.name, "last": moment(instance.refused_at), "status": instance.refused_status}
        return (
            _("WhatsApp %(instance)s: Meta's webhooks are refused") % of,
            _("The last one, %(last)s, with status %(status)d. With 401 the app's secret is wrong: enter it again.")
            % of,
        )

    def closed(self, instance: EvolutionInstance) -> tuple[str, str]:  # noqa: ARG002
        """Meta alone knows why."""
        return _("Meta does not let the number send."), _("See why in WhatsApp Manager at Meta.")
