"""Errors go to Sentry, if the operator wants that; nothing of a customer and no secret goes with them."""

from __future__ import annotations

from typing import Any

import sentry_sdk
from sentry_sdk.integrations.logging import LoggingIntegration

from flowlog.logs.formats import Mask

_TIMEOUT = 2
# An argument of a message may be a number as such.
_LONG = 10**9


def start(dsn: str, *, release: str, mask: Mask) -> None:
    """Report this process's errors to `dsn`.

    Neither local variables, nor arguments of tasks, nor anything of a request but its method and URL are sent; what
    is, is masked.
    """

    def masked(event: Any, _hint: Any) -> Any:
        request = event.get("request")
        if isinstance(request, dict):
            event["request"] = {key: request[key] for key in ("method", "url") if key in request}
        for private in ("user", "server_name", "extra"):
            event.pop(private, None)
        return _mask_all(event, mask)

    sentry_sdk.init(
        dsn,
        release=release or None,
        before_send=masked,
        before_breadcrumb=masked,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        traces_sample_rate=None,
        shutdown_timeout=_TIMEOUT,
        integrations=[LoggingIntegration(level=None)],
    )


def _mask_all(value: Any, mask: Mask) -> Any:
    """The same value with every text in it masked, but for the ids and times that Sentry itself has made."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, int) and value >= _LONG:
        return mask(str(value))
    if isinstance(value, dict):
        own = ("event_id", "timestamp", "trace_id", "span_id", "parent_span_id", "release", "lineno")
        return {key: each if key in own else _mask_all(each, mask) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_mask_all(each, mask) for each in value]
    return value
