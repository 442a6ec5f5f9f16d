"""What a person is called; what happened to their access, in their history on the Team page; and whether they still
have it."""

from __future__ import annotations

from datetime import timedelta

from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone


def name_of(user: User) -> str:
    """What the pages call a member of the staff."""
    return user.get_full_name() or user.get_username()


def note(user: User, done: str) -> None:
    """The person did this with their own access."""
    member = apps.get_model("orders", "Member").objects.get(pk=user.pk)
    LogEntry.objects.log_actions(user.pk, [member], CHANGE, done)


def noted_within(user: User, done: str, time: timedelta) -> bool:
    """Whether the same was noted so shortly before."""
    of_people = ContentType.objects.get_for_model(apps.get_model("orders", "Member"), for_concrete_model=False)
    entries = LogEntry.objects.filter(content_type=of_people, object_id=str(user.pk), change_message=done)
    return entries.filter(action_time__gt=timezone.now() - time).exists()


def may_still(actor: User | None, *permissions: str) -> bool:
    """Whether what a person has begun may go on in their name: they have not been let go meanwhile, nor lost these.

    `actor` was read just now; None is one whose account is gone.
    """
    return actor is not None and actor.is_active and actor.is_staff and actor.has_perms(permissions)
