"""What a process does not need it does not load, and what it has instead is the same."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import openpyxl
import psutil
import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.urls import NoReverseMatch, URLPattern, URLResolver, reverse

from flowlog import links
from flowlog.celery import app
from flowlog.roles import Role, role_of
from flowlog.staffpages.groups import MANAGEMENT_GROUP
from orders import export_jobs
from orders.export_models import DataExport
from orders.tasks import work_off_export
from tests.factories import make_order
from tests.launcher import run
from tests.processes import PATIENCE, READY, Process, celery, unit_environment, wait_until, worker
from tests.staff import make_staff

# What libraries would load by themselves, whatever the process.
UNUSED = {"prompt_toolkit", "pygments.lexers", "yaml.nodes", "django.test.client", "unittest"}
PAGES = {
    "flowlog.admin", "flowlog.monitoring.views", "flowlog.staffpages.base", "flowlog.staffpages.site", "flowlog.urls",
    "orders.admin", "integrations.admin", "integrations.meta.admin", "notifications.admin", "api.admin",
    "outgoing.admin", "api.v1.endpoints", "unfold.admin", "unfold.sites", "ninja", "pydantic", "openpyxl", "segno",
    "prometheus_client", "whitenoise", "django.contrib.staticfiles", "django.contrib.auth.forms", "gunicorn",
}  # fmt: skip
TASKS = {
    "django.db", "django.template", "psycopg", "orders", "integrations", "notifications", "api", "outgoing",
    "flowlog.monitoring", "flowlog.database", "django_celery_results", "requests", "cryptography.fernet",
}  # fmt: skip
OURS = {"flowlog", "orders", "integrations", "notifications", "api", "outgoing"}


def all_links(patterns: list[Any], space: str = "") -> Iterator[tuple[str, URLPattern]]:
    for each in patterns:
        if isinstance(each, URLResolver):
            yield from all_links(each.url_patterns, f"{each.namespace}:")
        else:
            yield f"{space}{each.name}", each


LINKS = list(all_links(links.urlpatterns))


def loaded(folder: Path, process: str) -> set[str]:
    return set((folder / process).read_text().split())


def end(process: Process) -> None:
    """On a busy machine it takes longer than whoever stops it would wait, and it tells only in the end."""
    process.tell_to_stop()
    wait_until(lambda: process.is_dead, "the end of the process")


def of_a_worker(folder: Path) -> set[str]:
    """What both the main process and the one that runs tasks have; the first heartbeat tells of the latter."""
    arguments = ["worker", "-Q", "default", "-c", "1", "-n", "loaded@test", "--without-gossip", "--without-mingle"]
    env = unit_environment("worker-default", LOADED=str(folder))
    with celery(*arguments, ready=READY, app="tests.flowlog.loaded", **env) as process:
        wait_until((folder / "child").exists, "the first task", PATIENCE)
        end(process)
    return loaded(folder, "main") | loaded(folder, "child")


@pytest.mark.django_db(transaction=True)
class TestLoaded:
    def test_a_worker_has_no_pages(self, tmp_path: Path) -> None:
        found = of_a_worker(tmp_path)
        assert found & (UNUSED | PAGES | {"cffi.cparser"}) == set()
        assert found >= TASKS
        assert unlinked(found) == []

    def test_its_processes_die_with_it(self) -> None:
        """Else they would go on with tasks that somebody else has got meanwhile."""
        with worker("default", "-c", "2", **unit_environment("worker-default")) as process:
            children = psutil.Process(process.popen.pid).children()
            assert len(children) == 2
            process.popen.kill()
            wait_until(lambda: not any(each.is_running() for each in children), "the end of its processes")

    def test_beat_has_no_app_either(self, tmp_path: Path) -> None:
        env = unit_environment("beat", LOADED=str(tmp_path))
        with celery("beat", ready="Started beat", app="tests.flowlog.loaded", **env) as process:
            end(process)
        found = loaded(tmp_path, "main")
        assert found & (UNUSED | PAGES | TASKS) == set()
        assert {"flowlog.settings", "flowlog.schedule"} <= found

    def test_the_web_has_all_there_is(self) -> None:
        told = run("-c", "import sys, flowlog.wsgi; print(*sys.modules)", env=unit_environment("web"))
        found = set(told.stdout.split())
        assert found & UNUSED == set()
        assert found >= (PAGES | TASKS) - {"openpyxl", "gunicorn"}

    def test_a_worker_has_exports_written_by_who_has_the_pages(self) -> None:
        make_order(notify=True)
        gil = make_staff("gil", MANAGEMENT_GROUP)
        models = ("orders.order", "orders.customer", "integrations.notificationlog")
        wanted = [DataExport.objects.create(model=model, query="", actor=gil, total=1) for model in models]
        with worker("default", **unit_environment("worker-default")):
            for each in wanted:
                work_off_export.delay(each.pk)
            wait_until(lambda: not DataExport.objects.filter(finished_at=None), "the files")
        for each in wanted:
            written = rows_of(DataExport.objects.get(pk=each.pk).content)
            DataExport.objects.filter(pk=each.pk).update(content=None, finished_at=None, moved_at=None)
            export_jobs.carry_out(each.pk)
            assert written == rows_of(DataExport.objects.get(pk=each.pk).content)
            assert len(written) == 2

    def test_an_export_that_takes_too_long_ends_and_the_next_one_begins(self) -> None:
        make_order()
        gil = make_staff("gil", MANAGEMENT_GROUP)
        first, second = (
            DataExport.objects.create(model=model, query="", actor=gil, total=1)
            for model in ("orders.order", "orders.customer")
        )
        with worker("default", **unit_environment("worker-default")):
            with psycopg.connect(**connection.get_connection_params()) as other:
                other.execute("LOCK TABLE orders_order IN ACCESS EXCLUSIVE MODE")
                work_off_export.apply_async((first.pk,), soft_time_limit=3)
                wait_until(lambda: DataExport.objects.filter(pk=first.pk, finished_at__isnull=False), "the end")
            wait_until(lambda: DataExport.objects.filter(pk=second.pk, finished_at__isnull=False), "the next file")
        first.refresh_from_db()
        second.refresh_from_db()
        assert first.content is None
        assert len(rows_of(second.content)) == 2


@pytest.mark.parametrize("command", ["celery -A flowlog beat", "celery -A flowlog worker", "gunicorn"])
def test_what_is_not_loaded_is_not_missed_by_sentry_either(command: str) -> None:
    """It looks at many libraries, and patches what it finds of them."""
    code = (
        f"import sys; sys.argv = {command.split()}; import flowlog; flowlog.celery_app.loader.import_default_modules()"
    )
    name = "web" if command == "gunicorn" else command.rsplit(maxsplit=1)[-1].replace("worker", "worker-default")
    told = run("-c", code, env=unit_environment(name, SENTRY_DSN="https://key@sentry.example.com/1"))
    assert (told.returncode, told.stderr) == (0, "")


def rows_of(content: Any) -> list[tuple[Any, ...]]:
    sheet: Any = openpyxl.load_workbook(io.BytesIO(content)).active
    return list(sheet.iter_rows(values_only=True))


def unlinked(modules: set[str]) -> list[str]:
    """The names of addresses that these modules of ours ask for and a worker does not know."""
    ours = [each for each in sorted(modules) if each.partition(".")[0] in OURS]
    asked = [name for each in ours for name in asked_for(each)]
    assert len(asked) > 10
    return [name for name in asked if not any(re.fullmatch(name, link) for link, _ in LINKS)]


def asked_for(module: str) -> Iterator[str]:
    """The names in the module's calls of `reverse`, as patterns."""
    spec = find_spec(module)
    if not (spec and spec.origin and spec.origin.endswith(".py")):
        return
    for node in ast.walk(ast.parse(Path(spec.origin).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reverse":
            yield pattern(node.args[0])


def pattern(name: ast.expr) -> str:
    if isinstance(name, ast.Constant):
        return re.escape(str(name.value))
    assert isinstance(name, ast.JoinedStr)
    return "".join(re.escape(str(each.value)) if isinstance(each, ast.Constant) else ".*" for each in name.values)


@pytest.mark.parametrize(("name", "link"), LINKS)
def test_a_workers_link_is_the_address_of_the_page(name: str, link: URLPattern) -> None:
    wanted = dict.fromkeys(link.pattern.converters, 7)
    assert reverse(name, kwargs=wanted, urlconf="flowlog.links") == reverse(name, kwargs=wanted)


def test_what_is_no_workers_link_is_not_made_up() -> None:
    with pytest.raises(NoReverseMatch):
        reverse("admin:orders_customer_change", args=[7], urlconf="flowlog.links")


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("celery -A flowlog beat -l INFO", Role.BEAT),
        ("celery -A flowlog worker -Q whatsapp", Role.WORKER),
        ("celery -A flowlog worker", Role.WORKER),
        ("celery -A flowlog inspect ping", Role.WHOLE),
        ("gunicorn flowlog.wsgi", Role.WHOLE),
        ("manage.py migrate", Role.WHOLE),
    ],
)
def test_the_command_line_says_the_role(command: str, role: Role) -> None:
    assert role_of(command.split()) is role


def test_what_beat_publishes_asks_nothing_of_its_task() -> None:
    """Beat knows the names alone: what a task says of how it is published would be lost."""
    app.loader.import_default_modules()
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        task: Any = app.tasks[entry["task"]]
        said = {name for name, value in task._get_exec_options().items() if value is not None}
        assert said <= {"time_limit", "soft_time_limit", "serializer"}, entry["task"]  # of all tasks, by the settings
