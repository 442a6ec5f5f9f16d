"""Webhooks take the short way: past all that is for browsers.

No session, message, redirect or policy of a browser means anything to who posts here; the view asks for the secret, and
none of it for a CSRF token. So what is left of Django's own is the check of the host.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, get_urlconf, resolve

PREFIX = "/webhooks/"
# Who posts here does so to the same few addresses again and again.
_resolved = lru_cache(1000)(resolve)

type View = Callable[[HttpRequest], HttpResponse]


def take_webhooks(get_response: View) -> View:
    """The middleware. An address that there is not goes the long way, and is answered as any other."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(PREFIX):
            return get_response(request)
        request.get_host()  # raises `DisallowedHost`, which is answered 400
        try:
            request.resolver_match = match = _resolved(request.path_info, get_urlconf())
        except Resolver404:
            return get_response(request)
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        response.headers.setdefault("Content-Length", str(len(response.content)))
        return response

    return middleware
