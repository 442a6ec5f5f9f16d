"""Reading settings from the environment or `.env`, with errors that name the setting.

Every reader raises `ImproperlyConfigured` that says which setting is wrong and what was
expected, so that a process with a bad setting refuses to start instead of failing later.
"""

from __future__ import annotations

import base64
import os
import re
import zoneinfo
from pathlib import Path
from urllib.parse import urlsplit

from decouple import Config, RepositoryEmpty, RepositoryEnv
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

from flowlog.translations import read_gettext as _

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_FERNET_BYTES = 32
# A hundred years, which every clock can count back.
_LONGEST_DAYS = 36_500


class Env:
    """Typed access to the process's environment; `.env` fills what the environment leaves out."""

    def __init__(self, dotenv: Path) -> None:
        self._config = Config(RepositoryEnv(str(dotenv)) if dotenv.is_file() else RepositoryEmpty())

    def everything(self) -> dict[str, str]:
        """All that is set, by name; the environment wins over the file."""
        return {**getattr(self._config.repository, "data", {}), **os.environ}

    def text(self, name: str, default: str | None = None) -> str:
        """The setting without surrounding space. Missing or empty: `default`, or an error if None."""
        value = str(self._config(name, default="")).strip()
        if value:
            return value
        if default is None:
            raise ImproperlyConfigured(
                _("%(name)s is required: set it in the environment or in .env.") % {"name": name}
            )
        return default

    def flag(self, name: str, default: bool) -> bool:
        """A yes/no setting (true/false, yes/no, on/off, 1/0)."""
        value = self.text(name, "true" if default else "false").lower()
        if value in _TRUE:
            return True
        if value in _FALSE:
            return False
        raise ImproperlyConfigured(_("%(name)s must be true or false, not %(value)r.") % {"name": name, "value": value})

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """One of some words, in their spelling, however it is written."""
        value = self.text(name, default)
        for choice in choices:
            if value.lower() == choice.lower():
                return choice
        raise ImproperlyConfigured(
            _("%(name)s must be one of %(choices)s, not %(value)r.")
            % {"name": name, "choices": ", ".join(choices), "value": value}
        )

    def integer(self, name: str, default: int, *, minimum: int = 0, maximum: int | None = None) -> int:
        """A whole number of at least `minimum`, and at most `maximum`."""
        value = self.text(name, str(default))
        try:
            number = int(value)
        except ValueError:
            raise ImproperlyConfigured(
                _("%(name)s must be a whole number, not %(value)r.") % {"name": name, "value": value}
            ) from None
        if number < minimum:
            raise ImproperlyConfigured(
                _("%(name)s must be at least %(minimum)d, not %(number)d.")
                % {"name": name, "minimum": minimum, "number": number}
            )
        if maximum is not None and number > maximum:
            raise ImproperlyConfigured(
                _("%(name)s must be at most %(maximum)d, not %(number)d.")
                % {"name": name, "maximum": maximum, "number": number}
            )
        return number

    def days(self, name: str, default: int) -> int:
        """A number of days; 0 means never."""
        number = self.integer(name, default)
        if number > _LONGEST_DAYS:
            raise ImproperlyConfigured(
                _("%(name)s must be at most %(longest)d days (0: never), not %(number)d.")
                % {"name": name, "longest": _LONGEST_DAYS, "number": number}
            )
        return number

    def seconds(self, name: str, default: float) -> float:
        """A duration in seconds, above zero; fractions are allowed."""
        return _seconds(name, self.text(name, str(default)))

    def seconds_list(self, name: str, default: str) -> tuple[float, ...]:
        """One or more durations in seconds, comma-separated."""
        values = self.names(name, default)
        if not values:
            raise ImproperlyConfigured(
                _("%(name)s must be one or more numbers of seconds, like %(default)s.")
                % {"name": name, "default": default}
            )
        return tuple(_seconds(name, value) for value in values)

    def seconds_by_name(self, name: str, default: str) -> dict[str, float]:
        """Durations in seconds, each for what it is written to: `name=seconds`, comma-separated."""
        pairs = [item.partition("=") for item in self.names(name, default)]
        if not all(equals and key.strip() for key, equals, _value in pairs):
            raise ImproperlyConfigured(_("%(name)s must be like name=seconds,name=seconds.") % {"name": name})
        return {key.strip(): _seconds(name, value.strip()) for key, _equals, value in pairs}

    def names(self, name: str, default: str | None = None) -> list[str]:
        """A comma-separated list; blanks are dropped."""
        return [item.strip() for item in self.text(name, default).split(",") if item.strip()]

    def hosts(self, name: str, default: str | None = None) -> list[str]:
        """Host names as Django's `ALLOWED_HOSTS` has them, comma-separated: without scheme, port or path."""
        hosts = self.names(name, default)
        if wrong := [host for host in hosts if not re.fullmatch(r"\*|\.?[\w.-]+|\[[0-9A-Fa-f:.]+\]", host)]:
            raise ImproperlyConfigured(
                _("%(name)s must be host names like example.com, not %(value)r.") % {"name": name, "value": wrong[0]}
            )
        return hosts

    def emails(self, name: str) -> list[str]:
        """Addresses of mail, comma-separated; none if it is not set."""
        emails = self.names(name, "")
        for email in emails:
            try:
                validate_email(email)
            except ValidationError:
                raise ImproperlyConfigured(
                    _("%(name)s must be addresses like dona@example.com, not %(value)r.")
                    % {"name": name, "value": email}
                ) from None
        return emails

    def web_url(self, name: str, default: str | None = None, *, https_only: bool = False) -> str:
        """An http(s) address without a trailing slash. `https_only` still accepts http for loopback."""
        value = self.text(name, default).rstrip("/")
        if not is_web_address(value):
            raise ImproperlyConfigured(
                _("%(name)s must be an address like https://example.com, not %(value)r.")
                % {"name": name, "value": value}
            )
        if https_only and not is_private(value):
            raise ImproperlyConfigured(
                _("%(name)s must start with https:// in production, not %(value)r.") % {"name": name, "value": value}
            )
        return value

    def optional_https_url(self, name: str) -> str:
        """An optional https address, kept as it is; http for loopback. Never echoed: its path may be a secret."""
        value = self.text(name, "")
        if value and not (_is_whole(value) and is_private(value)):
            raise ImproperlyConfigured(_("%(name)s must be an address that starts with https://.") % {"name": name})
        return value

    def release(self, name: str, default: str) -> str:
        """A release of Meta's API, as its addresses have it: v24.0."""
        value = self.text(name, default)
        if not re.fullmatch(r"v[1-9][0-9]?\.[0-9]", value):
            raise ImproperlyConfigured(
                _("%(name)s must be a release like v24.0, not %(value)r.") % {"name": name, "value": value}
            )
        return value

    def phone(self, name: str) -> str:
        """An optional phone number in E.164; empty when not set."""
        value = self.text(name, "")
        if value and not re.fullmatch(r"\+[1-9][0-9]{6,14}", value):
            raise ImproperlyConfigured(_("%(name)s must be a number like +5511987654321.") % {"name": name})
        return value

    def time_zone(self, name: str, default: str) -> str:
        """The name of a time zone of the IANA database."""
        value = self.text(name, default)
        if value not in zoneinfo.available_timezones():
            raise ImproperlyConfigured(
                _("%(name)s must be a time zone like America/Sao_Paulo, not %(value)r.")
                % {"name": name, "value": value}
            )
        return value

    def key(self, name: str, default: str | None = None) -> str:
        """A secret that travels in an HTTP header: plain printable ASCII. Never echoed."""
        value = self.text(name, default)
        if not (value.isascii() and value.isprintable()):
            raise ImproperlyConfigured(_("%(name)s must be plain ASCII characters.") % {"name": name})
        return value

    def fernet_keys(self, name: str, default: str = "") -> list[str]:
        """Keys of 32 random bytes in base64, comma-separated; the first encrypts. Never echoed."""
        keys = self.names(name, default)
        for key in keys:
            try:
                fits = len(base64.urlsafe_b64decode(key)) == _FERNET_BYTES
            except ValueError:
                fits = False
            if not fits:
                raise ImproperlyConfigured(
                    _("%(name)s must be keys as `openssl rand -base64 32` makes them, comma-separated.")
                    % {"name": name}
                )
        return keys

    def server_url(self, name: str, default: str | None, schemes: frozenset[str]) -> str:
        """The address of a server whose scheme is one of `schemes`. Never echoed: it may hold a password."""
        value = self.text(name, default)
        if urlsplit(value).scheme not in schemes:
            raise ImproperlyConfigured(
                _("%(name)s must start with one of: %(schemes)s.")
                % {"name": name, "schemes": ", ".join(sorted(schemes))}
            )
        return value


def is_web_address(url: str) -> bool:
    """Whether it is an http(s) address to which the path of what is asked for can be appended."""
    return _is_whole(url) and urlsplit(url).scheme in {"http", "https"} and "?" not in url and "#" not in url


def is_private(url: str) -> bool:
    """Whether nobody on the way can read what is sent to a whole address: TLS, or this machine's own."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in LOOPBACK_HOSTS


def _is_whole(url: str) -> bool:
    """Whether it names a host that a client could call."""
    parts = urlsplit(url)
    try:
        return bool(parts.hostname) and parts.port != 0 and not re.search(r"[\s\\]", url)
    except ValueError:  # a port that is none
        return False


def _seconds(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ImproperlyConfigured(
            _("%(name)s must be a number of seconds above 0, not %(value)r.") % {"name": name, "value": value}
        )
    return number
