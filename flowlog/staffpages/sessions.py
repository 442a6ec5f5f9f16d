"""Where each person is logged in, and ending it from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from flowlog.models import StaffSession

# So long a session may go on until its row is written again.
PAUSE = 300
_PAGES = "/admin/"
_AGENT_LENGTH = 300
_BROWSERS = (
    ("Edge", r"Edg"), ("Opera", r"OPR/|Opera"), ("Samsung Internet", r"SamsungBrowser"), ("Firefox", r"Firefox|FxiOS"),
    ("Chrome", r"Chrome|CriOS"), ("Safari", r"Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("Android", r"Android"), ("iPhone", r"iPhone"), ("iPad", r"iPad"), ("Windows", r"Windows"), ("Mac", r"Mac OS"),
    ("Linux", r"Linux|X11"),
)  # fmt: skip


def note_sessions(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: write down that a session is used, at most once in `PAUSE` seconds and process.

    Not in the session itself, which would then last longer with each use.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        is_staffs = request.path.startswith(_PAGES) and settings.SESSION_COOKIE_NAME in request.COOKIES
        if is_staffs and request.user.is_authenticated and cache.add(_key(request), 1, PAUSE):
            note(request, request.user)
        return get_response(request)

    return middleware


def note(request: HttpRequest, user: User) -> None:
    """The session is the person's, and was used just now."""
    if request.session.session_key:
        agent = request.META.get("HTTP_USER_AGENT", "")[:_AGENT_LENGTH].replace("\x00", "")
        StaffSession.objects.update_or_create(
            session_key=request.session.session_key, defaults={"user": user, "agent": agent, "seen_at": Now()}
        )


def _key(request: HttpRequest) -> str:
    return f"seen:{request.session.session_key}"


def of(user: User) -> QuerySet[StaffSession]:
    """The person's sessions that still last, the latest first."""
    return StaffSession.objects.filter(_lasts(), user=user)


def _lasts() -> Exists:
    """Not one that was replaced, such as by a change of the password, or that ran out."""
    return Exists(Session.objects.filter(session_key=OuterRef("session_key"), expire_date__gt=Now()))


def end(sessions: QuerySet[StaffSession]) -> int:
    """Log out wherever these are; returns how many."""
    keys = list(sessions.values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    StaffSession.objects.filter(session_key__in=keys).delete()
    return len(keys)


def device(session: StaffSession) -> str:
    """The browser and the system, as far as the browser says."""
    browser, system = _first(_BROWSERS, session.agent), _first(_SYSTEMS, session.agent)
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("unknown device")


def _first(names: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((name for name, pattern in names if re.search(pattern, agent)), "")


@receiver(user_logged_in)
def _begun(request: HttpRequest, user: User, **_kwargs: Any) -> None:
    # Whoever else's they are: what has expired is of no use to anybody.
    StaffSession.objects.exclude(_lasts()).delete()
    note(request, user)
    cache.add(_key(request), 1, PAUSE)


@receiver(user_logged_out)
def _ended(request: HttpRequest, **_kwargs: Any) -> None:
    if request.session.session_key:
        StaffSession.objects.filter(session_key=request.session.session_key).delete()
