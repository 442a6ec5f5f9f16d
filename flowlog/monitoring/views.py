"""`/healthz`, `/readyz` and `/metrics`, for machines.

A middleware answers them before all others but the one that gives requests an id: a load balancer asks by address, so
that no host name may be asked for, it follows no redirect to https, and a session would only cost.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from flowlog.monitoring import checks, metrics

type View = Callable[[HttpRequest], HttpResponse]

# Whoever sends one of these is a proxy, so that its own address says nothing of who asks.
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_VIA")


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """This process answers; it looks at nothing else."""
    return JsonResponse({"ok": True})


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Whether messages flow: 200 if every check is ok, else 503."""
    results = checks.run()
    ok = all(check.ok for check in results)
    body = {"ok": ok, "checks": {check.name: {"ok": check.ok, "words": check.words} for check in results}}
    status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
    answer = JsonResponse(body, status=status, json_dumps_params={"ensure_ascii": False})
    # Each probe of a long outage would be an error in the log; the checks log what they find.
    answer._has_been_logged = True  # type: ignore[attr-defined]
    return answer


@never_cache
@require_safe
def metrics_page(request: HttpRequest) -> HttpResponse:
    """The numbers for Prometheus: for this machine, or with `Authorization: Bearer <METRICS_TOKEN>`."""
    if not (_has_token(request) or _is_local(request)):
        return HttpResponse(status=HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(metrics.page(), content_type=metrics.CONTENT_TYPE)


def _has_token(request: HttpRequest) -> bool:
    scheme, _space, given = request.headers.get("Authorization", "").partition(" ")
    token = settings.METRICS_TOKEN
    return bool(token) and scheme.lower() == "bearer" and secrets.compare_digest(given.encode(), token.encode())


def _is_local(request: HttpRequest) -> bool:
    if any(header in request.META for header in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:  # a unix socket: a proxy that says nothing of who asks
        return False


_VIEWS: dict[str, View] = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics_page}


def answer_probes(get_response: View) -> View:
    """The middleware. It must come before all that look at host, scheme or session."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return _VIEWS.get(request.path_info, get_response)(request)

    return middleware
