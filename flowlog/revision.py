"""Which revision of the code a process runs: read once, at its start, since the files may change while it lives."""

from __future__ import annotations

import subprocess
from pathlib import Path

_TIMEOUT = 10


def read_revision(root: Path) -> str:
    """The commit that is checked out at `root`, or what its file REVISION says; empty if neither is known."""
    file = root / "REVISION"
    if file.is_file():
        return file.read_text().strip()
    return _git(root, "rev-parse", "HEAD").strip()


def changed_by_hand(root: Path) -> list[str]:
    """The files at `root` that are other than in the commit that is checked out there."""
    return [line[3:] for line in _git(root, "status", "--porcelain").splitlines()]


def _git(root: Path, *arguments: str) -> str:
    """What git says; nothing if it cannot."""
    # The code may belong to another user than the one who runs it; git would refuse to look.
    command = ["git", "-c", f"safe.directory={root}", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
