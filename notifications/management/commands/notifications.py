"""`manage.py notifications release`: ending by hand what keeps messages back."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from integrations.connections import heal
from integrations.models import EvolutionInstance


class Command(BaseCommand):
    help = "Work on the messages to customers. See each action's --help."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(required=True)
        release = actions.add_parser("release", help="End the hold of instances, so that their messages go again.")
        release.add_argument("instances", nargs="*", metavar="INSTANCE", help="Names; without any, all that are held.")

    def handle(self, *_args: Any, **options: Any) -> None:
        self._release(options["instances"])

    def _release(self, names: list[str]) -> None:
        known = {instance.name: instance for instance in EvolutionInstance.objects.all()}
        if unknown := [name for name in names if name not in known]:
            raise CommandError(
                _("There is no instance %(unknown)s. There are: %(known)s.")
                % {"unknown": ", ".join(unknown), "known": ", ".join(known) or "-"}
            )
        released = [name for name in names or known if heal(known[name].pk)]
        for name in released:
            self.stdout.write(_("%(instance)s: released. Its messages go again.") % {"instance": name})
        for name in names:
            if name not in released:
                self.stdout.write(_("%(instance)s: was not held.") % {"instance": name})
        if not names and not released:
            self.stdout.write(_("No instance is held."))
