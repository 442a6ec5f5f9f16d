"""A bare Debian or Ubuntu server in a folder, with systemd as its first process, on a network of its own.

Needs root, debootstrap and systemd-nspawn (Debian: apt-get install debootstrap systemd-container). What an installation
fetches is there beforehand, packages in apt's own cache and wheels in a folder, so that the server needs nothing from
outside. SUITE says which one: `trixie` (Debian 13), which it is without a word, `bookworm` (Debian 12), `noble` (Ubuntu
24.04; MIRROR says where to get it).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parents[2]
SUITE = os.environ.get("SUITE") or "trixie"
# Where Ubuntu comes from MIRROR tells debootstrap. One that is older than the release does not know its name, only how
# all of Ubuntu's are made.
_UBUNTU, _SCRIPT = "noble", "/usr/share/debootstrap/scripts/gutsy"
# Where the operator has put a Python for those that have none which Flowlog runs on; else install.sh finds their own.
PYTHON = "" if SUITE == "trixie" else "/opt/python/bin/python3.13"
HOMES = BASE_DIR / "var" / "debian"
WHEELS, REPOSITORY = Path("srv/wheels"), Path("srv/flowlog.git")
# What the guide presupposes and the tests type; and python3, with the libraries of a Python that comes from elsewhere.
_PACKAGES = ("git", "sudo", "curl", "procps", "iproute2", "python3", "openssh-server")
# What the guide has its operator install later.
_FIREWALL = ("ufw", "unattended-upgrades")
_BOOTED = 60


def prepare() -> Path:
    """The folder of a server as it is delivered, with what an installation will fetch; made once per content."""
    asked = ["env", "-u", "DATABASE_URL", "-u", "REDIS_URL", "bash", "deploy/install.sh", "--packages"]
    said = subprocess.run(asked, cwd=BASE_DIR, capture_output=True, text=True, check=True).stdout
    wanted = [*said.split(), *(["python3.13-venv"] if not PYTHON else [])]
    pins = (BASE_DIR / "requirements.txt").read_bytes()
    content = hashlib.sha256(pins + " ".join([*wanted, *_PACKAGES, *_FIREWALL]).encode()).hexdigest()[:12]
    home = HOMES / f"{SUITE}-{content}"
    if (home / "srv" / "ready").exists():
        return home
    for former in HOMES.glob(f"{SUITE}-*"):
        shutil.rmtree(former)
    home.mkdir(parents=True)
    include = "systemd,systemd-sysv,dbus,ca-certificates"
    mirror = os.environ["MIRROR"] if SUITE == _UBUNTU else ""
    source = [mirror, _SCRIPT] if mirror else []
    _run("debootstrap", "--variant=minbase", f"--include={include}", SUITE, str(home), *source)
    if mirror:
        parts = [f"deb {mirror} {each} main universe\n" for each in (SUITE, f"{SUITE}-updates")]
        (home / "etc" / "apt" / "sources.list").write_text("".join(parts))
    apt = f"chroot {home} env DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends".split()
    _run(*apt, "update")
    _run(*apt, "install", *_PACKAGES)
    # install.sh finds what it fetches in apt's cache, and does all else with it.
    _run(*apt, "install", "--download-only", *wanted)
    _run(*apt, "install", "--download-only", "--install-recommends", *_FIREWALL)
    # The address that the guide clones from leads to a repository here.
    clone = f'[url "/{REPOSITORY}"]\n\tinsteadOf = https://github.com/SUA-CONTA/flowlog.git\n'
    (home / "etc" / "gitconfig").write_text(f"[safe]\n\tdirectory = /{REPOSITORY}\n{clone}")
    wheels = home / WHEELS
    wheels.mkdir(parents=True)
    _run(sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(wheels), "-r", "requirements.txt")
    (home / "etc" / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = /{WHEELS}\n")
    if PYTHON:
        _put_python(home)
    (home / "srv" / "ready").touch()
    return home


def _put_python(home: Path) -> None:
    """As an operator would by uv: a copy of the Python that runs here, which does not mind where it lies."""
    prefix = Path(sys.base_prefix)
    to = home / Path(PYTHON).parents[1].relative_to("/")
    shutil.copytree(prefix, to, symlinks=True, ignore=shutil.ignore_patterns("site-packages", "test", "__pycache__"))
    (home / "etc" / "ld.so.conf.d" / "python.conf").write_text("/opt/python/lib\n")
    _run("chroot", str(home), "ldconfig")


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} … failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


class Server:
    """One running server on the prepared folder, with what it changes apart; where that cannot be, on a copy."""

    def __init__(self, prepared: Path, root: Path) -> None:
        self.root = root
        self._changes = root.with_name(f"{root.name}-changes")
        upper, work = self._changes / "upper", self._changes / "work"
        for folder in (root, upper, work):
            folder.mkdir(parents=True)
        layers = f"lowerdir={prepared},upperdir={upper},workdir={work}"
        mounted = subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", layers, str(root)], capture_output=True, check=False
        )
        if mounted.returncode:
            subprocess.run(["cp", "-a", "--reflink=auto", f"{prepared}/.", str(root)], check=True)
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def boot(self) -> None:
        """Start it; returns once systemd says that it is up."""
        command = ["systemd-nspawn", f"--directory={self.root}", "--register=no", "--keep-unit", "--private-network"]
        with (self.root.parent / "console.log").open("wb") as console:
            self._nspawn = subprocess.Popen(
                [*command, "--machine=flowlog", "--hostname=loja", "--boot"],
                env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT,
            )  # fmt: skip
        ends = time.monotonic() + _BOOTED
        while not self._is_up():
            if time.monotonic() > ends or self._nspawn.poll() is not None:
                text = (self.root.parent / "console.log").read_text(errors="replace")
                raise RuntimeError(f"The server did not boot:\n{text[-3000:]}")
            time.sleep(0.2)

    def _is_up(self) -> bool:
        assert self._nspawn
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        if not children:
            return False
        self._leader = int(children[0])
        done = self._enter("systemctl", "is-system-running")
        return done.stdout.strip() in ("running", "degraded")

    def _inside(self, *command: str) -> list[str]:
        namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root"]
        return [
            "nsenter",
            f"--target={self._leader}",
            *namespaces,
            "env",
            "--chdir=/root",
            "-i",
            *_ENVIRONMENT,
            *command,
        ]

    def _enter(self, *command: str, feed: str = "", timeout: float = 600) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._inside(*command), input=feed, capture_output=True, text=True, check=False, timeout=timeout
        )

    def try_(self, script: str, *, feed: str = "", timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """What a root shell on the server makes of the script."""
        return self._enter("bash", "-c", script, feed=feed, timeout=timeout)

    def run(self, script: str, *, feed: str = "", timeout: float = 600) -> str:
        """The same for a script that must succeed; returns what it printed."""
        done = self.try_(script, feed=feed, timeout=timeout)
        assert done.returncode == 0, f"{script}\n→ {done.returncode}\n{done.stdout[-6000:]}{done.stderr[-6000:]}"
        return done.stdout

    def talk(self, script: str, *exchange: tuple[str, str]) -> str:
        """The same in a terminal, where each question, recognised by some words of it, gets its answer."""
        terminal = ["script", "--quiet", "--return", "--command", script, "/dev/null"]
        shown = ""
        with subprocess.Popen(
            self._inside(*terminal), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as talk:
            assert talk.stdin
            assert talk.stdout
            for question, answer in exchange:
                before = len(shown)
                while question not in shown[before:]:
                    said = os.read(talk.stdout.fileno(), 4096)
                    assert said, f"In vain waited for “{question}”:\n{shown}"
                    shown += said.decode()
                talk.stdin.write(f"{answer}\n".encode())
                talk.stdin.flush()
            shown += talk.stdout.read().decode()
        assert talk.returncode == 0, shown
        return shown

    def start(self, script: str) -> subprocess.Popen[str]:
        """A root shell that goes on in the background, until its standard input ends."""
        return subprocess.Popen(
            self._inside("bash", "-c", script),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def cut_power(self) -> None:
        """End everything at once; `boot` starts it again."""
        if self._nspawn and self._nspawn.poll() is None:
            if self._leader:
                os.kill(self._leader, signal.SIGKILL)
            else:
                self._nspawn.kill()
            self._nspawn.wait(30)
        self._leader = 0

    def remove(self) -> None:
        """The same, for good."""
        self.cut_power()
        if self.root.is_mount():
            subprocess.run(["umount", "--lazy", str(self.root)], check=True)
        for folder in (self.root, self._changes):
            shutil.rmtree(folder, ignore_errors=True)


_ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8")


if __name__ == "__main__":
    prepare()
