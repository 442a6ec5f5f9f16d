"""DEPLOY.md's commands, word for word, so that tests run each as it is written there and none is forgotten."""

from __future__ import annotations

import re
import shlex

from tests.deploy.container import Server
from tests.embedded import BASE_DIR

GUIDE = (BASE_DIR / "DEPLOY.md").read_text()
FOLDER = "/opt/flowlog"
_BLOCK = re.compile(r"(?ms)^```(?:ba)?sh\n(.*?)^```$")
# In running text, what begins like this is a command, and whole.
_COMMAND = re.compile(r"(?:sudo|python|pip|git|tail|systemctl|redis-cli|deploy/\w+\.sh) \S")


def commands(text: str = GUIDE) -> list[str]:
    """Every command of the text: each line of its blocks, without comments, and those within its sentences."""
    lines = [line for block in _BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    found = [" ".join(re.sub(r"(^|\s)#.*", "", line).split()) for line in lines]
    sentences = _BLOCK.sub("", text).replace("\\|", "|")
    found += [code for code in re.findall(r"`([^`\n]+)`", sentences) if _COMMAND.match(code) and "…" not in code]
    return [command for command in dict.fromkeys(found) if command]


class Operator:
    """Somebody at a server who does what the guide says: with `sudo` as root, anything else as `flowlog`.

    `stands_for`: what is put where the guide has a word of its own.
    """

    left = commands()
    """What no operator has run yet."""

    def __init__(self, server: Server, stands_for: dict[str, str]) -> None:
        self.server = server
        self.stands_for = stands_for

    def run(self, command: str, *, feed: str = "") -> str:
        """Run one of the guide's commands in the folder of the code; returns what it printed."""
        return self.server.run(self.line(command), feed=feed)

    def line(self, command: str, *, folder: str = FOLDER) -> str:
        """The shell's line for one of the guide's commands, which counts as run."""
        script = f"cd {folder}; {self._taken(command)}"
        if command.startswith("sudo"):
            return script
        return f"sudo -u flowlog bash -ec {shlex.quote(script.replace('; ', '; source .venv/bin/activate; ', 1))}"

    def run_together(self, *commands: str) -> str:
        """Run the commands one after the other in a root shell of their own."""
        return self.server.run("\n".join(map(self._taken, commands)))

    def _taken(self, command: str) -> str:
        assert command in commands(), f"The guide does not say: {command}"
        if command in self.left:
            self.left.remove(command)
        for word, meant in self.stands_for.items():
            command = command.replace(word, meant)
        return command
