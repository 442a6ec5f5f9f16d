"""A gateway whose messages outlive it, and the crew that works for it."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.factories import make_instance
from tests.faults.crew import HANG_SECONDS, Crew, crew_at_work
from tests.integrations.sandbox import SandboxProcess, sandbox


@pytest.fixture(scope="package")
def running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """Instead of the run's one: it may be stopped and started again with its messages."""
    data = tmp_path_factory.mktemp("gateway") / "messages.jsonl"
    with sandbox("flowlog", data=data, options=(f"--hang={HANG_SECONDS}",)) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def running_crew(
    running_sandbox: SandboxProcess, django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Crew]:
    with crew_at_work(tmp_path_factory.mktemp("crew"), running_sandbox) as crew:
        yield crew


@pytest.fixture
def crew(running_crew: Crew, gateway: SandboxProcess) -> Iterator[Crew]:
    """The crew, which works for one instance and has nothing to do yet."""
    make_instance()
    running_crew.go_on()
    yield running_crew
    running_crew.rest()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what the processes had to say meanwhile."""
    report = yield
    if report.failed and isinstance(crew := item.funcargs.get("crew"), Crew):
        report.sections += [(process.log.name, process.output()) for process in crew.system.processes]
    return report
