"""From the one setting EMAIL_URL to Django's MAILERS."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from flowlog.translations import read_gettext as _

_BACKENDS = "django.core.mail.backends"
# To the scheme: its usual port, and what Django is to do about TLS.
_SCHEMES: dict[str, tuple[int, dict[str, bool]]] = {
    "smtp": (25, {}),
    "smtp+tls": (587, {"use_tls": True}),
    "smtp+ssl": (465, {"use_ssl": True}),
}
_TIMEOUT = 10


def mailers(url: str) -> dict[str, dict[str, Any]]:
    """The mailers for an address like `smtp+tls://user:password@host:587`; for none, mail is only logged.

    User and password are percent-encoded. Raises `ImproperlyConfigured`, without the address: it holds a password.
    """
    if not url:
        return {"default": {"BACKEND": "flowlog.mail.no_mail.EmailBackend"}}
    if url == "console://":
        return {"default": {"BACKEND": f"{_BACKENDS}.console.EmailBackend"}}
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _wrong() from None
    if parts.scheme not in _SCHEMES or not host:
        raise _wrong()
    usual_port, tls = _SCHEMES[parts.scheme]
    options: dict[str, Any] = {"host": host, "port": port or usual_port, "timeout": _TIMEOUT, **tls}
    if parts.username:
        options |= {"username": unquote(parts.username), "password": unquote(parts.password or "")}
    return {"default": {"BACKEND": f"{_BACKENDS}.smtp.EmailBackend", "OPTIONS": options}}


def _wrong() -> ImproperlyConfigured:
    words = _("EMAIL_URL must be like smtp+tls://user:password@host:587 (or smtp, smtp+ssl).")
    return ImproperlyConfigured(words)
