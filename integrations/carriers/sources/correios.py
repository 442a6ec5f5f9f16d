"""Correios: no webhooks; whoever has a contract may ask what became of a parcel.

Of others' code that agrees: the two addresses, the token by the posting card, at most 50 codes, the fields of an event,
times without offset that are Brasília's, `mensagem` in place of events for an unknown parcel, and what codes and types
mean. Not confirmed: that several codes are written as the same parameter again and again, and which of the rarer
types there are; one that is missing here is shown to the staff, who give it a meaning in the connection. Nothing of it
was run.

The type decides: `BDE` alone is "delivered" and most that went wrong. `BDI` and `BDR` are read as `BDE`. `OEC 09` and
`LDE` are on their way to the sender.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from itertools import batched
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.carriers.news import Nothing, Parcel, ParcelNews, Question, Told
from integrations.sources import RefusedError, reading
from integrations.sources.credentials import Credential
from integrations.sources.reading import Call, Fields, Headers, rows, text
from orders.codes import correios_warning

TITLE = "Correios"
HAS_WEBHOOK = False
CREDENTIALS = (
    Credential("user", gettext_lazy("User of Meu Correios"), gettext_lazy("The one of the contract."), required=True),
    Credential(
        "code", gettext_lazy("Access code of the API"), gettext_lazy("Made in Correios' CWS portal."), secret=True,
        required=True,
    ),
    Credential("card", gettext_lazy("Number of the posting card"), gettext_lazy("As in the contract."), required=True),
    Credential("address", gettext_lazy("Its address, if another"), "https://api.correios.com.br"),
)  # fmt: skip
NEEDED_TO_ASK = ("user", "code", "card")
_TYPES = {
    "posted": "PO_01 PO_09 CO_01",
    "out_for_delivery": "OEC_01",
    "delivered": "BDE_01",
    "failed_attempt": "BDE_02 BDE_07 BDE_18 BDE_19 BDE_20 BDE_25 FC_04 FC_07",
    "goes_back": "BDE_04 BDE_05 BDE_06 BDE_08 BDE_10 BDE_21 BDE_26 FC_01 FC_47",
    "returned": "BDE_23",
    # It waits at an agency, or is on its way to the sender.
    "noted": "LDI_01 LDI_02 LDI_03 LDI_04 LDI_14 BDE_24 OEC_09 LDE",
    # Lost, damaged, held, or the word before is to be disregarded.
    "staff": "BDE_09 BDE_28 IDC EST",
    "ignored": "RO DO PMT PAR",
}
MEANINGS: Mapping[str, str] = {
    word.replace("_", " "): meaning for meaning, words in _TYPES.items() for word in words.split()
}
_ADDRESS = "https://api.correios.com.br"
_BRASILIA = ZoneInfo("America/Sao_Paulo")
_AT_ONCE = 50
# A token lives for a day.
_TOKEN_SECONDS = 20 * 3600


def is_probe(_method: str, _headers: Headers, _body: bytes) -> bool:
    """Nobody of theirs comes by."""
    return True


def verify(_headers: Headers, _body: bytes, _credentials: Mapping[str, str]) -> None:
    """Raises `RefusedError`."""
    raise RefusedError(HTTPStatus.FORBIDDEN, "Correios have no webhooks.")


def read(_headers: Headers, _body: bytes) -> Told:
    """Nothing."""
    return Nothing(_("Correios have no webhooks."))


def questions(
    credentials: Mapping[str, str], parcels: Sequence[Parcel], call: Call, memory: dict[str, Any]
) -> Iterator[Question]:
    """Some parcels at once, in their order. The token is kept in `memory` for as long as it lives.

    What is no code of theirs is not asked for; where there is nothing else, they are only asked for the token.
    """
    theirs = [each for each in parcels if not correios_warning(each.code)]
    for some in batched(theirs, _AT_ONCE, strict=False):
        yield Question(some, partial(_ask, credentials, call, memory, [each.code.upper() for each in some]))
    if not theirs:
        yield Question((), partial(_ask, credentials, call, memory, []))


def _ask(
    credentials: Mapping[str, str], call: Call, memory: dict[str, Any], codes: Sequence[str]
) -> Iterator[ParcelNews]:
    headers = {"Authorization": f"Bearer {_token(credentials, call, memory)}"}
    if not codes:
        return
    params = {"codigosObjetos": codes, "resultado": "T"}
    status, _headers, found = call("GET", f"{_base(credentials)}/srorastro/v1/objetos", headers, params)
    if status != HTTPStatus.OK or not isinstance(found, dict):
        memory.clear()
        words = _("Correios do not tell about parcels (%(status)d): may the contract use this API?")
        raise RefusedError(HTTPStatus.BAD_GATEWAY, words % {"status": status})
    for parcel in rows(found, "objetos"):
        yield from (_news(text(parcel, "codObjeto"), event) for event in reversed(rows(parcel, "eventos")))


def _token(credentials: Mapping[str, str], call: Call, memory: dict[str, Any]) -> str:
    if memory.get("until", 0.0) > time.monotonic():
        return str(memory["token"])
    basic = base64.b64encode(f"{credentials['user']}:{credentials['code']}".encode()).decode()
    status, _headers, found = call(
        "POST",
        f"{_base(credentials)}/token/v1/autentica/cartaopostagem",
        {"Authorization": f"Basic {basic}"},
        sent={"numero": credentials["card"]},
    )
    token = text(found, "token") if isinstance(found, dict) else ""
    if status not in (HTTPStatus.OK, HTTPStatus.CREATED) or not token:
        words = _("Correios do not let us in (%(status)d): check user, access code and posting card.")
        raise RefusedError(HTTPStatus.BAD_GATEWAY, words % {"status": status})
    memory.update(token=token, until=time.monotonic() + _TOKEN_SECONDS)
    return token


def _base(credentials: Mapping[str, str]) -> str:
    return (credentials.get("address") or _ADDRESS).rstrip("/")


def _news(code: str, event: Fields) -> ParcelNews:
    return ParcelNews(
        word=_word(text(event, "codigo").upper(), text(event, "tipo")),
        occurred_at=reading.any_moment(text(event, "dtHrCriado"), _BRASILIA),
        codes=(code,),
        description=text(event, "descricao"),
    )


def _word(code: str, kind: str) -> str:
    code = {"BDI": "BDE", "BDR": "BDE"}.get(code, code)
    word = f"{code} {kind.zfill(2)}"
    return code if code in MEANINGS and word not in MEANINGS else word
