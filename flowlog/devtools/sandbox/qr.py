"""The QR code that a phone scans to become the instance's. Here it is pressed instead of scanned."""

from __future__ import annotations

import base64
import io
import secrets
import string
from dataclasses import dataclass

_PAIRING_ALPHABET = string.ascii_uppercase + string.digits
_PAIRING_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Qr:
    """One code to pair with; `pairing_code` only for somebody who gave a number to type it at."""

    code: str
    png: bytes
    pairing_code: str | None = None

    @property
    def base64(self) -> str:
        """The picture as the gateway gives it: a data URL."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


def new_qr(number: str = "") -> Qr:
    """A code such as WhatsApp's: a reference and three keys."""
    # Here: only a developer's machine has it.
    import segno  # noqa: PLC0415

    keys = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(3))
    code = ",".join([f"2@{base64.b64encode(secrets.token_bytes(66)).decode()}", *keys])
    picture = io.BytesIO()
    segno.make(code, error="m", micro=False).save(picture, kind="png", scale=5, border=4)
    pairing = "".join(secrets.choice(_PAIRING_ALPHABET) for _ in range(_PAIRING_LENGTH)) if number else None
    return Qr(code, picture.getvalue(), pairing)
