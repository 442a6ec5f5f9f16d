"""The code of the release before runs on the schema of this one: what a roll-back of the code leads to.

Which release that is, `git` says: the newest tag with fewer migrations or, as long as there is none, the last commit
before the newest migration. A release on the same schema would prove nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from django.db import connection

from orders import search
from orders.models import Order
from tests.embedded import BASE_DIR
from tests.factories import make_order
from tests.processes import environment

pytestmark = pytest.mark.django_db(transaction=True)

# An order's life, and every model read and every page of the admin opened, by whatever code is on the path.
LIFE = """
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flowlog.settings")
import django; django.setup()
from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from integrations.models import EvolutionInstance, NotificationLog
from notifications import claims
from orders.models import Order, Store
from orders.services import apply_transition, create_order
[newer] = Order.objects.all()
store = Store.get_default()
EvolutionInstance.objects.create(store=store, name="antiga", is_default=True)
order = create_order(
    store=store, customer_name="Maria da Silva", customer_phone="+5511987654321", delivery_method="correios_pac",
    items=[{"description": "Camiseta", "quantity": 1, "unit_price": "59.90"}],
)
apply_transition(order, "confirm")
apply_transition(order, "ship", tracking_code="AA123456785BR")
# Older releases know it by another name.
render = getattr(claims, "render", None) or claims.put_into_words
for row in NotificationLog.objects.filter(order=order).order_by("pk"):
    render(row)
    print(row.event, row.status, "AA123456785BR" in row.message)
ours = ("flowlog", "orders", "integrations", "notifications")
for model in (model for app in ours for model in apps.get_app_config(app).get_models()):
    list(model.objects.all()[:1])
client = Client(headers={"accept-language": "pt-BR"})
client.force_login(User.objects.create_superuser("antiga", password="x"))
for app, model in (("orders", "order"), ("integrations", "notificationlog"), ("integrations", "evolutioninstance")):
    print(model, client.get(reverse(f"admin:{app}_{model}_changelist")).status_code)
for each in (order, newer):
    tracked = client.get(reverse("tracking_page", args=[each.tracking_token]))
    print("order", client.get(each.get_admin_url()).status_code, tracked.status_code)
[told] = NotificationLog.objects.filter(order=newer)
render(told)
print("*Total: R$ 63,00*" in told.message)
apply_transition(newer, "confirm")
print(client.post(newer.get_admin_url(), {"delivery_method": "courier", "notes": "x"}).status_code)
newer.refresh_from_db()
print(newer.notes, newer.total)
"""


def git(*arguments: str, root: Path = BASE_DIR) -> bytes:
    command = ["git", "-c", f"safe.directory={root}", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, check=True).stdout


def former_release(root: Path) -> str:
    """The commit of the newest release on an older schema. Needs the history, not just the newest commit."""
    ours = migrations(root)
    for tag in git("tag", "--merged", "HEAD", "--sort=-creatordate", root=root).decode().split():
        listed = git("ls-tree", "-r", "--name-only", tag, root=root).decode().split("\n")
        if {name for name in listed if Path(name).full_match("*/migrations/0*.py")} < ours:
            return git("rev-parse", f"{tag}^{{commit}}", root=root).decode().strip()
    added = ("log", "-1", "--diff-filter=A", "--format=%H", "--", "*/migrations/0*.py")
    newest = git(*added, root=root).decode().strip()
    return git("rev-parse", f"{newest}^", root=root).decode().strip()


def test_the_release_before_is_the_newest_one_on_an_older_schema(tmp_path: Path) -> None:
    git("init", "--quiet", "--initial-branch=main", root=tmp_path)
    who = ("-c", "user.name=Flowlog", "-c", "user.email=flowlog@example.com", "-c", "commit.gpgsign=false")
    commits: list[str] = []

    def commit(migration: str = "", tag: str = "") -> None:
        if migration:
            (tmp_path / "orders" / "migrations").mkdir(parents=True, exist_ok=True)
            (tmp_path / "orders" / "migrations" / migration).touch()
        git("add", "--all", root=tmp_path)
        git(*who, "commit", "--quiet", "--allow-empty", "--message", "some", root=tmp_path)
        commits.append(git("rev-parse", "HEAD", root=tmp_path).decode().strip())
        if tag:
            git("tag", tag, root=tmp_path)

    commit()
    commit("0001_initial.py", tag="v1")
    assert former_release(tmp_path) == commits[0]
    commit("0002_more.py", tag="v2")
    assert former_release(tmp_path) == commits[1]
    commit(tag="v3")
    commit()
    assert former_release(tmp_path) == commits[1]


def test_the_code_of_the_release_before_runs_on_this_schema(tmp_path: Path) -> None:
    commit = former_release(BASE_DIR)
    with tarfile.open(fileobj=BytesIO(git("archive", commit))) as archive:
        archive.extractall(tmp_path, filter="data")
    ours, theirs = migrations(BASE_DIR), migrations(tmp_path)
    assert theirs < ours
    make_order(
        items=[{"description": "Queijo", "quantity": "1.5", "unit_price": "40.00"}], freight="5", discount="2",
        customer_phone="+5511987650000", delivery_method="courier", notify=True,
    )  # fmt: skip
    env = environment(SITE_URL="http://testserver", LOG_DIR=str(tmp_path / "logs"))
    env["PYTHONPATH"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", LIFE], cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.splitlines() == [
        "create pending False", "confirm pending False", "ship pending True",
        "order 200", "notificationlog 200", "evolutioninstance 200",
        "order 200 200", "order 200 200", "True", "302", "x 63.00",
    ]  # fmt: skip
    found = Order.objects.filter(pk__in=search.orders("SILVA aa123456785br"))
    assert [order.customer.name for order in found] == ["Maria da Silva"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM integrations_notificationlog")
        assert cursor.fetchone() == (5,)


def migrations(root: Path) -> set[str]:
    return {os.path.relpath(path, root) for path in root.glob("*/migrations/0*.py")}
