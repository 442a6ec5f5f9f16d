"""The report of `doctor`, to be pasted where one asks for help: without secrets, numbers, addresses of mail and people.

What the checks say in words of their own is in it; what they quote of logs is not, since it may be about anybody.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from flowlog.checklist import Item, line
from flowlog.env import Env
from flowlog.logs.masking import Masker, secrets_of
from flowlog.revision import read_revision
from flowlog.times import moment

_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def hide() -> Callable[[str], str]:
    """What takes out of a text all that must not be in it; settings are quoted by whoever says that they are wrong."""
    values = _everything()
    quoted = [repr(part.strip()) for value in values.values() for part in {value, *value.split(",")}]
    mask = Masker([*secrets_of(values), *quoted])
    return lambda text: _MAIL.sub("***@***", mask(text))


def head() -> Iterator[str]:
    """What is to be known of this machine."""
    yield _("Flowlog: report of %(moment)s") % {"moment": moment(timezone.now())}
    yield _("Version: %(revision)s") % {"revision": read_revision(settings.BASE_DIR)[:12] or "?"}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    machine = f"{_system()}, {platform.machine()}, {os.cpu_count()} CPU, {memory:.1f} GB"
    yield f"{machine}, Python {platform.python_version()}"
    example = (settings.BASE_DIR / ".env.example").read_text(encoding="utf-8")
    known, values = set(re.findall(r"(?m)^#?([A-Z][A-Z0-9_]+)=", example)), _everything()
    yield _("Settings that are set: %(names)s") % {
        "names": " ".join(sorted(name for name in known if values.get(name)))
    }


def told(item: Item, hide: Callable[[str], str]) -> str:
    """The item without what it quotes. Its name alone is no key to a secret that follows."""
    words = item.words.partition("\n")[0]
    return line(replace(item, name=hide(item.name), words=hide(words), todo=hide(item.todo)))


def _everything() -> Mapping[str, str]:
    with suppress(OSError, ValueError):  # it may not be read, or is no text
        return Env(settings.BASE_DIR / ".env").everything()
    return os.environ


def _system() -> str:
    with suppress(OSError):
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {platform.system()} {platform.release()}"
    return f"{platform.system()} {platform.release()}"
