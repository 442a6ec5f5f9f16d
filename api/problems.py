"""What goes wrong, as RFC 9457 has it: `application/problem+json`, in Portuguese, with a `code` that never changes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

CONTENT_TYPE = "application/problem+json"
LARGEST_BODY = 1024 * 1024
# Soon enough for whoever waits, and late enough for what they wait for.
SOON = 5


class Problem(Exception):  # noqa: N818 - it is what the answer is called
    """An answer that is no success. `errors` are dicts of `pointer` or `parameter`, `code` and `message`."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.detail = status, code, detail
        self.errors, self.headers, self.more = errors, dict(headers or {}), more

    def response(self) -> HttpResponse:
        """The answer itself."""
        body = {
            "type": f"urn:flowlog:problem:{self.code}",
            "title": title_of(self.status),
            "status": self.status.value,
            "code": self.code,
            "detail": self.detail,
            "errors": list(self.errors),
            **self.more,
        }
        text = json.dumps(body, ensure_ascii=False)
        return HttpResponse(text, status=self.status, content_type=CONTENT_TYPE, headers=self.headers)


def title_of(status: HTTPStatus) -> str:
    """The kind of problem, in a few words."""
    titles = {
        HTTPStatus.BAD_REQUEST: _("The request cannot be read"),
        HTTPStatus.UNAUTHORIZED: _("Not authenticated"),
        HTTPStatus.FORBIDDEN: _("Not allowed"),
        HTTPStatus.NOT_FOUND: _("Not found"),
        HTTPStatus.METHOD_NOT_ALLOWED: _("Method not allowed"),
        HTTPStatus.CONFLICT: _("Not possible now"),
        HTTPStatus.GONE: _("Not there any more"),
        HTTPStatus.CONTENT_TOO_LARGE: _("The request is too large"),
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: _("Only JSON is taken"),
        HTTPStatus.UNPROCESSABLE_CONTENT: _("Something in the request is not right"),
        HTTPStatus.TOO_MANY_REQUESTS: _("Too many requests"),
        HTTPStatus.SERVICE_UNAVAILABLE: _("Out of service for the moment"),
    }
    return titles.get(status, _("Something went wrong here"))


def unauthorized() -> Problem:
    """Without a token that opens anything. Which of the possible reasons it is, is nobody's business."""
    words = _("Send “Authorization: Bearer <token>” with a token that is valid.")
    return Problem(
        HTTPStatus.UNAUTHORIZED, "unauthorized", words, headers={"WWW-Authenticate": 'Bearer realm="Flowlog"'}
    )


def missing_scope(scope: str) -> Problem:
    """The token is right, and may not do this."""
    words = _("This token may not do that: it lacks “%(scope)s”.") % {"scope": scope}
    challenge = f'Bearer realm="Flowlog", error="insufficient_scope", scope="{scope}"'
    return Problem(HTTPStatus.FORBIDDEN, "missing-scope", words, headers={"WWW-Authenticate": challenge})


def not_found() -> Problem:
    """There is no such address or order; another store's is none."""
    words = _("There is nothing here. Addresses have no slash at the end; another store's orders are not found.")
    return Problem(HTTPStatus.NOT_FOUND, "not-found", words)


def method_not_allowed(allowed: str) -> Problem:
    """The address is there, for other methods."""
    words = _("This address takes: %(methods)s.") % {"methods": allowed}
    return Problem(HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", words, headers={"Allow": allowed})


def invalid(errors: Sequence[Mapping[str, str]]) -> Problem:
    """What was sent can be read, and is not right."""
    words = _("Look at “errors”: each says where, and what is wrong.")
    return Problem(HTTPStatus.UNPROCESSABLE_CONTENT, "invalid", words, errors=errors)


def wrong(pointer: str, code: str, message: str) -> Problem:
    """The same for one value of the body."""
    return invalid([{"pointer": pointer, "code": code, "message": message}])


def wrong_parameter(name: str, code: str, message: str) -> Problem:
    """The same for one part of the address, or a header."""
    return invalid([{"parameter": name, "code": code, "message": message}])


def too_many(retry_after: int, detail: str) -> Problem:
    """Wait."""
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", detail, headers={"Retry-After": str(retry_after)})


def unavailable() -> Problem:
    """The database is away."""
    words = _("Try again in a few seconds.")
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", words, headers={"Retry-After": str(SOON)})


def internal(request: HttpRequest) -> Problem:
    """A defect of ours. The number finds it in the logs."""
    words = _("It is our fault, and in our log. You may send the same request again with its Idempotency-Key.")
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", words, path=request.path)
