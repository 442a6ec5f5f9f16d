"""`manage.py bootstrap`: what every installation needs before its first order."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.core.management.base import BaseCommand
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from flowlog.staffpages.groups import MANAGEMENT_GROUP, SERVICE_GROUP
from integrations.models import EvolutionInstance
from orders.models import Store

# The sandbox has no number that could be banned; a real one starts at a careful pace.
CAREFUL_PACE = 20

_SERVICE_PERMISSIONS = {
    "orders": {
        "add_order", "change_order", "view_order", "add_orderitem", "change_orderitem", "delete_orderitem",
        "view_orderitem", "view_orderevent", "add_customer", "change_customer", "view_customer", "view_store",
    },
    "integrations": {
        "view_notificationlog", "resend_notificationlog", "cancel_notificationlog", "view_deliveryattempt",
        "view_evolutioninstance", "view_carriernews",
    },
}  # fmt: skip
_MANAGEMENT_PERMISSIONS = {
    "orders": {"add_store", "change_store", "delete_customer", "erase_customer"},
    "integrations": {"add_evolutioninstance", "change_evolutioninstance", "release_evolutioninstance"},
    "django_celery_results": {"view_taskresult"},
}


class Command(BaseCommand):
    help = "Make the default store, the instance that the settings name, and the staff groups. Safe to repeat."

    @transaction.atomic
    def handle(self, *_args: Any, **_options: Any) -> None:
        store = Store.get_default()
        self.stdout.write(_("Store: %(name)s") % {"name": store.name})
        self._make_instance(store)
        self._make_group(SERVICE_GROUP, _SERVICE_PERMISSIONS)
        self._make_group(MANAGEMENT_GROUP, _SERVICE_PERMISSIONS, _MANAGEMENT_PERMISSIONS)

    def _make_instance(self, store: Store) -> None:
        name = settings.EVOLUTION_INSTANCE
        if not name:
            words = _("No instance: set EVOLUTION_INSTANCE or add one in the admin.")
            self.stdout.write(self.style.WARNING(words))
            return
        first = not EvolutionInstance.objects.filter(store=store, is_default=True).exists()
        instance, created = EvolutionInstance.objects.get_or_create(
            name=name,
            defaults={
                "store": store,
                "is_default": first,
                "messages_per_minute": 0 if settings.DEBUG else CAREFUL_PACE,
            },
        )
        words = _("Instance: %(name)s (new)") if created else _("Instance: %(name)s")
        self.stdout.write(words % {"name": instance.name})

    def _make_group(self, name: str, *granted: dict[str, set[str]]) -> None:
        """Add what is missing; what an administrator granted beyond it stays."""
        group, _created = Group.objects.get_or_create(name=name)
        chosen = Q()
        for permissions in granted:
            for app, codenames in permissions.items():
                chosen |= Q(content_type__app_label=app, codename__in=codenames)
        group.permissions.add(*Permission.objects.filter(chosen))
        self.stdout.write(_("Group: %(name)s") % {"name": name})
