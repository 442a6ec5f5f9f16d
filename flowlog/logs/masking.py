"""Nothing that a log says may tell a customer's number or a secret: everything goes through here before it is written.

Call sites mask what they know to be a number themselves; this is for what nobody thought of, such as the text of an
exception that quotes its argument.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

from stdnum.br import cnpj

# What stands between the digits of a number that somebody typed or pasted, invisible signs too; also as Python's
# `repr` and addresses write it.
_GAP = (
    r"(?:[\s().\-/\u2010-\u2015\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
    r"|\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\[nrt]|%[0-9A-Fa-f]{2})"
)
# Where the first of these begins, the others are not looked for. No boundary of words is asked for: in the text of an
# exception a number may follow the `n` of a written-out line break.
_NUMBERS = re.compile(
    rf"""
      (?P<kept>
        # Ids of requests, tasks, messages and revisions, and how long a task took: long, but nobody's number.
        (?<![0-9a-f])[0-9a-f]{{8}}-(?:[0-9a-f]{{4}}-){{3}}[0-9a-f]{{12}}(?![0-9a-f])
      | (?<![0-9A-Za-z])(?=[0-9]{{0,31}}[a-f])[0-9a-f]{{32}}(?:[0-9a-f]{{8}})?(?![0-9A-Za-z])
      | (?<![0-9A-Za-z])(?:3EB0|BAE5)[0-9A-F]{{12,28}}(?![0-9A-Za-z])
      | (?<![\d.])\d{{1,3}}\.\d{{6,}}s\b
      )
    | \d{{10,}}
    | \+{_GAP}{{0,3}}\d(?:{_GAP}{{0,3}}\d){{6,}}  # to the end, since another one may follow
    | (?:\(?0?\d\d{_GAP}{{1,4}}){{1,2}}9?{_GAP}{{0,2}}\d{{4,5}}{_GAP}{{0,3}}\d{{4}}(?!\d)
    | \d{{4,9}}[\-\u2010-\u2015]\d{{4}}(?!\d)
    # A CPF and a CNPJ, which may have letters, without some of their signs or with other ones.
    | \d{{3}}{_GAP}?\d{{3}}{_GAP}?\d{{3}}{_GAP}?\d\d(?!\d)
    | \d\d{_GAP}?\d{{3}}{_GAP}?\d{{3}}{_GAP}?\d{{4}}{_GAP}?\d\d(?!\d)
    """,
    re.VERBOSE,
)
# A company's number with letters looks like many another word, or like several; its check digits tell.
_CNPJ = re.compile(
    rf"(?<![0-9A-Za-z])(?:[0-9A-Za-z]{{2}}{_GAP}?[0-9A-Za-z]{{3}}{_GAP}?[0-9A-Za-z]{{3}}{_GAP}?[0-9A-Za-z]{{4}}{_GAP}?\d\d)"
    r"(?![0-9A-Za-z])"
)
_KEYS = re.compile(
    r"(?i)(\b(?:bearer|basic)\s+|(?:api_?key|authorization|token|password|secret|sessionid|pickup_code)"
    r"\\*[\"']?\s*[:=]\s*\\*[\"']?)(?!bearer\b|basic\b)[^\s\"',;}&\\]+"
)
_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")
_TRACKING_PAGE = re.compile(r"(?<=/rastreio/)[\w-]+")
_CONNECTED = re.compile(r"(/webhooks/(?:orders|tracking)/[^/\s]+)/[\w-]+")
_API_TOKEN = re.compile(r"(?<=flw_live_)[\w-]+|(?<=flw_test_)[\w-]+")
_SECRET_NAME = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|DSN")
# Its path is a secret of its own.
_SECRET_ADDRESS = "DEADMAN_PING_URL"  # noqa: S105 - a name
# What is shorter is no secret, and would be found inside ordinary words.
_SHORTEST_SECRET = 6


class Masker:
    """Hides numbers, keys, and the secrets it was made with."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """The text without them. A number keeps its last four digits."""
        if self._secrets:
            text = self._secrets.sub("***", text)
        text = _USERINFO.sub("***@", text)
        text = _TRACKING_PAGE.sub("***", text)
        text = _CONNECTED.sub(r"\1/***", text)
        text = _API_TOKEN.sub("***", text)
        text = _KEYS.sub(r"\1***", text)
        text = _CNPJ.sub(lambda found: _digits(found) if _is_cnpj(found[0]) else found[0], text)
        return _NUMBERS.sub(_last_four, text)


def secrets_of(settings: Mapping[str, str]) -> list[str]:
    """The values of settings that are secret by their names, and the passwords inside addresses.

    So a new key is hidden without anybody having to think of it here, also where the settings cannot be read.
    """
    found: list[str] = []
    for name, value in settings.items():
        if _SECRET_NAME.search(name):
            found += [value, *value.split(",")] if name.endswith("KEYS") else [value]
        if "://" in value:
            found += _secrets_in(name, value)
    return found


def _secrets_in(name: str, address: str) -> list[str]:
    try:
        parts = urlsplit(address)
    except ValueError:
        return []
    # A key may stand in the user's place, as in Sentry's addresses.
    userinfo = parts.password or (parts.username if _SECRET_NAME.search(name) else "") or ""
    # A password that is the user's name hides nothing, and may be the name of half of what there is.
    secrets = [userinfo, unquote(userinfo)] if userinfo != parts.username or not parts.password else []
    return [*secrets, parts.path.strip("/")] if name == _SECRET_ADDRESS else secrets


def _last_four(found: re.Match[str]) -> str:
    return found[0] if found["kept"] else _digits(found)


def _is_cnpj(text: str) -> bool:
    return bool(cnpj.is_valid(re.sub("[^0-9A-Za-z]", "", re.sub(_GAP, "", text))))


def _digits(found: re.Match[str]) -> str:
    digits = [character for character in found[0] if character.isdigit()]
    return f"…{''.join(digits[-4:])}"
