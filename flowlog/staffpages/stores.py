"""Whose a row is: each member of the staff works for some of the stores, and meets nothing of the others.

Each model that the admin shows says by `store_path` how the store of a row is found, and all that shows or changes
rows for a person asks here: the admin's base classes, the first page, the actions in `notifications.actions`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

ALL_STORES = "orders.work_in_all_stores"
"""The permission to work for every store, whoever is named as its staff. Superusers have it as they have all."""

type StorePath = str | tuple[str, ...] | Callable[[frozenset[int]], Q]
"""Where a row's store is: a path of relations; several, of which the first that leads anywhere counts; or, where no
relation leads there, the condition that a row is of one of these stores. `NO_STORE` where permission alone decides."""

NO_STORE = ""

_REACH = "_flowlog_reach"


@dataclass(frozen=True, slots=True)
class Reach:
    """The stores that a person works for, by id; unless `limited`, what is of none that is known as well."""

    names: dict[int, str]
    limited: bool

    @property
    def stores(self) -> frozenset[int]:
        return frozenset(self.names)


def reach(user: User | AnonymousUser) -> Reach:
    """How far the person's work reaches, asked of the database once per person object, which lasts for a request.

    Who works for every store there is meets no limit: in a shop with one store nothing is hidden from anybody.
    """
    known: Reach | None = getattr(user, _REACH, None)
    if known is None:
        mine = apps.get_model("orders", "StoreStaff").objects.filter(store=OuterRef("pk"), user=user.pk)
        found = list(apps.get_model("orders", "Store").objects.values_list("pk", "name", Exists(mine)))
        unlimited = user.has_perm(ALL_STORES) or (user.is_active and all(of_mine for *_store, of_mine in found))
        names = {pk: name for pk, name, of_mine in found if unlimited or of_mine}
        known = Reach(names, limited=not unlimited)
        setattr(user, _REACH, known)
    return known


def stores_of(user: User | AnonymousUser) -> frozenset[int] | None:
    """The ids of the stores that limit what the person sees; None if nothing does."""
    if user.has_perm(ALL_STORES):
        return None
    found = reach(user)
    return found.stores if found.limited else None


def forget(user: User | AnonymousUser) -> None:
    """Ask anew: the person's stores have changed."""
    if hasattr(user, _REACH):
        delattr(user, _REACH)


def path_of(model: type[Model]) -> StorePath:
    """What the model says of where a row's store is. Raises `ImproperlyConfigured` if it says nothing."""
    path: StorePath | None = getattr(model, "store_path", None)
    if path is None:
        raise ImproperlyConfigured(f"{model.__name__} does not say by `store_path` whose its rows are.")
    return path


def condition(path: StorePath, stores: frozenset[int]) -> Q:
    """That a row is of one of the stores."""
    if callable(path):
        return path(stores)
    if path == NO_STORE:
        return Q()
    found, nothing_before = Q(pk__in=()), Q()
    for each in (path,) if isinstance(path, str) else path:
        found |= nothing_before & Q(**{f"{each}__in": stores})
        nothing_before &= Q(**{each.rpartition("__")[0] or each: None})
    return found


def within[M: Model](rows: QuerySet[M], user: User | AnonymousUser, path: StorePath | None = None) -> QuerySet[M]:
    """Those of the rows that are of the person's stores."""
    stores = stores_of(user)
    if stores is None:
        return rows
    return rows.filter(condition(path_of(rows.model) if path is None else path, stores))


def is_within(row: Model, user: User | AnonymousUser, path: StorePath | None = None) -> bool:
    """Whether the row, which is in the database, is of one of the person's stores."""
    stores = stores_of(user)
    if stores is None:
        return True
    return _is_of(row, path_of(type(row)) if path is None else path, stores)


def require(user: User | None, *rows: Model) -> None:
    """Raise `PermissionDenied` if one of the rows is of none of the person's stores. None, the command line, may all.

    One query for each kind of row, and none for who works for all stores.
    """
    stores = None if user is None else stores_of(user)
    if stores is None:
        return
    for model in {type(row) for row in rows}:
        wanted = {row.pk for row in rows if type(row) is model}
        if model._base_manager.filter(condition(path_of(model), stores), pk__in=wanted).count() != len(wanted):
            raise PermissionDenied


def store_id_of(row: Model, path: StorePath | None = None) -> int | None:
    """The store of a row, where a relation leads there."""
    path = path_of(type(row)) if path is None else path
    if callable(path) or path == NO_STORE:
        return None
    for each in (path,) if isinstance(path, str) else path:
        *steps, last = each.split("__")
        holder: Any = row
        for step in steps:
            holder = getattr(holder, step) if holder is not None else None
        if holder is None:
            continue
        found: int | None = getattr(holder, holder._meta.get_field(last).attname if last != "pk" else "pk")
        if found is not None:
            return found
    return None


def _is_of(row: Model, path: StorePath, stores: frozenset[int]) -> bool:
    if callable(path):
        return type(row)._base_manager.filter(path(stores), pk=row.pk).exists()
    return path == NO_STORE or store_id_of(row, path) in stores
