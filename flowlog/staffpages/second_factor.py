"""The second step of the log-in, for who wants it: a code of an app on their phone, or one of ten kept on paper."""

from __future__ import annotations

import base64
from typing import Any

import segno
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.safestring import SafeString, mark_safe
from django_otp import match_token
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

RECOVERY_CODES = 10
_NAME = "Flowlog"


def is_on(user: User) -> bool:
    """Whether the person's log-in asks for a code."""
    return bool(TOTPDevice.objects.filter(user=user.pk, confirmed=True).exists())


def begin(user: User) -> TOTPDevice:
    """What the person's app is to be told, new each time: whoever saw what was begun before knows nothing of it.

    Asked for only once it was confirmed.
    """
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user, confirmed=False).delete()
        return TOTPDevice.objects.create(user=user, confirmed=False, name=_NAME)


def begun(user: User) -> TOTPDevice | None:
    """What was begun last and waits to be confirmed."""
    return TOTPDevice.objects.filter(user=user, confirmed=False).order_by("-pk").first()


def confirm(user: User, code: str) -> list[str]:
    """Switch it on if the app's code is right; returns the codes to keep on paper, else nothing."""
    with transaction.atomic():
        device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).order_by("-pk").first()
        if device is None or not device.verify_token(_plain(code)):
            return []
        device.confirmed = True
        device.save(update_fields=["confirmed"])
        return new_recovery_codes(user)


def new_recovery_codes(user: User) -> list[str]:
    """New codes, each good once; those there were are none any more."""
    with transaction.atomic():
        StaticDevice.objects.filter(user=user).delete()
        device = StaticDevice.objects.create(user=user, name=_NAME)
        codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
        StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    return codes


def codes_left(user: User) -> int:
    return int(StaticToken.objects.filter(device__user=user).count())


def is_right(user: User, code: str) -> bool:
    """Whether it is the app's present code, or one of those on paper, which is used up. Wrong ones make it slower."""
    return match_token(user, _plain(code)) is not None


def switch_off(user: User) -> None:
    """The password alone is enough again."""
    TOTPDevice.objects.filter(user=user.pk).delete()
    StaticDevice.objects.filter(user=user.pk).delete()


def qr(device: Any) -> SafeString:
    """What the app reads, as a picture of ours alone: no text of anybody is in its markup."""
    return mark_safe(segno.make(device.config_url).svg_inline(scale=5, border=2, light="#fff"))  # noqa: S308


def secret_of(device: Any) -> str:
    """What is typed where nothing can be scanned, in groups of four."""
    text = base64.b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def _plain(code: str) -> str:
    return "".join(code.split()).lower()
