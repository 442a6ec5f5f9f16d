"""`manage.py predeploy`: the checklist before a deploy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from flowlog.checklist import Item
from flowlog.operations.checklists import predeploy
from flowlog.operations.checklists.command import ChecklistCommand


class Command(ChecklistCommand):
    help = _(
        "Check database, broker, gateway, settings, packages, migrations, disk and clock. Exits with 1 if one fails."
    )

    def items(self, **_options: Any) -> Iterator[Item]:
        """The checklist, item by item."""
        return predeploy.items()
