"""`Authorization: Bearer flw_…`: who asks, whether they may, and how often. No cookie counts for anything here."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from ninja.security import HttpBearer

from api import rate
from api.models import LIVE, TEST, ApiToken, hash_of
from api.problems import missing_scope, too_many, unauthorized
from orders import throttle

# So many wrong tokens a minute from one address; a right one is let in all the same.
FAILURES_PER_MINUTE = 30
_NOTED_EVERY = timedelta(minutes=1)
_LONGEST = 200


class Bearer(HttpBearer):
    """Lets in whose token has the scope. What is found stands in `request.auth`; raises `Problem`."""

    def __init__(self, scope: ApiToken.Scope) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> ApiToken:
        scheme, _space, given = request.headers.get("Authorization", "").partition(" ")
        return self.authenticate(request, given.strip() if scheme.lower() == "bearer" else "")

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken:
        found = _find(token)
        if found is None:
            if throttle.is_used_up(f"api {throttle.client_network(request)}", FAILURES_PER_MINUTE):
                raise too_many(60, _("Too many requests without a valid token came from your address."))
            raise unauthorized()
        allowance = rate.take(found)
        request.api_headers = allowance.headers()  # type: ignore[attr-defined]
        if not allowance.allowed:
            raise too_many(allowance.retry_after, _("This token has used up its requests: wait a little."))
        _note_use(found)
        if self.scope not in found.scopes:
            raise missing_scope(self.scope)
        return found


def _find(given: str) -> ApiToken | None:
    """The valid token, or None. What it is looked up by says nothing of any other one, however long that takes."""
    if not given.startswith((LIVE, TEST)) or len(given) > _LONGEST:
        return None
    digest = hash_of(given)
    found = ApiToken.objects.select_related("store").filter(token_hash=digest).first()
    return found if found and constant_time_compare(found.token_hash, digest) and found.is_valid() else None


def _note_use(token: ApiToken) -> None:
    """Once a minute at most, so that the row does not become what all requests wait for."""
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _NOTED_EVERY)
    if token.last_used_at is None or token.last_used_at < now - _NOTED_EVERY:
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
