"""A real installation, by the book: a bare Debian, install.sh, deploys, a broken release, a roll-back, a backup.

Run by `make installation-test`, not with the suite: it needs root and takes minutes. Its tests build on each other, as
the life of a server does. What DEPLOY.md says is run as it is written there: `operator` does it.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from collections.abc import Iterator

import pytest

from tests.deploy import container
from tests.deploy.container import Server
from tests.deploy.guide import GUIDE, Operator, commands
from tests.deploy.releases import Releases

# CI runs them beside everything else.
pytestmark = pytest.mark.timeout(600)

# As in the guide.
DOMAIN = "pedidos.sualoja.com.br"
KEY = "a-chave-global-da-evolution"
CLONE = "git clone https://github.com/SUA-CONTA/flowlog.git /root/flowlog"
PREPARE = ("cd /root/flowlog", f"export EVOLUTION_API_KEY={KEY}")
INSTALL = (
    f"sudo --preserve-env=EVOLUTION_API_KEY deploy/install.sh --domain {DOMAIN}"
    " --evolution-url https://evolution.sualoja.com.br --instance loja"
)
TRY_INSTALL = INSTALL.replace("install.sh", "install.sh --dry-run")
STANDS_FOR = {"https://evolution.sualoja.com.br": "http://127.0.0.1:8085", "<tag_ou_hash>": "v1.4.0"}
if container.PYTHON:
    STANDS_FOR["deploy/install.sh"] = f"deploy/install.sh --python {container.PYTHON}"
WORKERS = ("flowlog-worker-default", "flowlog-worker-whatsapp")
SERVICES = ("flowlog-web", *WORKERS, "flowlog-beat")
PHONE = "+5511987654321"
SELF_SIGNED = "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -keyout privkey.pem -out fullchain.pem"
PASSWORD = "lua-cheia-42"
BY_HAND = "sudo -u flowlog bash -ec 'cd /opt/flowlog; source .venv/bin/activate; {}'"
ORDER = """
from orders.models import Store
from orders.services import apply_transition, create_order
for number in range({first}, {last}):
    order = create_order(
        store=Store.get_default(), customer_name="Maria da Silva", customer_phone=f"+55119870{{number:05}}",
        items=[{{"description": "Camiseta", "quantity": 1, "unit_price": "59.90"}}], delivery_method="courier",
    )
    apply_transition(order, "confirm")
"""
# What somebody who has become `flowlog` would write into its files, for root to stumble upon.
TAKE_OVER = r"""
for script in deploy/*.sh; do sed -i '2i [ "$(id -u)" != 0 ] || touch /root/owned' "$script"; done
printf '%s\n' 'print("export PGHOST=$(touch /root/owned)\0", end="")' >deploy/pgenv.py
printf '\n[Service]\nExecStartPre=+/usr/bin/touch /root/owned\n' >>deploy/systemd/flowlog-web.service
mv logs logs.old
ln -s /etc logs
"""
# Opens a page dozens of times a second, by several clients, until its standard input ends; prints what came back, and
# when each was asked for and how long it took.
HAMMER = """
import collections, http.client, json, ssl, sys, threading, time
answers, waits, stop = collections.Counter(), [], threading.Event()
def client():
    while not stop.is_set():
        began = time.time()
        try:
            trusting = ssl._create_unverified_context()
            site = http.client.HTTPSConnection("pedidos.sualoja.com.br", timeout=60, context=trusting)
            site.request("GET", "/healthz")
            answer = site.getresponse()
            answer.read()
            answers[str(answer.status)] += 1
        except Exception as error:
            answers[f"{type(error).__name__}: {error}"] += 1
        finally:
            site.close()
        waits.append((began, time.time() - began))
        stop.wait(0.2)
threads = [threading.Thread(target=client) for _ in range(4)]
for thread in threads: thread.start()
sys.stdin.read()
stop.set()
for thread in threads: thread.join()
print(json.dumps([answers, waits]))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(container.prepare(), tmp_path_factory.mktemp("server") / "root")
    try:
        (server.root / "etc" / "hostname").write_text("loja\n")
        (server.root / "etc" / "hosts").write_text(f"127.0.0.1 localhost loja {DOMAIN}\n")
        server.boot()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def releases(server: Server) -> Releases:
    return Releases(server.root.parent / "work", server.root / container.REPOSITORY)


@pytest.fixture(scope="module")
def operator(server: Server) -> Operator:
    return Operator(server, STANDS_FOR)


def chapter(title: str) -> str:
    """The guide from this title to the next."""
    start = GUIDE.index(f"{title}\n")
    return re.split(r"(?m)^##+ ", GUIDE[start + len(title) :])[0]


def manage(server: Server, command: str, feed: str = "") -> str:
    return server.run(BY_HAND.format(f"python manage.py {command}"), feed=feed)


def revision(server: Server) -> str:
    return server.run("git -C /opt/flowlog -c safe.directory=/opt/flowlog rev-parse HEAD").strip()


def running(server: Server) -> str:
    """The release whose folder the main processes of all services are in; several, if they are not in the same."""
    pid = "systemctl show --property=MainPID --value $unit"
    # A worker counts as started before it is there.
    look = f"until cat /proc/$({pid})/cwd/REVISION 2>/dev/null; do sleep 0.1; done"
    return server.run(f"for unit in {' '.join(SERVICES)}; do {look}; done | sort -u", timeout=60).strip()


def title(server: Server) -> str:
    """What a page's template has made of its title."""
    page = server.run(f"curl -sk https://{DOMAIN}/admin/login/")
    return page.partition("<title>")[2].partition("</title>")[0].strip()


def wait_until_it_has_died(server: Server, unit: str) -> None:
    """Kill the unit's main process; returns once systemd has started another."""
    restarts = f"systemctl show --property=NRestarts --value {unit}"
    before = int(server.run(restarts))
    server.run(f"systemctl kill --kill-whom=main --signal=KILL {unit}")
    server.run(f"until [ $({restarts}) -gt {before} ] && systemctl --quiet is-active {unit}; do sleep 0.2; done")


def running_revisions(server: Server) -> set[str]:
    """What the workers themselves say they run."""
    script = (
        "import json; from flowlog.operations.checklists.workers import running; "
        "print(json.dumps(sorted({node.revision for node in running()})))"
    )
    return set(json.loads(manage(server, "shell -v 0", feed=script).splitlines()[-1]))


def wait_until_workers_run(server: Server, commit: str) -> None:
    """Until both workers answer, and none of another revision does."""
    ends = time.monotonic() + 60
    while running_revisions(server) != {commit}:
        assert time.monotonic() < ends, f"{running_revisions(server)}, expected {commit}"


def start_gateway(server: Server) -> None:
    """The sandbox, where the settings have the Evolution API."""
    server.run(
        "systemd-run --quiet --unit=gateway --uid=flowlog --working-directory=/opt/flowlog --setenv=DEBUG=true"
        f" /opt/flowlog/.venv/bin/python manage.py evolution_sandbox --port=8085 --api-key={KEY} --create=loja"
    )
    server.run("until curl -s http://127.0.0.1:8085/ >/dev/null; do sleep 0.2; done", timeout=30)


def phones(server: Server) -> list[dict[str, str]]:
    """What reached the customers' phones."""
    answer = server.run(f"curl -sf -H 'apikey: {KEY}' http://127.0.0.1:8085/sandbox/messages")
    messages: list[dict[str, str]] = json.loads(answer)
    return messages


def texts(server: Server) -> list[str]:
    """What the phones show: whether it was read meanwhile aside."""
    return [message["text"] for message in phones(server)]


def statuses(server: Server) -> dict[str, int]:
    # By PostgreSQL's own client: this is asked again and again, and Django would start each time.
    sql = "SELECT status, count(*) FROM integrations_notificationlog GROUP BY status"
    found = server.run(f"sudo -u postgres psql --no-align --tuples-only --command '{sql}' flowlog")
    return {status: int(number) for status, number in (line.split("|") for line in found.split())}


def wait_until_all_are_sent(server: Server, number: int) -> None:
    ends = time.monotonic() + 120
    while statuses(server) != {"sent": number}:
        assert time.monotonic() < ends, f"{statuses(server)}, expected {number} sent"
        time.sleep(1)


def active(server: Server) -> dict[str, str]:
    return {name: server.try_(f"systemctl is-active {name}").stdout.strip() for name in SERVICES}


ALL_ACTIVE = dict.fromkeys(SERVICES, "active")


def wait_until_all_are_active(server: Server) -> None:
    ends = time.monotonic() + 60
    while active(server) != ALL_ACTIVE:
        assert time.monotonic() < ends, active(server)
        time.sleep(1)


def test_a_dry_run_changes_nothing(server: Server, operator: Operator, releases: Releases) -> None:
    said = operator.run_together(CLONE, *PREPARE, TRY_INSTALL)
    assert said.splitlines()[-1] == f"{len(said.splitlines()) - 1} passos seriam dados; nada foi mudado."
    assert server.try_("id flowlog || ls /opt/flowlog /etc/systemd/system/flowlog*").returncode != 0


def test_one_command_installs_everything(server: Server, operator: Operator) -> None:
    dry = set(re.findall(r"(?m)^\[faria\] (.*)", operator.run_together(*PREPARE, TRY_INSTALL)))
    said = operator.run_together(*PREPARE, INSTALL)
    assert set(re.findall(r"(?m)^· (.*)", said)) == dry
    assert active(server) == ALL_ACTIVE
    assert server.run("ls /var/backups/flowlog/*.dump | wc -l") == "1\n"
    assert server.run("stat -c '%a %U %G' /opt/flowlog/.env").split() == ["640", "root", "flowlog"]
    assert server.run(f"curl -sk -o /dev/null -w '%{{http_code}}' https://{DOMAIN}/admin/login/") == "200"
    assert server.run(f"curl -s -o /dev/null -w '%{{http_code}} %{{redirect_url}}' http://{DOMAIN}/x") == (
        f"301 https://{DOMAIN}/x"
    )
    assert server.run(f"curl -sk -o /dev/null -w '%{{http_code}}' https://{DOMAIN}/metrics") == "401"
    token = "$(sed -n s/^METRICS_TOKEN=//p /opt/flowlog/.env)"
    metrics = server.run(f'curl -sk -H "Authorization: Bearer {token}" https://{DOMAIN}/metrics')
    assert "flowlog_heartbeat_age_seconds" in metrics
    css = server.run(f"curl -sk https://{DOMAIN}/admin/login/ | grep -o '/static/[^\"]*css' | head -1").strip()
    head = server.run(f"curl -skI https://{DOMAIN}{css}").lower()
    assert " 200" in head.splitlines()[0]
    assert "cache-control: public, max-age=31536000, immutable" in head


def test_nginx_keeps_to_its_limits(server: Server) -> None:
    def status(path: str, body: int) -> str:
        post = f"head -c {body} /dev/zero | curl -sk -o /dev/null -w '%{{http_code}}' --data-binary @-"
        return server.run(f"{post} https://{DOMAIN}{path}")

    # What is not too long is Flowlog's to refuse: it carries neither signature nor key.
    assert [status("/webhooks/tracking/generic/", size) for size in (60_000, 70_000)] == ["403", "413"]
    assert [status("/api/v1/orders", size) for size in (900_000, 2_000_000)] == ["415", "413"]
    told = server.run(
        f"head -c 2000000 /dev/zero | curl -sk --data-binary @- -D - https://{DOMAIN}/api/v1/orders"
    ).lower()
    assert "content-type: application/problem+json" in told
    assert '"code":"too-large"' in told
    assert server.run(f"curl -s -o /dev/null -w '%{{http_code}}' http://{DOMAIN}/api/v1/orders") == "403"
    # The gateway drops what it is answered with 400, and repeats a 413: neither, however large the media.
    # Of an instance that nobody has, for the shop's own would be told of as one whose webhooks are refused.
    assert [status("/webhooks/evolution/outra/", size) for size in (900_000, 30_000_000, 80_000_000)] == ["401"] * 3
    head = server.run(f"curl -skI -H 'X-Request-ID: forged' https://{DOMAIN}/admin/login/").lower()
    assert re.search(r"(?m)^x-request-id: [0-9a-f]{32}\r?$", head)
    logins = server.run(f"curl -sk -o /dev/null -w '%{{http_code}}\\n' 'https://{DOMAIN}/admin/login/?[1-60]'").split()
    assert set(logins) == {"200", "429"}
    assert server.run(f"curl -sk -o /dev/null -w '%{{http_code}}' https://{DOMAIN}/healthz") == "200"


def test_nginx_keeps_what_is_searched_for_out_of_its_log(server: Server) -> None:
    for address in (f"https://{DOMAIN}/admin/login/?next=529.982.247-25", f"http://{DOMAIN}/admin/?q=98765-4321"):
        server.run(f"curl -sk -o /dev/null -e 'https://{DOMAIN}/admin/?q=Zuleica' '{address}'")
    log = server.run("tail -2 /var/log/nginx/access.log")
    assert re.search(r'"GET /admin/login/ HTTP/[0-9.]+" (?:200|429) [0-9]+ "curl/[0-9.]+" [0-9a-f]{32}\n', log)
    assert re.search(r'"GET /admin/ HTTP/1.1" 301 [0-9]+ "curl/[0-9.]+" [0-9a-f]{32}\n', log)
    assert not re.search(r"529\.982|98765-4321|Zuleica", log)
    # What it refuses or cannot hand on would stand in the other log, with the whole address.
    server.run(f"curl -sk -o /dev/null 'https://{DOMAIN}/admin/login/?next=529.982.247-25&[1-60]'")
    assert not re.search(r"529\.982|98765-4321|Zuleica", server.run("cat /var/log/nginx/error.log"))


def test_again_it_has_nothing_to_do(operator: Operator) -> None:
    assert operator.run_together(*PREPARE, INSTALL) == "Nada a fazer: tudo já está como deve.\n"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--domain outra.loja.com.br", "--domain difere do que já está em /opt/flowlog/.env"),
        ("--instance outra", "--instance difere do que já está em /opt/flowlog/.env"),
    ],
)
def test_it_changes_nothing_that_its_settings_contradict(server: Server, option: str, words: str) -> None:
    done = server.try_(f"/root/flowlog/deploy/install.sh {option}")
    assert (done.returncode, done.stdout, words in done.stderr) == (2, "", True)


def test_changed_units_take_effect_at_once(server: Server) -> None:
    pid = "systemctl show --property=MainPID --value flowlog-worker-whatsapp"
    before = server.run(pid)
    server.run("sed -i s/^RestartSec=5/RestartSec=7/ /etc/systemd/system/flowlog-worker-whatsapp.service")
    said = server.run("/root/flowlog/deploy/install.sh")
    assert "· Unidades do systemd" in said
    assert server.run(pid) != before
    assert active(server) == ALL_ACTIVE


@pytest.mark.parametrize("unit", [*SERVICES, "flowlog-web-stand-in", "flowlog-backup", "flowlog-backup-failed"])
def test_every_unit_is_well_formed_and_may_do_little(server: Server, unit: str) -> None:
    assert server.run(f"systemd-analyze verify /etc/systemd/system/{unit}.service 2>&1") == ""
    line = server.run(f"systemd-analyze security {unit}.service --no-pager | tail -1")
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", line)
    assert found
    assert float(found[1]) < 2


def test_the_first_steps_end_with_a_message_that_goes_out(server: Server, operator: Operator) -> None:
    start_gateway(server)
    # So that the checklist need not wait for the next minute.
    server.run("echo HEARTBEAT_INTERVAL=5 >>/opt/flowlog/.env && systemctl restart 'flowlog-worker-*'")
    as_flowlog = "sudo -u flowlog .venv/bin/python manage.py"
    answers = [("Usuário", "dona"), ("email", "dona@sualoja.com.br"), ("Password:", PASSWORD), ("again", PASSWORD)]
    created = server.talk(operator.line(f"{as_flowlog} createsuperuser"), *answers)
    assert "Superuser created successfully." in created
    operator.run("cd /opt/flowlog")
    assert "loja" in operator.run(f"{as_flowlog} evolution list")
    assert operator.run(f"{as_flowlog} evolution connect loja").startswith("loja: conectada.\n")
    assert f"https://{DOMAIN}/webhooks/evolution/loja/" in operator.run(f"{as_flowlog} evolution set-webhook loja")
    for command in (f"{as_flowlog} predeploy", "python manage.py predeploy"):
        assert "✘" not in operator.run(command)
    for command in (f"{as_flowlog} postdeploy --number {PHONE}", f"python manage.py postdeploy --number {PHONE}"):
        assert "✘" not in operator.run(command)
    assert [message["number"] for message in phones(server)] == [PHONE.removeprefix("+")] * 2
    assert statuses(server) == {}


def test_the_guides_steps_by_hand(server: Server, operator: Operator, releases: Releases) -> None:
    commit = releases.release("v1.4.0")
    assert operator.run("sudo -iu flowlog", feed="id -un") == "flowlog\n"
    assert operator.run("git status").splitlines()[0].endswith(" main")
    for command in ("git pull origin main", "source .venv/bin/activate", "pip install -r requirements.txt"):
        operator.run(command)
    assert "[ ]" not in operator.run("python manage.py showmigrations")
    operator.run("python manage.py check_migrations")
    operator.run("deploy/backup.sh")
    operator.run("python manage.py migrate")
    operator.run("python manage.py collectstatic --no-input")
    for unit in ("flowlog-web", *WORKERS):
        restart = f"sudo systemctl restart {unit}"
        operator.run(restart)
        # By the owner of the code, too, who may do that and nothing else.
        server.run(f"sudo -u flowlog {restart.replace('sudo', 'sudo -n')}")
    assert server.try_("sudo -u flowlog sudo -n systemctl stop postgresql").returncode != 0
    assert operator.run("redis-cli ping") == "PONG\n"
    assert (revision(server), running(server)) == (commit, commit)
    assert "✘" not in manage(server, "postdeploy --dry")
    assert active(server) == ALL_ACTIVE


def test_restarts_under_load_lose_no_request_and_no_message(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """The guide's three restarts, while the site is hammered and status changes come in.

    While the site restarts the stand-in answers, and only then.
    """
    server.run("systemctl restart gateway", timeout=30)
    server.run("until curl -s http://127.0.0.1:8085/ >/dev/null; do sleep 0.2; done", timeout=30)
    manage(
        server,
        "shell -v 0",
        feed="from integrations.models import *; EvolutionInstance.objects.update(messages_per_minute=0)",
    )
    hammer = server.start(f"exec /opt/flowlog/.venv/bin/python -c '{HAMMER}'")
    number = 0
    restarts = []
    stood_in = "journalctl --output=cat --unit=flowlog-web-stand-in | grep -c ^Started || true"
    before = int(server.run(stood_in))
    for unit in ("flowlog-web", *WORKERS, *WORKERS, "flowlog-web"):
        manage(server, "shell -v 0", feed=ORDER.format(first=number, last=number + 20))
        number += 20
        began = time.time()
        server.run(f"systemctl restart {unit}")
        if unit == "flowlog-web":
            restarts.append((began, time.time()))
    assert int(server.run(stood_in)) == before + 2
    server.run(
        "until systemctl show --property=ActiveState flowlog-web-stand-in | grep -q =inactive; do sleep 0.2; done"
    )
    wait_until_all_are_sent(server, 2 * number)
    answers, waits = json.loads(hammer.communicate()[0].splitlines()[-1])
    assert set(answers) == {"200"}
    assert answers["200"] > 100
    during = [took for at, took in waits if any(began - 1 < at < ended + 1 for began, ended in restarts)]
    apart = [took for at, took in waits if not any(began - 5 < at < ended + 5 for began, ended in restarts)]
    told = phones(server)
    assert len(told) == 2 * number
    assert len({message["text"] for message in told}) == 2 * number
    with capsys.disabled():
        sys.stdout.write(f"\nsix restarts under load: {answers['200']} requests and {len(told)} messages, none lost\n")
        sys.stdout.write(
            f"longest wait: {max(during):.2f} s in a restart of the site, {max(apart, default=0):.2f} s apart\n"
        )


def test_who_stops_the_site_has_no_stand_in(server: Server) -> None:
    server.run("systemctl stop flowlog-web.socket flowlog-web")
    state = "systemctl is-active flowlog-web flowlog-web-stand-in || true"
    assert server.run(state) == "inactive\ninactive\n"
    # Whoever looks meanwhile is told so, each in its own way; what a gateway or a shop tells, it tells again.
    page, problem = (server.run(f"curl -ski https://{DOMAIN}{path}") for path in ("/rastreio/x/", "/api/v1/orders"))
    assert re.match(r"HTTP/\S+ 503 ", page)
    assert "Voltamos em instantes" in page
    assert re.match(r"HTTP/\S+ 503 ", problem)
    assert json.loads(problem.splitlines()[-1])["code"] == "unavailable"
    for told in (page, problem):
        assert re.search(r"(?mi)^retry-after: 60\r?$", told)
    for path, status in (("/webhooks/evolution/loja/", "502"), ("/webhooks/orders/woocommerce/x/", "503")):
        assert server.run(f"curl -sk -d '{{}}' -o /dev/null -w '%{{http_code}}' https://{DOMAIN}{path}") == status
    # One that was left behind goes with it.
    server.run("systemctl start flowlog-web.socket flowlog-web; systemctl start flowlog-web-stand-in")
    server.run("systemctl stop flowlog-web.socket flowlog-web")
    assert server.run(state) == "inactive\ninactive\n"
    server.run("systemctl start flowlog-web.socket flowlog-web")
    assert active(server) == ALL_ACTIVE


def test_no_restart_waits_for_what_is_restarted_along_with_the_site(server: Server) -> None:
    server.run("systemctl restart flowlog.target")
    server.run("systemctl restart postgresql redis-server flowlog-web")
    assert server.run("journalctl --unit=flowlog-web | grep -c 'Stopping timed out' || true") == "0\n"
    assert active(server) == ALL_ACTIVE


def test_a_pull_changes_nothing_under_what_runs(server: Server, releases: Releases) -> None:
    before, shown = running(server), title(server)
    template = releases.folder / "templates" / "admin" / "login.html"
    template.write_text(template.read_text().replace("· Flowlog", "· Flowlog 3"))
    releases.release("v2")
    server.run(BY_HAND.format("git pull --quiet origin main"))
    # Processes that have not read the template yet, of the main process as it is, then of another one.
    server.run("kill -KILL $(pgrep --parent $(systemctl show --property=MainPID --value flowlog-web))")
    assert title(server) == shown
    wait_until_it_has_died(server, "flowlog-web")
    assert (title(server), running(server)) == (shown, before)


def test_deploy_takes_all_steps(server: Server, operator: Operator, releases: Releases) -> None:
    commit = releases.release("v3")
    said = operator.run(f"sudo -u flowlog /opt/flowlog/deploy/deploy.sh --number {PHONE}")
    assert f"→ {commit[:12]}" in said.splitlines()[-1]
    assert title(server).endswith("· Flowlog 3")
    assert (revision(server), running(server)) == (commit, commit)
    assert active(server) == ALL_ACTIVE


def test_who_takes_over_the_code_does_not_become_root(server: Server, operator: Operator, releases: Releases) -> None:
    """Whatever `flowlog` writes into its own files, root runs and copies none of it."""
    refused = server.try_("/root/flowlog/deploy/install.sh")
    assert (refused.returncode, "Antes: sudo git -C /root/flowlog fetch" in refused.stderr) == (2, True)
    operator.run("sudo git -C /root/flowlog pull origin main")
    server.run(f"cd /opt/flowlog; sudo -u flowlog bash -ec {shlex.quote(TAKE_OVER)}")
    server.try_("sed -i s/^RestartSec=5/RestartSec=7/ /etc/systemd/system/flowlog-web.service")
    server.try_("/root/flowlog/deploy/install.sh")
    for command in commands():
        if command.startswith("sudo -u flowlog /opt/flowlog/deploy/"):
            server.try_(f"{command} --help")
    server.try_("systemctl restart flowlog-web")
    assert server.try_("ls /root/owned").returncode != 0
    assert server.run("stat -c %U /etc").strip() == "root"
    assert "owned" not in server.run("cat /etc/systemd/system/flowlog-web.service")
    assert server.run("find /usr/local/lib/flowlog ! -user root -o -perm /022") == ""
    server.run("cd /opt/flowlog; sudo -u flowlog bash -c 'rm logs; mv logs.old logs; git checkout --quiet .'")
    operator.run("sudo /root/flowlog/deploy/install.sh")
    assert active(server) == ALL_ACTIVE
    from_there = server.try_("/opt/flowlog/deploy/install.sh")
    assert (from_there.returncode, "Rode este script de um clone de root" in from_there.stderr) == (2, True)


MODEL = """
    remark = models.CharField(max_length=20, blank=True, default="", db_default="")

    def __str__(self) -> str:
        return self.queue
"""
MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("flowlog", "{before}")]
    operations = [
        migrations.AddField(
            "heartbeat", "remark", models.CharField(blank=True, db_default="", default="", max_length=20)
        )
    ]
"""


def test_what_was_made_by_hand_is_told_and_then_applied_as_advised(server: Server, releases: Releases) -> None:
    before = revision(server)
    models = releases.folder / "flowlog" / "models.py"
    good, newest = models.read_text(), max((releases.folder / "flowlog" / "migrations").glob("0*.py")).stem
    migration = releases.folder / "flowlog" / "migrations" / "0999_heartbeat_remark.py"
    models.write_text(good.replace(MODEL.partition("\n\n")[2], MODEL.lstrip("\n"), 1))
    migration.write_text(MIGRATION.format(before=newest))
    commit = releases.release("v4-by-hand")
    column = "ALTER TABLE flowlog_heartbeat ADD remark varchar(20) DEFAULT $$$$ NOT NULL"
    server.run(f"sudo -u postgres psql --quiet --command 'SET ROLE flowlog' --command '{column}' flowlog")
    done = server.try_("sudo -u flowlog /opt/flowlog/deploy/deploy.sh --dry")
    assert (done.returncode, revision(server)) == (1, before)
    assert "python manage.py migrate flowlog 0999_heartbeat_remark --fake" in done.stdout
    assert "o mesmo comando com --apply-advice" in " ".join(done.stdout.split())
    assert active(server) == ALL_ACTIVE
    server.run("sudo -u flowlog /opt/flowlog/deploy/deploy.sh --dry --apply-advice")
    assert revision(server) == commit
    assert "✘" not in manage(server, "postdeploy --dry")
    # The tests to come know of no such column.
    models.write_text(good)
    migration.unlink()
    releases.release("v4-without-it")
    server.run("sudo -u flowlog /opt/flowlog/deploy/rollback.sh --yes")
    assert (revision(server), running(server)) == (before, before)
    forget = "DELETE FROM django_migrations WHERE name = $$0999_heartbeat_remark$$"
    drop = "ALTER TABLE flowlog_heartbeat DROP remark"
    server.run(f"sudo -u postgres psql --quiet --command '{forget}' --command '{drop}' flowlog")


def test_a_broken_release_rolls_itself_back(server: Server, releases: Releases) -> None:
    """To what ran, also if somebody has brought it in by hand before."""
    before = running(server)
    tasks = releases.folder / "notifications" / "tasks.py"
    good = tasks.read_text()
    tasks.write_text(f"{good}\nfrom notifications import nonsense\n")
    releases.release("v4-broken")
    server.run(BY_HAND.format("git checkout --quiet main; git pull --quiet origin main"))
    done = server.try_("sudo -u flowlog /opt/flowlog/deploy/deploy.sh --dry --timeout 5")
    assert done.returncode == 1
    assert f"o deploy falhou e foi desfeito: roda a revisão {before[:12]}" in done.stdout + done.stderr
    assert "nonsense" in server.run("cat /opt/flowlog/logs/deploy.log /opt/flowlog/logs/django.log")
    assert (revision(server), running(server)) == (before, before)
    assert active(server) == ALL_ACTIVE
    assert "✘" not in manage(server, "postdeploy --dry --since " + server.run("date +%Y-%m-%dT%H:%M:%S%:z").strip())
    tasks.write_text(good)
    releases.release("v5")


def test_a_release_whose_site_does_not_start_rolls_itself_back(server: Server, releases: Releases) -> None:
    before = revision(server)
    module = releases.folder / "flowlog" / "wsgi.py"
    good = module.read_text()
    module.write_text(f"{good}\nimport nonsense\n")
    releases.release("v4-without-a-site")
    done = server.try_("sudo -u flowlog /opt/flowlog/deploy/deploy.sh --dry --timeout 5")
    assert done.returncode == 1
    assert "Reinício da web e dos dois workers falhou" in done.stdout
    assert (revision(server), running(server)) == (before, before)
    assert server.run(f"curl -sk -o /dev/null -w '%{{http_code}}' https://{DOMAIN}/healthz") == "200"
    module.write_text(good)


def test_a_release_that_breaks_only_at_run_time_rolls_itself_back_too(server: Server, releases: Releases) -> None:
    before = revision(server)
    module = releases.folder / "notifications" / "delivery.py"
    good = module.read_text()
    module.write_text(
        good.replace("def deliver(", "def _gone(", 1) + "\n\ndef deliver(*_a, **_k):\n    import nonsense\n"
    )
    releases.release("v6-broken")
    done = server.try_(f"sudo -u flowlog /opt/flowlog/deploy/deploy.sh --number {PHONE} --timeout 10")
    assert done.returncode == 1
    assert "Reinício da web e dos dois workers" in done.stdout
    assert (revision(server), running(server)) == (before, before)
    assert active(server) == ALL_ACTIVE
    module.write_text(good)


@pytest.mark.parametrize(
    ("spoil", "mend", "words"),
    [
        ("git checkout --quiet -b feature", "git checkout --quiet main", 'não de "feature"'),
        ("touch by-hand.txt", "rm by-hand.txt", "há mudanças feitas à mão"),
        ("git checkout --quiet --detach", "git checkout --quiet main", "não está num ramo"),
    ],
    ids=["branch", "dirty", "detached"],
)
def test_deploy_refuses(server: Server, spoil: str, mend: str, words: str) -> None:
    before = revision(server)
    server.run(BY_HAND.format(spoil))
    done = server.try_("sudo -u flowlog /opt/flowlog/deploy/deploy.sh --dry")
    server.run(BY_HAND.format(mend))
    assert done.returncode == 1
    assert words in done.stdout + done.stderr
    assert revision(server) == before
    server.run(BY_HAND.format("git branch --quiet -D feature || true"))


def test_deploy_refuses_where_the_units_do_not_start_releases(server: Server) -> None:
    """As those of before did: what is switched to would not be what runs."""
    before, unit = revision(server), "/etc/systemd/system/flowlog-worker-whatsapp.service"
    server.run(f"cp {unit} /root/; sed -i 's#/releases/current$##' {unit}; systemctl daemon-reload")
    done = server.try_("sudo -u flowlog /opt/flowlog/deploy/deploy.sh --dry")
    server.run(f"mv /root/flowlog-worker-whatsapp.service {unit}; systemctl daemon-reload")
    assert (done.returncode, revision(server)) == (1, before)
    assert f"checkout --detach {before} && sudo /root/flowlog/deploy/install.sh" in done.stderr


def test_rollback_goes_to_a_tag_and_back(server: Server, operator: Operator, releases: Releases) -> None:
    newest = revision(server)
    [cancel] = [command for command in commands() if "notifications cancel" in command]
    assert "0 mensagens canceladas." in operator.run(cancel)
    assert operator.run("python manage.py check_migrations --against v1.4.0").startswith("✔")
    tagged = server.run("git -C /root/flowlog ls-remote origin refs/tags/v1.4.0").split()[0]
    # Its folder is still there, so nothing need be fetched or made.
    server.run("mv /srv /srv.away")
    done = operator.run("sudo -u flowlog /opt/flowlog/deploy/rollback.sh v1.4.0")
    server.run("mv /srv.away /srv")
    assert "PRONTO" in done
    assert "Pasta da revisão" not in done
    assert (revision(server), running(server)) == (tagged, tagged)
    wait_until_workers_run(server, tagged)
    # A process that dies comes back with the release that was gone back to, not with the one that was fled from.
    operator.run("sudo -u flowlog git -C /opt/flowlog checkout main")
    assert revision(server) == newest
    for unit in ("flowlog-web", "flowlog-worker-default"):
        wait_until_it_has_died(server, unit)
    assert running(server) == tagged
    # Without a name: back to where we came from.
    operator.run("sudo -u flowlog /opt/flowlog/deploy/rollback.sh")
    assert (revision(server), running(server)) == (newest, newest)
    # The next deploy needs no branch to be brought back first.
    mended = releases.release("v7")
    server.run("sudo -u flowlog /opt/flowlog/deploy/deploy.sh --dry")
    assert (server.run(BY_HAND.format("git symbolic-ref --short HEAD")), running(server)) == ("main\n", mended)
    assert active(server) == ALL_ACTIVE
    operator.run("git checkout <tag_ou_hash>")
    assert revision(server) == tagged
    unknown = server.try_("sudo -u flowlog /opt/flowlog/deploy/rollback.sh v99 --yes")
    assert (unknown.returncode, 'não há revisão "v99"' in unknown.stderr) == (2, True)
    operator.run("sudo -u flowlog git -C /opt/flowlog checkout main")
    assert revision(server) == mended


def test_a_backup_is_made_checked_and_restored(server: Server, operator: Operator) -> None:
    server.run("systemctl stop flowlog-worker-whatsapp")
    manage(server, "shell -v 0", feed=ORDER.format(first=9000, last=9001))
    alarm = server.run("systemctl show --property=OnFailure --value flowlog-backup.service")
    assert alarm == "flowlog-backup-failed.service\n"
    # By what runs, whatever is checked out.
    server.run("chmod -x /opt/flowlog/deploy/backup.sh")
    operator.run("sudo systemctl start flowlog-backup")
    server.run("chmod +x /opt/flowlog/deploy/backup.sh")
    *_earlier, dump = [name for name in operator.run("sudo ls /var/backups/flowlog").split() if name.endswith(".dump")]
    operator.stands_for["flowlog-AAAAMMDD-HHMMSS"] = dump.removesuffix(".dump")
    restore = (
        "sudo -u flowlog /opt/flowlog/deploy/restore.sh /var/backups/flowlog/flowlog-AAAAMMDD-HHMMSS.dump --replace"
    )
    before = statuses(server)
    assert before == {"sent": before["sent"], "pending": 2}
    # They go out after the copy was made.
    server.run("systemctl start flowlog-worker-whatsapp")
    wait_until_all_are_sent(server, before["sent"] + 2)
    told = texts(server)
    refused = server.try_(operator.line(restore))
    assert (refused.returncode, "está rodando" in refused.stderr) == (1, True)
    operator.run("sudo systemctl stop flowlog.target flowlog-web.socket")
    operator.run(restore)
    assert statuses(server) == before
    operator.run("sudo -u flowlog .venv/bin/python manage.py migrate")
    said = operator.run("sudo -u flowlog .venv/bin/python manage.py notifications reconcile")
    assert said.splitlines()[-1] == "No gateway, portanto já enviadas: 2. Não estão lá, portanto ainda por enviar: 0."
    operator.run("sudo systemctl start flowlog.target")
    assert active(server) == ALL_ACTIVE
    assert statuses(server) == {"sent": before["sent"] + 2}
    assert texts(server) == told


def test_a_copy_away_from_the_server_brings_everything_back(server: Server, operator: Operator) -> None:
    hook, drop_in = "/etc/flowlog/backup.d/disk", "/etc/systemd/system/flowlog-backup.service.d"
    server.run(
        f"install -d -o flowlog /outro/disco; mkdir {drop_in}"
        f"; printf '[Service]\nReadWritePaths=/outro/disco\n' >{drop_in}/disco.conf; systemctl daemon-reload"
        f"; printf '#!/bin/sh\ncp \"$1\" /outro/disco/\n' >{hook}; chmod 755 {hook}"
    )
    alarms = "journalctl --unit flowlog-backup-failed --output cat | grep -c 'EMAIL_URL não está definido'"
    told = int(server.try_(alarms).stdout)
    # Without the key nothing leaves the server, and somebody is told.
    assert server.try_("systemctl start flowlog-backup").returncode != 0
    server.run(f"until [ $({alarms}) = {told + 1} ]; do sleep 0.5; done", timeout=60)
    for command in commands():
        if "age-keygen" in command:
            operator.run(command)
    operator.run("sudo systemctl start flowlog-backup")
    [package] = server.run("ls /outro/disco").split()
    assert server.run("ls /var/backups/flowlog/*.age || true") == ""
    before = statuses(server)
    server.run(f"mv /outro/disco/{package} /root/; rm -r {hook} {drop_in} /root/flowlog; systemctl daemon-reload")

    operator.stands_for["flowlog-AAAAMMDD-HHMMSS"] = package.removesuffix(".tar.age")
    env = server.run("cat /opt/flowlog/.env")
    server.run("systemctl stop flowlog.target flowlog-web.socket; rm -r /var/backups/flowlog/*; rm /opt/flowlog/.env")
    server.run("sudo -u postgres dropdb flowlog")
    start = GUIDE.index("**Num servidor novo**")
    operator.run_together(*commands(GUIDE[start : GUIDE.index("### Restaurar", start)]))
    assert server.run("cat /opt/flowlog/.env") == env
    assert statuses(server) == {}
    operator.run("sudo systemctl stop flowlog.target flowlog-web.socket")
    operator.run(
        "sudo -u flowlog /opt/flowlog/deploy/restore.sh /var/backups/flowlog/flowlog-AAAAMMDD-HHMMSS.dump --replace"
    )
    assert statuses(server) == before
    operator.run("sudo systemctl start flowlog.target")
    assert active(server) == ALL_ACTIVE


def test_logs_are_rotated_and_go_on(server: Server) -> None:
    server.run("logrotate --force /etc/logrotate.d/flowlog")
    server.run(f"curl -sk https://{DOMAIN}/nowhere/ >/dev/null")
    assert "Not Found: /nowhere/" in server.run("cat /opt/flowlog/logs/django.log")
    assert server.run("stat -c '%a %U' /opt/flowlog/logs/django.log").split() == ["640", "flowlog"]
    assert "5511987" not in server.run("cat /opt/flowlog/logs/*.log")


def test_what_the_guide_says_when_something_goes_wrong(server: Server, operator: Operator) -> None:
    assert "loja: conectado" in operator.run("python manage.py notifications status")
    assert "EMAIL_URL não está definido" in server.try_(operator.line("python manage.py alarm test")).stderr
    # What it finds wrong may be of the test's own making, such as the broken releases in the log.
    said = server.try_(operator.line("python manage.py doctor")).stdout
    assert "\n✔ PostgreSQL: " in said
    assert "\n✔ systemd: O que deve rodar neste servidor roda: " in said
    said = server.try_(operator.line("python manage.py doctor --report")).stdout
    assert said.startswith("Flowlog: relatório de ")
    assert (KEY in said, "5511987" in said) == (False, False)
    assert operator.run("python manage.py evolution state loja").startswith("loja: conectado")
    assert operator.run("python manage.py evolution connect loja").startswith("loja: conectada.\n")
    assert f"https://{DOMAIN}/webhooks" in operator.run("python manage.py evolution set-webhook loja")
    assert "loja" in operator.run("python manage.py notifications release loja")
    for units in (
        "flowlog-worker-whatsapp", "flowlog-web flowlog-web.socket", "flowlog-beat flowlog-worker-default",
    ):  # fmt: skip
        assert "active (running)" in operator.run(f"sudo systemctl status {units}")
    assert "flowlog-backup.service" in server.try_(operator.line("systemctl status flowlog-backup")).stdout
    assert "gunicorn[" in operator.run("sudo journalctl -u flowlog-web")
    assert "celery[" in operator.run("sudo journalctl -u flowlog-worker-whatsapp -n 50")
    assert operator.run("tail logs/django.log") != ""
    assert operator.run("sudo du -xh --max-depth=2 / | sort -h | tail").splitlines()[-1].endswith("\t/")
    for command in ("python manage.py notifications purge --dry-run", "python manage.py notifications purge"):
        assert "0" in operator.run(command)
    script = "from orders.models import *; print(Customer.objects.create(store=Store.get_default(), name='Ana').pk)"
    operator.stands_for["NÚMERO"] = manage(server, "shell -v 0", feed=script).split()[-1]
    assert operator.run("python manage.py erase_customer NÚMERO --dry-run").startswith("Seria apagado:")
    operator.run("python manage.py bootstrap")
    assert "Cifrados com a primeira chave: 0." in operator.run("python manage.py rotate_credentials")
    operator.stands_for["<nome>"] = "dona"
    assert "No attempts found." in operator.run("python manage.py axes_reset_username <nome>")
    assert re.search(r"^[a-z2-7]{8}$", operator.run("python manage.py addstatictoken <nome>"), re.MULTILINE)
    operator.run("sudo systemctl restart redis-server")
    assert "--dry-run" in operator.run("deploy/install.sh --help")
    operator.run("sudo -u flowlog /opt/flowlog/deploy/backup.sh --dir /outro/disco --days 30")
    assert len(server.run("ls /outro/disco/*.dump").split()) == 1


def test_root_leaves_nothing_that_the_services_could_not_write_to(server: Server) -> None:
    said = server.run("cd /opt/flowlog && rm -r flowlog/__pycache__ && .venv/bin/python manage.py check 2>&1")
    assert said.startswith("manage.py: como flowlog, e não como root.\n")
    assert server.run("find /opt/flowlog ! -user flowlog ! -name .env") == ""


def test_everything_comes_back_after_a_power_cut(server: Server, releases: Releases) -> None:
    """In the worst moment of a deploy: the schema is the new one, and so is what is checked out."""
    before, runs = statuses(server), running(server)
    models = releases.folder / "flowlog" / "models.py"
    newest = max((releases.folder / "flowlog" / "migrations").glob("0*.py")).stem
    models.write_text(models.read_text().replace(MODEL.partition("\n\n")[2], MODEL.lstrip("\n"), 1))
    migration = releases.folder / "flowlog" / "migrations" / "0999_heartbeat_remark.py"
    migration.write_text(MIGRATION.format(before=newest))
    commit = releases.release("v8")
    hook = "/opt/flowlog/.git/hooks/post-merge"
    server.run(f"printf '#!/bin/sh\ntouch /tmp/merged; sleep 600\n' >{hook}; chmod 755 {hook}")
    deploy = server.start("exec sudo -u flowlog /opt/flowlog/deploy/deploy.sh --dry")
    server.run("until [ -e /tmp/merged ]; do sleep 0.2; done", timeout=180)
    server.cut_power()
    deploy.communicate()
    server.boot()
    wait_until_all_are_active(server)
    assert (revision(server), running(server)) == (commit, runs)
    wait_until_workers_run(server, runs)
    applied = "SELECT count(*) FROM django_migrations WHERE name = $$0999_heartbeat_remark$$"
    assert server.run(f"sudo -u postgres psql --no-align --tuples-only --command '{applied}' flowlog") == "1\n"
    assert server.run(f"curl -sk -o /dev/null -w '%{{http_code}}' https://{DOMAIN}/admin/login/") == "200"
    assert statuses(server) == before


def test_another_python(server: Server, operator: Operator) -> None:
    """Whatever ran by the one that was there before."""
    operator.stands_for["/opt/python/bin/python3.14"] = container.PYTHON or "/usr/bin/python3.13"
    clone = "git -C /root/flowlog"
    server.run(f"{clone} fetch --quiet --tags origin && {clone} checkout --quiet --detach {revision(server)}")
    for command in commands(chapter("### Outro Python")):
        if "install.sh" in command or "/opt/flowlog" in command:
            operator.run(command)
    wait_until_all_are_active(server)
    assert "✘" not in manage(server, "predeploy")


def test_another_name(server: Server, operator: Operator) -> None:
    """Whoever has a link with the old one is led on."""
    start_gateway(server)
    old, new = "antigo.sualoja.com.br", "novo.sualoja.com.br"
    server.run(f"echo 127.0.0.1 {old} {new} >>/etc/hosts")
    server.run(f"sed -Ei 's#^(ALLOWED_HOSTS=|SITE_URL=https://).*#\\1{new}#' /opt/flowlog/.env")
    for command in commands(chapter("### Outro domínio")):
        if command != "sudo systemctl reload nginx":
            operator.run(command)
    assert server.run(f"curl -sk -o /dev/null -w '%{{http_code}}' https://{new}/admin/login/") == "200"
    assert f"https://{new}/webhooks/evolution/loja/" in operator.run("python manage.py evolution state loja")

    folder = f"/etc/letsencrypt/live/{old}"
    server.run(f"mkdir -p {folder}; cd {folder}; {SELF_SIGNED} -subj /CN={old}")
    [site] = [block for block in re.findall(r"```text\n(.*?)```", GUIDE, re.DOTALL) if old in block]
    server.run("cat >/etc/nginx/sites-enabled/nome-antigo", feed=site.replace(DOMAIN, new))
    operator.run("sudo systemctl reload nginx")
    led = f"curl -sk -o /dev/null -w '%{{http_code}} %{{redirect_url}}' https://{old}"
    # nginx answers by what it had before until its new processes are there.
    server.run(f"until {led}/admin/ | grep -qx '404 '; do sleep 0.1; done", timeout=30)
    assert server.run(f"{led}/rastreio/x/?a=1") == f"301 https://{new}/rastreio/x/?a=1"
    server.run("rm -r /etc/nginx/sites-enabled/nome-antigo /etc/letsencrypt")


# A cable to a network of its own, from where the server is looked at.
OUTSIDE = """
systemd-run --quiet --unit=anything python3 -m http.server 9999
systemd-run --quiet --unit=outside unshare --net sleep infinity
pid=$(systemctl show --property=MainPID --value outside)
until [ "$(readlink /proc/$pid/ns/net)" != "$(readlink /proc/1/ns/net)" ]; do sleep 0.1; done
ip link add inner type veth peer name outer netns $pid
ip address add 192.0.2.1/24 dev inner
ip link set inner up
nsenter --target=$pid --net ip address add 192.0.2.2/24 dev outer
nsenter --target=$pid --net ip link set outer up
"""
REACHES = """
pid=$(systemctl show --property=MainPID --value outside)
nsenter --target=$pid --net timeout 2 bash -c '</dev/tcp/192.0.2.1/{port}'
"""


def test_the_firewall_lets_in_what_the_guide_says(server: Server, operator: Operator) -> None:
    before = {22: True, 80: True, 443: True, 9999: True, 5432: False, 8000: False}

    def reached() -> dict[int, bool]:
        return {port: server.try_(REACHES.format(port=port)).returncode == 0 for port in before}

    server.run(OUTSIDE)
    assert reached() == before
    for command in commands(chapter("### Firewall e atualizações automáticas")):
        operator.run(command, feed="y\n")
    assert reached() == before | {9999: False}
    server.run("systemctl stop anything outside && ufw --force disable")


def test_removed_it_leaves_nothing(server: Server, operator: Operator) -> None:
    # What the tests before have put elsewhere is not Flowlog's to know.
    server.run("systemctl stop gateway; rm -rf /outro /root/flowlog-* /root/flowlog.*")
    for command in commands(chapter("### Remover o Flowlog")):
        server.run(operator.line(command, folder="/").replace("source .venv/bin/activate; ", "", 1))
    left = r"find / -xdev \( -path /srv -o -path /var/log \) -prune -o -iname '*flowlog*' -print"
    assert server.run(left) == ""
    assert server.try_("systemctl list-unit-files --no-legend 'flowlog*'").stdout == ""
    roles = "SELECT rolname FROM pg_roles WHERE rolcanlogin UNION SELECT datname FROM pg_database ORDER BY 1"
    assert server.run(f"sudo -u postgres psql -XAtc '{roles}'").split() == ["postgres", "template0", "template1"]
    # As of one that an upgrade has left, and of an empty one that is in its way.
    newest = server.run("pg_lsclusters --no-header | cut -d' ' -f1").strip()
    server.run(f"pg_createcluster {newest} former")
    operator.stands_for |= {"15 main": f"{newest} former", "17 main": f"{newest} main"}
    for command in ("sudo pg_dropcluster 15 main", "sudo pg_dropcluster --stop 17 main"):
        operator.run_together(command)
    assert server.run("pg_lsclusters --no-header") == ""
