"""A snapshot of each shape that any release has written: rows that hold one are read by every later release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WRITTEN: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted(Path(__file__).parent.glob("*.json"))
}
