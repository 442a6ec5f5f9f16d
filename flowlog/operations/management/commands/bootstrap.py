"""`manage.py bootstrap`: what every installation needs before its first order."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.core.management.base import BaseCommand
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from flowlog.models import GroupChange
from flowlog.staffpages.groups import MANAGEMENT_GROUP, OPERATION_GROUP, SERVICE_GROUP
from integrations.models import EvolutionInstance
from orders.models import Store

# The sandbox has no number that could be banned; a real one starts at a careful pace.
CAREFUL_PACE = 20

# README.md says in words what each group may do.
SERVICE_PERMISSIONS = {
    "orders": {
        "add_order", "change_order", "view_order", "add_orderitem", "change_orderitem", "delete_orderitem",
        "view_orderitem", "view_orderevent", "add_customer", "change_customer", "view_customer", "view_store",
    },
    "integrations": {
        "view_notificationlog", "resend_notificationlog", "cancel_notificationlog", "dismiss_notificationlog",
        "view_deliveryattempt", "view_evolutioninstance", "view_carriernews", "answer_customerreply",
        "view_shopconnection", "view_shopnews", "view_carrierconnection",
    },
    "notifications": {"view_messagetext"},
}  # fmt: skip
MANAGEMENT_PERMISSIONS = {
    "orders": {
        "add_store", "change_store", "delete_customer", "erase_customer", "view_member", "add_member", "change_member",
        "import_order", "export_order", "export_messages", "import_customer", "export_customer", "disclose_customer",
    },
    "integrations": {
        "add_evolutioninstance", "change_evolutioninstance", "release_evolutioninstance", "add_shopconnection",
        "change_shopconnection", "read_shopnews", "apply_shopnews", "add_carrierconnection",
        "change_carrierconnection", "read_carriernews", "apply_carriernews",
    },
    "notifications": {"change_messagetext"},
    "api": {"view_apitoken", "add_apitoken", "change_apitoken"},
    "outgoing": {"view_endpoint", "add_endpoint", "change_endpoint", "view_outgoingevent", "view_outgoingattempt"},
}  # fmt: skip
# Whoever looks after the system, for all stores: whether messages go, whether webhooks come, and nobody's orders.
OPERATION_PERMISSIONS = {
    "orders": {"view_store", "work_in_all_stores"},
    "integrations": {
        "view_notificationlog", "resend_notificationlog", "cancel_notificationlog", "view_deliveryattempt",
        "view_evolutioninstance", "change_evolutioninstance", "release_evolutioninstance", "view_carriernews",
        "view_webhookevent", "view_shopconnection", "add_shopconnection", "change_shopconnection", "view_shopnews",
        "read_shopnews", "apply_shopnews", "view_carrierconnection", "add_carrierconnection",
        "change_carrierconnection", "read_carriernews", "apply_carriernews",
    },
    "django_celery_results": {"view_taskresult"},
}  # fmt: skip
GRANTED = {
    SERVICE_GROUP: [SERVICE_PERMISSIONS],
    MANAGEMENT_GROUP: [SERVICE_PERMISSIONS, MANAGEMENT_PERMISSIONS],
    OPERATION_GROUP: [OPERATION_PERMISSIONS],
}
# What a release before gave, and nobody of the group needs.
_WITHDRAWN = {MANAGEMENT_GROUP: {"django_celery_results": {"view_taskresult"}}}

Permissions = Group.permissions.through


class Command(BaseCommand):
    help = "Make the default store, the instance that the settings name, and the staff groups. Safe to repeat."

    @transaction.atomic
    def handle(self, *_args: Any, **_options: Any) -> None:
        store = Store.get_default()
        self.stdout.write(_("Store: %(name)s") % {"name": store.name})
        self._make_instance(store)
        self._make_groups()

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

    def _make_groups(self) -> None:
        """Each permission is given once, in the release that brings it: what an owner changed since stays."""
        groups = {name: Group.objects.get_or_create(name=name)[0] for name in GRANTED}
        known = _permissions()
        done = set(GroupChange.objects.filter(group__in=groups).values_list("group", "permission"))
        given, withdrawn, changes = [], Q(pk__in=()), []
        for name, group in groups.items():
            for permission in sorted(_names(*GRANTED[name]) & known.keys()):
                if (name, permission) not in done:
                    given.append(Permissions(group=group, permission_id=known[permission]))
                    changes.append(GroupChange(group=name, permission=permission))
            for permission in sorted(_names(_WITHDRAWN.get(name, {})) & known.keys()):
                if (name, permission) not in done:
                    withdrawn |= Q(group=group, permission=known[permission])
                    changes.append(GroupChange(group=name, permission=permission))
        Permissions.objects.bulk_create(given, ignore_conflicts=True)
        if changes:
            Permissions.objects.filter(withdrawn).delete()
        GroupChange.objects.bulk_create(changes)
        for name in groups:
            self.stdout.write(_("Group: %(name)s") % {"name": name})


def _names(*granted: dict[str, set[str]]) -> set[str]:
    return {
        f"{app}.{codename}"
        for permissions in granted
        for app, codenames in permissions.items()
        for codename in codenames
    }


def _permissions() -> dict[str, int]:
    """The ids of all that there are, by their names."""
    rows = Permission.objects.values_list("content_type__app_label", "codename", "pk").order_by()
    return {f"{app}.{codename}": pk for app, codename, pk in rows}
