"""What the scripts refuse, before anything has changed. What they do is tested on a server: installation.py."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.deploy.guide import commands
from tests.deploy.scripts import Scripts

ALL = ("install", "deploy", "rollback", "backup", "restore")


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    return Scripts(tmp_path / "flowlog")


@pytest.mark.parametrize("script", ALL)
def test_help_says_how_it_is_used(scripts: Scripts, script: str) -> None:
    done = scripts.run(script, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"deploy/{script}.sh" in done.stdout.splitlines()[0]


@pytest.mark.parametrize("script", ALL)
def test_unknown_options_are_refused(scripts: Scripts, script: str) -> None:
    done = scripts.run(script, "--nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ERRO: opção desconhecida: --nonsense\nUse --help para ver as opções.\n"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("install --domain", "a opção --domain pede um valor"),
        ("install --domain --dry-run", "a opção --domain pede um valor"),
        ("install --domain Loja", '--domain pede um nome como pedidos.exemplo.com.br, não "Loja"'),
        ("install --dir flowlog", '--dir pede um caminho absoluto de letras, números e . _ / -, não "flowlog"'),
        ("install --dir /home/ana/flowlog", "--dir não pode ficar em /home/ana/flowlog"),
        ("install --branch feature", '--branch só pode ser main ou production, não "feature"'),
        ("install --only web,mail", '--only conhece web, worker-default e worker-whatsapp, não "mail"'),
        ("install --evolution-url http://evolution.example.com", "--evolution-url deve começar com https://"),
        ("install --env /no/file", "--env: /no/file não pode ser lido"),
        ("install --python /no/python", "--python: /no/python não é um programa"),
        ("install --certificate /no/file", "--certificate pede também --key"),
        ("install --key /no/file", "--key pede também --certificate"),
        ("install --certificate /no/file --key /no/key", "o certificado ou sua chave não podem ser lidos"),
        ("deploy", "diga para onde vai a mensagem de teste (--number)"),
        ("deploy --number", "a opção --number pede um valor"),
        ("deploy --dry --timeout soon", '--timeout pede um número inteiro acima de zero, não "soon"'),
        ("rollback v1 v2", 'uma revisão só, não "v1" e "v2"'),
        ("backup --days 0", '--days pede um número inteiro acima de zero, não "0"'),
        ("backup --dir", "a opção --dir pede um valor"),
        ("restore", "diga qual cópia restaurar"),
        ("restore /no/file.dump", "o arquivo /no/file.dump não existe ou não pode ser lido"),
        ("restore a.dump b.dump", "só um arquivo de cada vez"),
    ],
)
def test_wrong_options_are_refused_with_a_sentence(scripts: Scripts, command: str, words: str) -> None:
    done = scripts.run(*command.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"ERRO: {words}")
    assert sorted(path.name for path in scripts.root.iterdir()) == [".venv", "deploy"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATABASE_URL", "mysql://x/y", "DATABASE_URL deve ser como postgresql://"),
        ("REDIS_URL", "localhost", "REDIS_URL deve ser como redis://"),
    ],
)
def test_wrong_addresses_are_refused_with_a_sentence(scripts: Scripts, name: str, value: str, words: str) -> None:
    done = scripts.run("install", "--domain", "loja.example.com", **{name: value})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"ERRO: {words}")


@pytest.mark.parametrize(
    ("command", "lock"),
    [("deploy --dry", "deploy"), ("rollback v1", "deploy"), ("backup --dir .", "backup")],
)
def test_only_one_at_a_time(scripts: Scripts, command: str, lock: str) -> None:
    (scripts.root / "var").mkdir()
    path = scripts.root / "var" / f"{lock}.lock"
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = scripts.run(*command.split())
    assert (done.returncode, done.stderr) == (1, f"ERRO: outro processo já está fazendo isto ({path}).\n")


def test_somebody_else_is_refused(scripts: Scripts) -> None:
    done = scripts.run("deploy", "--dry", FLOWLOG_USER="nobody-of-that-name", HOME="/")
    # Root may stand in for anyone, as long as there is such a user.
    words = "não há usuário nobody-of-that-name" if os.geteuid() == 0 else "rode como root (sudo) ou como nobody"
    assert (done.returncode, words in done.stderr) == (2, True)
    assert not (scripts.root / "logs").exists()


class TestLostTerminal:
    """What has begun goes on to its end when the connection breaks or the screen is closed."""

    STEPS = """
        ROOT=$PWD LOG=$PWD/steps.log; source deploy/lib.sh; source deploy/release_steps.sh
        touch "$LOG"; take_lock "$PWD/steps.lock"; outlive_terminal
        kill -HUP $$
        log "one"; step "two" printf 'said by two\n'
        step "three" bash -c 'sleep 60 >/dev/null 2>&1 & echo $! >left-behind'
        log "four"
    """

    def test_nothing_is_lost_and_nothing_keeps_the_lock(self, scripts: Scripts) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.STEPS],
            cwd=scripts.root, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=30,
        )  # fmt: skip
        os.close(writer)
        left_behind = int((scripts.root / "left-behind").read_text())
        try:
            assert done.returncode == 0, done.stderr
            words = [line.partition(" ")[2] or line for line in (scripts.root / "steps.log").read_text().splitlines()]
            assert words == ["one", "· two", "by two", "· three", "four"]
            with (scripts.root / "steps.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.kill(left_behind, signal.SIGKILL)


class Clone:
    """A clone on a server, with two revisions, and what it takes to make folders of them."""

    WITH = "ROOT=$PWD; source deploy/lib.sh; source deploy/release_folders.sh; "

    @pytest.fixture
    def clone(self, scripts: Scripts) -> Scripts:
        self.git(scripts, "init", "--quiet", "--initial-branch=main")
        (scripts.root / ".gitignore").write_text("/.env\n/.venv\n/logs/\n/var/\n")
        for folder in ("var", "logs"):
            (scripts.root / folder).mkdir()
        (scripts.root / ".env").write_text("")
        self.git(scripts, "add", "deploy", ".gitignore")
        for name in ("old", "new"):
            (scripts.root / "release").write_text(name)
            self.git(scripts, "add", "release")
            self.git(scripts, "commit", "--quiet", "--message", name)
        return scripts

    def git(self, scripts: Scripts, *arguments: str) -> str:
        who = ("-c", "user.name=Flowlog", "-c", "user.email=flowlog@example.com", "-c", "commit.gpgsign=false")
        return subprocess.run(
            ["git", *who, *arguments], cwd=scripts.root, capture_output=True, text=True, check=True
        ).stdout.strip()

    def bash(self, scripts: Scripts, script: str) -> str:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.WITH + script],
            cwd=scripts.root, capture_output=True, text=True, check=True, timeout=60,
        ).stdout.strip()  # fmt: skip

    def made(self, scripts: Scripts, name: str, revision: str | None = "r") -> Path:
        folder = scripts.root / "releases" / name
        folder.mkdir(parents=True)
        if revision:
            (folder / "REVISION").write_text(f"{revision}\n")
        return folder

    def links(self, scripts: Scripts) -> dict[str, str]:
        return {path.name: str(path.readlink()) for path in (scripts.root / "releases").iterdir() if path.is_symlink()}


class TestReleases(Clone):
    """A folder for each revision that runs, and two links: what the services start, and what ran before."""

    def test_a_release_is_its_commit_whatever_becomes_of_the_clone(self, clone: Scripts) -> None:
        venv = clone.root / ".venv"
        venv.unlink()
        (venv / "lib").mkdir(parents=True)
        (venv / "lib" / "library.py").write_text("one")
        self.bash(clone, 'unpack_release "$RELEASES/1" HEAD~1')
        release = clone.root / "releases" / "1"
        assert (release / "release").read_text() == "old"
        assert ((release / ".env").resolve(), (release / "logs").resolve()) == (
            clone.root / ".env",
            clone.root / "logs",
        )
        # Linked, not copied, until pip puts another file in its place.
        assert (release / ".venv" / "lib" / "library.py").samefile(venv / "lib" / "library.py")
        # A copy that is begun by hand and the one of the night use the same database to check themselves.
        assert [path.resolve() for path in (release / "var").iterdir()] == [clone.root / "var" / "backup.lock"]
        assert self.git(clone, "status", "--porcelain") == ""

    def test_the_links_tell_what_runs_and_what_ran_before(self, scripts: Scripts) -> None:
        for name, revision in (("1", "a"), ("2", "b"), ("3", "b")):
            self.made(scripts, name, revision)
        self.bash(scripts, "switch_to $RELEASES/1")
        assert self.links(scripts) == {"current": "1"}
        self.bash(scripts, "switch_to $RELEASES/2")
        assert self.links(scripts) == {"current": "2", "previous": "1"}
        # The same revision once more is nothing to go back from.
        self.bash(scripts, "switch_to $RELEASES/3")
        assert self.links(scripts) == {"current": "3", "previous": "1"}
        assert self.bash(scripts, "release_revision current; release_folder previous; find_release b") == "\n".join(
            ["b", *(str(scripts.root / "releases" / name) for name in ("1", "3"))]
        )

    def test_old_ones_go_unless_something_needs_them(self, scripts: Scripts) -> None:
        for number in range(1, 12):
            self.made(scripts, f"{number:02}")
        self.made(scripts, "12", revision=None)
        for link, name in (("current", "02"), ("previous", "04")):
            (scripts.root / "releases" / link).symlink_to(name)
        with subprocess.Popen(["cat"], cwd=scripts.root / "releases" / "03", stdin=subprocess.PIPE) as running:
            self.bash(scripts, "prune_releases")
            assert running.stdin
            running.stdin.close()
        left = {path.name for path in (scripts.root / "releases").iterdir()}
        assert left == {"current", "previous", "02", "03", "04", "07", "08", "09", "10", "11"}

    def test_rollback_needs_a_name_as_long_as_nothing_else_ran(self, clone: Scripts) -> None:
        head = self.git(clone, "rev-parse", "HEAD")
        self.made(clone, "1", head)
        self.bash(clone, "switch_to $RELEASES/1")
        done = clone.run("rollback", "--yes")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("ERRO: não se sabe o que rodava antes")

    @pytest.mark.parametrize("command", ["deploy --dry", "rollback HEAD~1"])
    def test_units_of_before_are_to_be_brought_up_to_date_first(self, clone: Scripts, command: str) -> None:
        head = self.git(clone, "rev-parse", "HEAD")
        done = clone.run(*command.split())
        assert done.returncode == 1
        assert done.stderr.startswith(f"ERRO: os serviços ainda não iniciam {clone.root}/releases/current; nada mudou.")
        assert f"checkout --detach {head} && sudo /root/flowlog/deploy/install.sh" in done.stderr

    def test_a_git_that_fails_is_no_clean_tree(self, scripts: Scripts) -> None:
        done = scripts.run("rollback", "v1", "--yes", GIT_DIR="/nowhere")
        assert done.returncode != 0
        assert not (scripts.root / "releases").exists()


class TestTakeOver(Clone):
    """A restart by hand starts what is checked out; a boot, or a process that dies, what ran."""

    PYTHON = """#!/bin/sh
case "$*" in
    *collectstatic*) mkdir staticfiles ;;
    *migrate*) [ ! -e ../../var/missing-migrations ] ;;
esac
"""

    @pytest.fixture
    def server(self, clone: Scripts, tmp_path: Path) -> Scripts:
        """A clone whose older revision runs."""
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "systemctl").write_text(f"#!/bin/sh\ncat {tmp_path}/restarts\n")
        (clone.root / ".venv").unlink()
        (clone.root / ".venv" / "bin").mkdir(parents=True)
        (clone.root / ".venv" / "bin" / "python").write_text(self.PYTHON)
        for path in (tmp_path / "bin" / "systemctl", clone.root / ".venv" / "bin" / "python"):
            path.chmod(0o755)
        (tmp_path / "own").mkdir()
        for name in ("take_over.sh", "release_folders.sh", "lib.sh"):
            text = (clone.root / "deploy" / name).read_text()
            (tmp_path / "own" / name).write_text(text.replace("/opt/flowlog", str(clone.root)))
        self.git(clone, "checkout", "--quiet", "HEAD~1")
        assert self.started(clone, tmp_path, 0, "--first") == "old"
        self.git(clone, "checkout", "--quiet", "main")
        return clone

    def started(self, server: Scripts, tmp_path: Path, restarts: int, unit: str = "flowlog-web") -> str:
        """What runs after this start of a unit, of which systemd has made so many by itself: the release's word."""
        (tmp_path / "restarts").write_text(f"{restarts}\n")
        done = subprocess.run(
            ["bash", str(tmp_path / "own" / "take_over.sh"), unit],
            env=os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        return (server.root / "releases" / "current" / "release").read_text()

    def test_only_who_restarts_it_brings_in_what_is_checked_out(self, server: Scripts, tmp_path: Path) -> None:
        # The server has come up, the process has died, and once more.
        assert [self.started(server, tmp_path, restarts) for restarts in (0, 1, 2)] == ["old"] * 3
        assert self.started(server, tmp_path, 0) == "new"
        assert "Reinício de flowlog-web à mão: os serviços iniciam a revisão" in server.log("deploy")
        assert set(self.links(server)) == {"current", "previous"}

    def test_also_while_it_dies_again_and_again(self, server: Scripts, tmp_path: Path) -> None:
        """Between two of its own starts systemd has not forgotten how many there were."""
        assert [self.started(server, tmp_path, restarts) for restarts in (0, 1, 2, 2)] == ["old", "old", "old", "new"]

    def test_each_unit_is_looked_at_by_itself(self, server: Scripts, tmp_path: Path) -> None:
        self.started(server, tmp_path, 0)
        assert self.started(server, tmp_path, 3, "flowlog-worker-default") == "old"
        assert self.started(server, tmp_path, 4, "flowlog-worker-default") == "old"
        assert self.started(server, tmp_path, 0) == "new"

    def test_after_the_server_was_down_it_counts_anew(self, server: Scripts, tmp_path: Path) -> None:
        note = server.root / "var" / "started-flowlog-web"
        self.started(server, tmp_path, 0)
        note.write_text("another-boot 0\n")
        assert self.started(server, tmp_path, 0) == "old"

    @pytest.mark.parametrize(
        ("spoil", "words"),
        [("release", "há mudanças feitas à mão nele"), ("var/missing-migrations", "faltam migrations")],
        ids=["dirty", "schema"],
    )
    def test_what_is_not_fit_to_run_is_said_and_not_started(
        self, server: Scripts, tmp_path: Path, spoil: str, words: str
    ) -> None:
        self.started(server, tmp_path, 0)
        (server.root / spoil).write_text("by hand")
        assert self.started(server, tmp_path, 0) == "old"
        assert words in server.log("deploy")
        assert len(list((server.root / "releases").iterdir())) == 2

    def test_changes_by_hand_are_told_of_also_at_the_revision_that_runs(self, server: Scripts, tmp_path: Path) -> None:
        assert [self.started(server, tmp_path, 0) for _ in range(2)] == ["old", "new"]
        (server.root / "release").write_text("by hand")
        assert self.started(server, tmp_path, 0) == "new"
        [*_, line] = server.log("deploy").splitlines()
        assert line.endswith("há mudanças feitas à mão nele; veja git status.")

    def test_a_deploy_that_is_going_on_knows_what_it_starts(self, server: Scripts, tmp_path: Path) -> None:
        self.started(server, tmp_path, 0)
        with (server.root / "var" / "deploy.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert self.started(server, tmp_path, 0) == "old"


class TestForeignFiles:
    """What root is told by files that `flowlog` may change is only read, and only where it makes sense."""

    def bash(self, scripts: Scripts, script: str) -> subprocess.CompletedProcess[str]:
        begin = "set -euo pipefail; ROOT=$PWD; source deploy/lib.sh; source deploy/install_steps.sh; DOMAIN=x KEY=y; "
        begin += "CERTIFICATE=z; "
        return subprocess.run(
            ["bash", "-c", begin + script], cwd=scripts.root, capture_output=True, text=True, check=False, timeout=30
        )

    def test_what_pgenv_prints_is_not_run(self, scripts: Scripts) -> None:
        take = "take_database printf '%s\\0' 'PGHOST=$(touch owned)' 'PGUSER=a=b c'"
        done = self.bash(scripts, f'{take}; printf \'%s|%s\' "$PGHOST" "$PGUSER"')
        assert (done.returncode, done.stdout) == (0, "$(touch owned)|a=b c")
        assert self.bash(scripts, "take_database printf 'LD_PRELOAD=x\\0' || exit 3").returncode == 3
        assert self.bash(scripts, "take_database false || exit 4").returncode == 4
        assert not (scripts.root / "owned").exists()

    def test_what_a_managed_database_asks_for_reaches_postgresqls_programs(self, scripts: Scripts) -> None:
        address = (
            "postgresql://flowlog:s%40nha@db.example:5433/loja?sslmode=verify-full&sslrootcert=/etc/flowlog/ca.pem"
            "&channel_binding=require&options=endpoint%3Dep-azul%20-c%20lock_timeout%3D5s"
        )
        take = f"export DATABASE_URL='{address}'; use_database; env | grep ^PG | sort"
        assert self.bash(scripts, take).stdout.splitlines() == [
            "PGCHANNELBINDING=require",
            "PGDATABASE=loja",
            "PGHOST=db.example",
            "PGOPTIONS=endpoint=ep-azul -c lock_timeout=5s",
            "PGPASSWORD=s@nha",
            "PGPORT=5433",
            "PGSSLMODE=verify-full",
            "PGSSLROOTCERT=/etc/flowlog/ca.pem",
            "PGUSER=flowlog",
        ]

    def test_what_goes_into_etc_comes_from_roots_own_copy(self, scripts: Scripts) -> None:
        theirs = scripts.root / "theirs" / "deploy" / "systemd"
        theirs.mkdir(parents=True)
        (theirs / "flowlog-web.service").write_text("ExecStart=/usr/bin/touch /root/owned\n")
        (theirs / "flowlog-evil.service").write_text("")
        done = self.bash(scripts, "DIR=$PWD/theirs; unit_files; rendered systemd/flowlog-web.service")
        assert (done.returncode, "owned" in done.stdout, "evil" in done.stdout) == (0, False, False)
        assert f"WorkingDirectory={scripts.root}/theirs/releases/current\n" in done.stdout

    def test_no_line_of_the_guide_has_root_run_the_services_code(self) -> None:
        assert [line for line in commands() if re.match(r"sudo (?:/opt|\.venv|python)", line)] == []


class TestSignatures:
    """With keys configured only a release that one of them has signed comes in."""

    def test_an_unsigned_one_is_refused(self, scripts: Scripts, tmp_path: Path) -> None:
        key, signers = tmp_path / "key", tmp_path / "signers"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        signers.write_text(f"ana@example.com {key.with_suffix('.pub').read_text()}")

        def git(*arguments: str) -> None:
            who = (
                "-c",
                "user.name=A",
                "-c",
                "user.email=a@example.com",
                "-c",
                "gpg.format=ssh",
                "-c",
                f"user.signingkey={key}",
            )
            subprocess.run(["git", *who, *arguments], cwd=scripts.root, capture_output=True, check=True)

        def accepted() -> bool:
            script = "ROOT=$PWD; SIGNERS=$1; source deploy/lib.sh; source deploy/release_steps.sh; check_signature HEAD"
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script, "-", signers],
                cwd=scripts.root,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0 or "não leva uma tag assinada" in done.stderr
            return done.returncode == 0

        git("init", "--quiet")
        git("commit", "--quiet", "--allow-empty", "--no-gpg-sign", "--message", "one")
        git("tag", "--annotate", "--no-sign", "--message", "v1", "v1")
        assert not accepted()
        git("tag", "--sign", "--message", "v1.1", "v1.1")
        assert accepted()
        signers.write_text(f"ana@example.com {key.with_suffix('.pub').read_text()[:30]}AAAA\n")
        assert not accepted()
        signers.unlink()
        assert accepted()


class TestInterrupted:
    """Ctrl-C while the code is fetched: a word, and nothing half done."""

    GIT = """#!/bin/sh
case " $* " in *" fetch "*) kill -INT "$PPID"; exit 130 ;; esac
exec {git} "$@"
"""

    def test_it_says_that_nothing_has_changed(self, scripts: Scripts, tmp_path: Path) -> None:
        real = shutil.which("git")

        def git(*arguments: str) -> str:
            who = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
            done = subprocess.run(
                ["git", *who, *arguments], cwd=scripts.root, capture_output=True, text=True, check=True
            )
            return done.stdout.strip()

        (scripts.root / ".gitignore").write_text("/.venv\n/logs/\n/releases/\n/var/\n")
        git("init", "--quiet", "--initial-branch=main")
        git("add", "--all")
        git("commit", "--quiet", "--message", "one")
        git("clone", "--quiet", "--bare", ".", str(tmp_path / "origin"))
        git("remote", "add", "origin", str(tmp_path / "origin"))
        before = git("rev-parse", "HEAD")
        (scripts.root / "releases" / "current").mkdir(parents=True)
        (scripts.root / "releases" / "current" / "REVISION").write_text(f"{before}\n")
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "git").write_text(self.GIT.format(git=real))
        (tmp_path / "bin" / "git").chmod(0o755)
        done = scripts.run("deploy", "--dry", PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        assert (done.returncode, done.stderr) == (1, "ERRO: o deploy parou enquanto baixava o código; nada mudou.\n")
        assert "Interrompido." in scripts.log("deploy")
        assert (git("rev-parse", "HEAD"), git("status", "--porcelain")) == (before, "")


class TestNews:
    """What deploy.sh tells of what comes in, and whom it tells that it goes on."""

    SCRIPT = "ROOT=$PWD LOG=$PWD/log; source deploy/lib.sh; source deploy/news_steps.sh; touch $LOG; "

    def bash(self, scripts: Scripts, script: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.SCRIPT + script],
            cwd=scripts.root, env=os.environ | env, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip

    def test_commits_changes_and_settings_are_shown(self, scripts: Scripts) -> None:
        who = ("-c", "user.name=Flowlog", "-c", "user.email=flowlog@example.com", "-c", "commit.gpgsign=false")

        def commit(subject: str, changes: str, settings: str) -> None:
            (scripts.root / "CHANGELOG.md").write_text(changes)
            (scripts.root / ".env.example").write_text(settings)
            for command in (("add", "CHANGELOG.md", ".env.example"), ("commit", "--quiet", "--message", subject)):
                subprocess.run(["git", *who, *command], cwd=scripts.root, check=True)

        subprocess.run(["git", "init", "--quiet"], cwd=scripts.root, check=True)
        commit("old", "- Of before.\n", "#GONE=1\nDEBUG=true\n")
        commit("desk: the new\n\nWhy.", "- New: “%s”.\n- Of before.\n", "DEBUG=true\n# NOTE=x\n#BORN=2\n")
        done = self.bash(scripts, "show_news HEAD~1 HEAD; show_news HEAD HEAD")
        assert done.stderr == ""
        lines = done.stdout.splitlines()
        assert re.fullmatch(r"  [0-9a-f]{7,} desk: the new", lines.pop(1))
        assert lines == [
            "Commits que chegam (1):",
            "O que muda para quem usa (CHANGELOG.md):", "  - New: “%s”.",
            "Configurações (veja .env.example):", "  nova: BORN", "  não há mais: GONE",
        ]  # fmt: skip
        assert "desk: the new" in (scripts.root / "log").read_text()

    def test_long_news_are_cut(self, scripts: Scripts) -> None:
        done = self.bash(scripts, "log_lines $'a\\nb\\nc\\nd' 2")
        assert done.stdout == "  a\n  b\n  … e mais 2 linhas\n"

    def test_only_a_hook_before_stops_a_deploy(self, scripts: Scripts) -> None:
        folder = scripts.root / "etc" / "deploy.d"
        folder.mkdir(parents=True)
        (folder / "notes.txt").write_text("not executable")
        for name, status in (("20-second", 0), ("10-first", 3)):
            (folder / name).write_text(f'#!/bin/sh\necho "{name} $*"; exit {status}\n')
            (folder / name).chmod(0o755)
        own = {"FLOWLOG_CONFIG": str(folder.parent)}
        assert self.bash(scripts, "deploy_hooks before abc", **own).returncode == 1
        said = [line for line in (scripts.root / "log").read_text().splitlines() if line.endswith(" before abc")]
        assert said == ["10-first before abc", "20-second before abc"]
        after = self.bash(scripts, "deploy_hooks after abc", **own)
        assert (after.returncode, f"✘ {folder}/10-first after falhou (3)." in after.stdout) == (0, True)
        assert self.bash(scripts, "deploy_hooks before abc", FLOWLOG_CONFIG="/nowhere").returncode == 0
