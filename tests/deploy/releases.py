"""A repository with releases of this very code, for a server to install and to be brought up to date from."""

from __future__ import annotations

import shutil
import subprocess
from copy import copy
from importlib.util import cache_from_source
from pathlib import Path

from tests.embedded import BASE_DIR

_AS = ("-c", "user.name=Flowlog", "-c", "user.email=flowlog@example.com", "-c", "commit.gpgsign=false")


class Releases:
    """A working copy with this tree's files as its first commit on `main`, pushed to a bare repository."""

    def __init__(self, folder: Path, origin: Path) -> None:
        self.folder, self._origin = folder, origin
        folder.mkdir(parents=True)
        listed = _git(BASE_DIR, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        for name in filter(None, listed.split("\0")):
            if (BASE_DIR / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(BASE_DIR / name, folder / name)
                _copy_compiled(name, folder)
        _git(folder, "init", "--quiet", "--initial-branch=main")
        _git(folder.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
        _git(folder, "remote", "add", "origin", str(origin))
        self.release("v1")

    def copied(self, folder: Path, origin: Path) -> Releases:
        """Both as they are, in other places."""
        other = copy(self)
        other.folder, other._origin = folder, origin
        for here, there in ((self.folder, folder), (self._origin, origin)):
            shutil.copytree(here, there, symlinks=True)
        _git(folder, "remote", "set-url", "origin", str(origin))
        return other

    def release(self, tag: str) -> str:
        """Commit what the folder holds, tag it, push both; returns the commit."""
        _git(self.folder, "add", "--all")
        _git(self.folder, *_AS, "commit", "--quiet", "--allow-empty", "--message", tag)
        _git(self.folder, "tag", tag)
        _git(self.folder, "push", "--quiet", "--tags", "origin", "main")
        return _git(self.folder, "rev-parse", "HEAD").strip()


def _copy_compiled(name: str, folder: Path) -> None:
    """So that what is run there need not compile all of it first; it counts as long as its source is not changed."""
    compiled = Path(cache_from_source(name))
    if (BASE_DIR / compiled).is_file():
        (folder / compiled).parent.mkdir(exist_ok=True)
        shutil.copy2(BASE_DIR / compiled, folder / compiled)


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout
