"""Production's settings, but for static files that nobody has collected; their values are in `surroundings.py`."""

from __future__ import annotations

import sys

from flowlog.logs.config import MAIN, process_name
from flowlog.settings import *  # noqa: F403

STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
STATIC_ROOT = LOG_DIR.parent / "static"  # noqa: F405
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
# The web's log has its file, as in production, and does not stand between the figures too.
if process_name(sys.argv) == MAIN:
    LOGGING["root"]["handlers"] = [each for each in LOGGING["root"]["handlers"] if each != "console"]  # noqa: F405
