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

# Needs the internet, a kernel of its own, or a second PostgreSQL.
NOT_RUN = (
    "sudo apt install certbot", "sudo certbot certonly", "sudo UV_PYTHON_INSTALL_DIR=/opt/python uv",
    "sudo apt install postgresql-17", "sudo pg_upgradecluster 15 main",
)  # fmt: skip
ADDRESSES = ("10.0.0.5", "10.0.0.6")
# As a provider has them: an authority, and a server's certificate of it for both addresses.
MAKE_CERTIFICATES = """
mkdir -p /etc/flowlog && cd /root
openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=authority -addext keyUsage=critical,keyCertSign \
    -keyout ca.key -out /etc/flowlog/ca.pem
openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=server -extensions usr_cert \
    -addext subjectAltName=IP:10.0.0.5,IP:10.0.0.6 -CA /etc/flowlog/ca.pem -CAkey ca.key \
    -keyout server.key -out server.pem
chmod 644 /etc/flowlog/ca.pem
for user in postgres redis; do
    install -d -o $user -m 700 /etc/$user-tls
    install -o $user -m 600 server.key server.pem /etc/$user-tls
done
"""
USE_CERTIFICATES = """
cat >>/etc/postgresql/*/main/postgresql.conf <<END
ssl = on
ssl_cert_file = '/etc/postgres-tls/server.pem'
ssl_key_file = '/etc/postgres-tls/server.key'
END
sed -i 's/^host all flowlog/hostssl all flowlog/' /etc/postgresql/*/main/pg_hba.conf
cat >>/etc/redis/redis.conf <<END
port 0
tls-port 6379
tls-cert-file /etc/redis-tls/server.pem
tls-key-file /etc/redis-tls/server.key
tls-ca-cert-file /etc/flowlog/ca.pem
tls-auth-clients no
END
systemctl restart postgresql redis-server
"""


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
        # Those of PostgreSQL and Redis are their operator's to install.
        install = "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends"
        server.run(f"{install} postgresql redis-server >/dev/null")
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


def test_database_and_broker_by_tls_from_who_proves_to_be_them(server: Server) -> None:
    """With the guide's addresses: a certificate of theirs is taken, that of somebody else is not."""
    operator = Operator(server, STANDS_FOR)
    server.run(MAKE_CERTIFICATES)
    server.run(USE_CERTIFICATES)
    for name in ("DATABASE_URL", "REDIS_URL"):
        [address] = re.findall(rf"(?m)^({name}=\S+/etc/flowlog/ca\.pem)$", GUIDE)
        server.run(f"sed -i '/^{name}=/d' /opt/flowlog/.env && echo '{address}' >>/opt/flowlog/.env")
    server.run("systemctl start flowlog.target && systemctl restart flowlog-web flowlog-worker-default")
    assert server.run(f"curl -sk https://{DOMAIN}/readyz") != ""
    assert "✘" not in operator.run("python manage.py predeploy")
    sessions = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'flowlog'"
    assert server.run("sudo -u postgres psql -XAt", feed=sessions) == "t\n"
    server.run("systemctl start flowlog-backup")

    server.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=other -addext keyUsage=critical,keyCertSign"
        " -keyout /dev/null -out /etc/flowlog/ca.pem"
    )
    said = server.try_(operator.line("python manage.py predeploy")).stdout
    assert re.findall(r"(?m)^✘ (PostgreSQL|Redis): ", said) == ["PostgreSQL", "Redis"]


def test_every_command_of_the_guide_was_run() -> None:
    assert [command for command in Operator.left if not command.startswith(NOT_RUN)] == []
