"""The shop's people as the Team page knows them, and who may do what with whom."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, User
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from flowlog.staffpages.stores import StorePath, stores_of


def _of_stores(stores: frozenset[int]) -> Q:
    memberships = apps.get_model("orders", "StoreStaff").objects.filter(store__in=stores)
    return Q(pk__in=memberships.values("user"))


class Member(User):
    """A person who works in the admin."""

    store_path: StorePath = _of_stores

    class Meta:
        app_label = "orders"
        proxy = True
        default_permissions = ("add", "change", "view")
        verbose_name = _("member of the team")
        verbose_name_plural = _("people of the team")

    def __str__(self) -> str:
        return self.get_full_name() or self.get_username()


def may_manage(actor: User, member: User) -> bool:
    """Whether the person may change this one: never themselves, never who may do what they may not, or works for a
    store that they do not work for."""
    if actor.pk == member.pk or member.is_superuser:
        return False
    # Also of who is deactivated, and may be activated again.
    if not actor.is_superuser and not permissions_of(member) <= actor.get_all_permissions():
        return False
    stores = stores_of(actor)
    return stores is None or set(member.memberships.values_list("store", flat=True)) <= stores


def permissions_of(member: User) -> set[str]:
    """What the person may do while they are active."""
    granted = Q(group__in=member.groups.all()) | Q(user=member.pk)
    permissions = apps.get_model("auth", "Permission").objects.filter(granted)
    return _names(permissions)


def functions_for(actor: User) -> QuerySet[Group]:
    """The groups that the person may give to others: those that may do nothing that they may not."""
    groups = Group.objects.order_by("name")
    if actor.is_superuser:
        return groups
    mine: Any = actor.get_all_permissions()
    given = [group.pk for group in groups.prefetch_related("permissions__content_type") if _of_group(group) <= mine]
    return groups.filter(pk__in=given)


def _of_group(group: Group) -> set[str]:
    return {f"{each.content_type.app_label}.{each.codename}" for each in group.permissions.all()}


def _names(permissions: QuerySet[Any]) -> set[str]:
    return {f"{app}.{name}" for app, name in permissions.values_list("content_type__app_label", "codename")}
