"""What holds of every address under `/api/`, known or not: problems as problems, JSON only, no large bodies, and probes
(HEAD, OPTIONS) answered as HTTP has it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils.translation import gettext as _

from api.problems import LARGEST_BODY, Problem, method_not_allowed
from integrations.inbound.bodies import discard

PREFIX = "/api/"


def answer_programs(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """The middleware. A body that is refused is read away all the same: a proxy that cannot hand it over says 502."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(PREFIX):
            return get_response(request)
        if refused := _refusal(request):
            with suppress(UnreadablePostError):
                discard(request)
            return _with_headers(request, refused.response())
        method = request.method
        if method == "HEAD":
            request.method = "GET"
        response = get_response(request)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response = _other_method(str(method), response.headers.get("Allow", ""))
        if method == "HEAD":
            response.headers["Content-Length"] = str(len(response.content))
            response.content = b""
        return _with_headers(request, response)

    return middleware


def _other_method(method: str, allowed: str) -> HttpResponse:
    """The answer to a method that the address does not take, and to one that asks which it takes."""
    methods = ", ".join(["HEAD"] * ("GET" in allowed) + [allowed, "OPTIONS"])
    if method == "OPTIONS":
        return HttpResponse(status=HTTPStatus.NO_CONTENT, headers={"Allow": methods})
    return method_not_allowed(methods).response()


def _refusal(request: HttpRequest) -> Problem | None:
    length = request.headers.get("Content-Length") or "0"
    if not length.isdecimal():
        return Problem(HTTPStatus.BAD_REQUEST, "malformed", _("Content-Length is not a number."))
    if int(length) > LARGEST_BODY:
        words = _("A body may have 1 MiB.")
        return Problem(HTTPStatus.CONTENT_TOO_LARGE, "too-large", words)
    if int(length) and request.content_type != "application/json":
        words = _("Send the body with “Content-Type: application/json”.")
        return Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not-json", words, headers={"Accept": "application/json"})
    return None


def _with_headers(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    for name, value in getattr(request, "api_headers", {}).items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")
    return response
