"""`/api/v1/`: the addresses, their description in OpenAPI 3.1, and the page that shows it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.urls import re_path
from django.utils.csp import CSP
from django.utils.translation import gettext as _
from django.views.decorators.csp import csp_override
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI, Swagger
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema

from api.problems import CONTENT_TYPE, Problem, internal, not_found, title_of, unauthorized, unavailable
from api.v1.endpoints import router
from api.v1.sentences import problem_of

logger = logging.getLogger(__name__)

# All of it is ours: no other host, no script in the page; the viewer draws its icons from `data:`.
_POLICY: Mapping[str, Collection[str]] = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "connect-src": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}
_PROBLEMS_FROM = 400
_SUCCESSES = {200: "Certo.", 201: "Feito."}
_HEADERS = {
    "RateLimit": "Quanto resta a este token.",
    "RateLimit-Policy": "Quantas requisições por quantos segundos.",
}


class _Docs(Swagger):
    template = "api/docs.html"


class OrderApi(NinjaAPI):
    """The library's, whose description says of problems what they are."""

    def get_openapi_schema(self, *, path_prefix: str | None = None, path_params: Any = None) -> OpenAPISchema:  # noqa: ARG002
        return _described(self)


@cache
def _described(description: OrderApi) -> OpenAPISchema:
    schema: OpenAPISchema = NinjaAPI.get_openapi_schema(description)
    for operations in schema["paths"].values():
        for operation in operations.values():
            for code, answer in operation["responses"].items():
                _describe(int(code), answer)
    return schema


def _describe(code: int, answer: dict[str, Any]) -> None:
    headers = dict(_HEADERS)
    answer["description"] = title_of(HTTPStatus(code)) if code >= _PROBLEMS_FROM else _SUCCESSES[code]
    if code >= _PROBLEMS_FROM:
        answer["content"] = {CONTENT_TYPE: answer["content"]["application/json"]}
    if code in (401, 413, 415, 400, 404, 405, 500, 503):
        headers = {}
    answer["headers"] = {name: {"description": words, "schema": {"type": "string"}} for name, words in headers.items()}


api = OrderApi(
    title="Flowlog",
    version="1",
    description="Os pedidos de uma loja, e o que seus clientes souberam deles. O guia é api/API.md.",
    urls_namespace="api-v1",
    docs=_Docs(settings={"deepLinking": True, "validatorUrl": None}),
    docs_decorator=csp_override(_POLICY),
)
api.add_router("", router)


@api.exception_handler(Problem)
def _problem(_request: HttpRequest, problem: Problem) -> HttpResponse:
    return problem.response()


@api.exception_handler(ValidationError)
def _invalid(_request: HttpRequest, error: ValidationError) -> HttpResponse:
    return problem_of(error.errors).response()


@api.exception_handler(HttpError)
def _unreadable(_request: HttpRequest, error: HttpError) -> HttpResponse:
    """Of the library's own there are two: no log-in, and a body that is no JSON."""
    if error.status_code == unauthorized().status:
        return unauthorized().response()
    words = _("The body is not JSON.")
    return Problem(HTTPStatus.BAD_REQUEST, "malformed", words).response()


@api.exception_handler(UnreadablePostError)
def _broken_off(_request: HttpRequest, _error: UnreadablePostError) -> HttpResponse:
    """Who sent it has hung up: nobody's defect, and hardly anybody reads this."""
    words = _("The body broke off.")
    return Problem(HTTPStatus.BAD_REQUEST, "malformed", words).response()


@api.exception_handler(Http404)
def _not_found(_request: HttpRequest, _error: Http404) -> HttpResponse:
    return not_found().response()


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def _unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.warning("%s %s: the database is away: %s", request.method, request.path, type(error).__name__)
    return unavailable().response()


@api.exception_handler(Exception)
def _defect(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("%s %s: a defect", request.method, request.path, exc_info=error)
    got_request_exception.send(sender=OrderApi, request=request)
    return internal(request).response()


@csrf_exempt  # nothing is done here, and programs have no cookie
def no_such_address(_request: HttpRequest, **_kwargs: str) -> HttpResponse:
    """Whatever else stands under `/api/`."""
    return not_found().response()


patterns = [re_path(r"^(?P<rest>.*)$", no_such_address)]
