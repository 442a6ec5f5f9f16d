"""The guide's way to several servers: PostgreSQL and Redis apart, the workers, the web. Also: was all of it run?

The servers are one and the same here, under the addresses that the guide gives them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.deploy import container
from tests.deploy.container import Server
from tests.deploy.guide import GUIDE, Operator
from tests.deploy.installation import CLONE, DOMAIN, PREPARE, STANDS_FOR, active
from tests.deploy.releases import Releases

pytestmark = pytest.mark.timeout(900)

# Needs the internet.
NOT_RUN = ("sudo apt install certbot", "sudo certbot certonly", "sudo UV_PYTHON_INSTALL_DIR=/opt/python uv")
ADDRESSES = ("10.0.0.5", "10.0.0.6")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("servers")
    server = Server(container.prepare(), folder / "root")
    try:
        (server.root / "etc" / "hosts").write_text(f"127.0.0.1 localhost flowlog {DOMAIN}\n")
        # Most of what is compiled when it is installed nothing here would use.
        with (server.root / "etc" / "pip.conf").open("a") as settings:
            settings.write("no-compile = true\n")
        Releases(folder / "work", server.root / container.REPOSITORY)
        server.boot()
        server.run("\n".join(f"ip address add {address}/32 dev lo" for address in ADDRESSES))
        yield server
    finally:
        server.remove()


def told(pattern: str) -> str:
    """The one piece of configuration in the guide that looks like this."""
    [found] = set(re.findall(f"`({pattern}[^`]*)`", GUIDE))
    return str(found)


def test_each_part_on_a_server_of_its_own(server: Server) -> None:
    operator = Operator(server, STANDS_FOR)
    server.run("systemctl start postgresql redis-server")
    server.talk(
        operator.line("sudo -u postgres createuser --pwprompt flowlog", folder="/"),
        ("password", "SENHA"), ("again", "SENHA"),
    )  # fmt: skip
    for database in ("flowlog", "flowlog_restore_check"):
        operator.run_together(
            f"sudo -u postgres createdb --owner flowlog --encoding UTF8 --template template0 {database}"
        )
    server.run(f'echo "{told("listen_addresses")}" >>/etc/postgresql/*/main/postgresql.conf')
    server.run(f"echo '{told('host all flowlog')}' >>/etc/postgresql/*/main/pg_hba.conf")
    for setting in ("bind ", "requirepass ", "appendonly ", "maxmemory-policy "):
        server.run(f"echo '{told(setting)}' >>/etc/redis/redis.conf")
    server.run("systemctl restart postgresql redis-server")

    install = "sudo --preserve-env=EVOLUTION_API_KEY,DATABASE_URL,REDIS_URL deploy/install.sh"
    operator.run_together(
        CLONE,
        *PREPARE,
        "export DATABASE_URL=postgresql://flowlog:SENHA@10.0.0.5:5432/flowlog",
        "export REDIS_URL=redis://:SENHA@10.0.0.6:6379/0",
        f"{install} --only worker-default,worker-whatsapp --domain {DOMAIN}"
        " --evolution-url https://evolution.sualoja.com.br --instance loja",
    )
    assert active(server) == {
        "flowlog-web": "inactive",
        "flowlog-worker-default": "active",
        "flowlog-worker-whatsapp": "active",
        "flowlog-beat": "active",
    }
    assert server.run("systemctl is-active flowlog-backup.timer") == "active\n"
    server.run("systemctl start flowlog-backup")
    env = server.run("cat /opt/flowlog/.env")
    assert "DATABASE_URL=postgresql://flowlog:SENHA@10.0.0.5:5432/flowlog\n" in env

    # The next server.
    server.run(
        "systemctl disable --now flowlog.target flowlog-worker-default flowlog-worker-whatsapp flowlog-backup.timer"
    )
    server.run("cp /opt/flowlog/.env /root/flowlog.env && rm -rf /opt/flowlog /root/flowlog")
    operator.run_together(CLONE, PREPARE[0], "sudo deploy/install.sh --only web --env /root/flowlog.env")
    assert server.run("cat /opt/flowlog/.env") == env
    assert active(server) == {
        "flowlog-web": "active",
        "flowlog-worker-default": "inactive",
        "flowlog-worker-whatsapp": "inactive",
        "flowlog-beat": "inactive",
    }
    assert server.run(f"curl -sk -o /dev/null -w '%{{http_code}}' https://{DOMAIN}/admin/login/") == "200"


def test_every_command_of_the_guide_was_run() -> None:
    assert [command for command in Operator.left if not command.startswith(NOT_RUN)] == []
