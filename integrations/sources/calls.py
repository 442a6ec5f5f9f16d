"""Calls to a system that tells us news: bounded in time and size, without redirects, and no oftener than it wants."""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _
from urllib3.exceptions import HTTPError

from integrations.gateways.transport import GatewaySession, is_not_public

CONNECT_TIMEOUT, READ_TIMEOUT = 4, 10
# A page of orders with all their meta data.
MAX_BODY = 8 * 1024 * 1024
# Where it does not say for how long; and at most so long, whatever it says.
WAIT, LONGEST_WAIT = 30.0, 3600.0

type Reply = tuple[int, Mapping[str, str], Any]


class TooOftenError(Exception):
    """The system wants to be left alone for so many `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class OutOfTimeError(Exception):
    """There is time for no other call."""


class AwayError(Exception):
    """No whole answer came, or one that the system itself takes for a failure. `str()` is a sentence for the staff."""


def is_safe(url: str) -> bool:
    """Whether nobody on the way could read what is sent there: https."""
    parts = urlsplit(url)
    # Whoever tries Flowlog out on their own machine has the system there, too.
    on_own_machine = parts.scheme == "http" and settings.SITE_URL.startswith("http://")
    return bool(parts.hostname) and (parts.scheme == "https" or on_own_machine)


def call(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    sent: Any = None,
) -> Reply:
    """The system's answer to what is `sent` as JSON, if anything: its status, its headers, and its JSON, None if it is
    none.

    Raises `TooOftenError`, and `AwayError`, also for the system's own failures (5xx), and for an address of this
    server's own network.
    """
    if not is_safe(url):
        raise AwayError(_("The system's address must begin with https://."))
    if not connection.in_atomic_block:
        connection.close()  # back to the pool: a slow system must not hold a database connection
    try:
        response = _session(os.getpid()).request(
            method, url, headers=dict(headers or {}), params=params, json=sent, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            allow_redirects=False, stream=True,
        )  # fmt: skip
        with closing(response):
            body = response.raw.read(MAX_BODY + 1, decode_content=False)
    except (requests.RequestException, HTTPError) as error:
        if is_not_public(error):
            raise AwayError(_("The system's address is not one of the public Internet.")) from error
        raise AwayError(_("The system does not answer.")) from error
    if len(body) > MAX_BODY:
        raise AwayError(_("The system's answer is too large."))
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        raise TooOftenError(_seconds_to_wait(response.headers))
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise AwayError(_("The system answered with %(status)d.") % {"status": response.status_code})
    return response.status_code, response.headers, _json(body)


def calling_until(ends: float) -> Callable[..., Reply]:
    """`call` for as long as there is time: from `ends` on, by the monotonic clock, it raises `OutOfTimeError` instead.
    What was begun before is seen through."""

    def bounded(*args: Any, **kwargs: Any) -> Reply:
        if time.monotonic() >= ends:
            raise OutOfTimeError
        return call(*args, **kwargs)

    return bounded


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _seconds_to_wait(headers: Mapping[str, str]) -> float:
    """By `Retry-After`, else by `X-Rate-Limit-Reset`, in milliseconds."""
    seconds = retry_after(headers)
    if seconds is None:
        reset = headers.get("X-Rate-Limit-Reset", "")
        try:
            seconds = float(reset) / 1000 if reset else WAIT
        except ValueError:
            seconds = WAIT
    # Not a number compares as false.
    return min(max(seconds, 0.1), LONGEST_WAIT) if seconds < LONGEST_WAIT else LONGEST_WAIT


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that `Retry-After` asks for, as a number or a date; None without it, and for what is neither."""
    after = headers.get("Retry-After", "")
    try:
        return float(after) if after.isdecimal() else parsedate_to_datetime(after).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


@functools.lru_cache(maxsize=2)
def _session(_process_id: int) -> GatewaySession:
    """One for each process: a forked child must not write into its parent's connections."""
    session = GatewaySession(public_only=True)
    session.headers.update({"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "flowlog"})
    return session
