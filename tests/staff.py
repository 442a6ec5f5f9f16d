"""People of the shop for tests of the admin, with the permissions that `bootstrap` grants."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO

from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client

from flowlog.staffpages.groups import SERVICE_GROUP
from orders.models import Store, StoreStaff


def make_staff(
    name: str = "ana", group: str = SERVICE_GROUP, password: str | None = None, stores: Iterable[Store] | None = None
) -> User:
    """A person of one of the staff groups, of none with an empty `group`; of the default store unless the test says."""
    if not Group.objects.filter(name=SERVICE_GROUP).exists():
        call_command("bootstrap", stdout=StringIO())
    user = User.objects.create_user(name, password=password, is_staff=True)
    if group:
        user.groups.add(Group.objects.get(name=group))
    for store in [Store.get_default()] if stores is None else stores:
        StoreStaff.objects.create(user=user, store=store)
    return user


def client_of(user: User) -> Client:
    """A browser in Portuguese in which the person is logged in."""
    client = Client(headers={"accept-language": "pt-BR"})
    client.force_login(user)
    return client
