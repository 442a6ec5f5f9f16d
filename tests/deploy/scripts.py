"""The scripts of `deploy/` in a folder of their own, run as who runs the tests."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.embedded import BASE_DIR


class Scripts:
    """A folder with the scripts and this interpreter's libraries; what they write stays in it."""

    def __init__(self, root: Path, **env: str) -> None:
        self.root = root
        shutil.copytree(BASE_DIR / "deploy", root / "deploy")
        (root / ".venv").symlink_to(sys.prefix)
        servers = {"DATABASE_URL", "REDIS_URL"}  # the tests' own are no business of the scripts
        inherited = {name: value for name, value in os.environ.items() if name not in servers}
        self._env = {**inherited, "FLOWLOG_USER": getpass.getuser(), "LC_ALL": "C.UTF-8", **env}

    def run(self, script: str, *arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        """What becomes of `deploy/<script>.sh` with these arguments."""
        return subprocess.run(
            ["bash", str(self.root / "deploy" / f"{script}.sh"), *map(str, arguments)],
            cwd=self.root, env=self._env | env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=120,
        )  # fmt: skip

    def log(self, name: str) -> str:
        """What stands in the log `logs/<name>.log`."""
        return (self.root / "logs" / f"{name}.log").read_text()
