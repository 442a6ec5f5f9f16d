"""Each request has an id: the proxy's, if it gave one, else a new one. It is in the log and in the answer."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from flowlog.logs.context import begin
from flowlog.logs.masking import Masker

HEADER = "X-Request-ID"
# An id in which the log would hide something could not be found there.
_mask = Masker()
_GIVEN = re.compile(r"[A-Za-z0-9._-]{8,64}")


def identify_requests(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """The middleware. What a client made up is used too if it is harmless: it only marks its own lines."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        request_id = given if _GIVEN.fullmatch(given) and _mask(given) == given else uuid.uuid4().hex
        # Not ended with the middleware: Django logs a refused request after all of them.
        begin(request=request_id)
        response = get_response(request)
        response[HEADER] = request_id
        return response

    return middleware
