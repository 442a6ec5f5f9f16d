"""What every test may use."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.models.signals import post_migrate
from django.test import override_settings
from hypothesis import settings as hypothesis_settings

from flowlog import schema
from tests import template
from tests.broker import purge
from tests.embedded import WORKER
from tests.flush import quick_flush
from tests.integrations.sandbox import SandboxProcess, sandbox

# How long one example takes says how busy the machine is.
hypothesis_settings.register_profile("flowlog", hypothesis_settings.get_profile("default"), deadline=None)
hypothesis_settings.load_profile("flowlog")


# They take longest, and in the order of names others would come before them. What begins last should not take long: in
# the end the workers wait for each other.
LONGEST = (
    "tests/orders/test_transitions.py",
    "tests/browser/test_every_page.py",
    "tests/faults/test_crashes.py",
    "tests/faults/test_campaign.py",
    "tests/orders/test_bring.py",
    "tests/notifications/test_end_to_end.py",
    "tests/notifications/test_several.py",
    "tests/integrations/test_restarts.py",
    "tests/outgoing/test_story.py",
    "tests/test_recipes.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a parallel run, whole files in this order. Where there are notes, tests/statements.py knows it better."""
    if WORKER and not config.getoption("other_servers"):
        items.sort(key=lambda item: LONGEST.index(name) if (name := item.location[0]) in LONGEST else len(LONGEST))


def pytest_collection_finish() -> None:
    """What is loaded by now stays: no garbage collection need look through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: Any) -> None:
    """Of several workers one migrates, and the others have what it made."""
    if WORKER:
        with django_db_blocker.unblock():
            made = template.make()
        connection.settings_dict["TEST"]["TEMPLATE"] = made


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    if not WORKER and config.getoption("numprocesses", None):
        template.drop()


@pytest.fixture(scope="session", autouse=True)
def flush() -> Iterator[None]:
    """However many tests need real transactions: emptying the tables after each takes an instant."""
    with quick_flush():
        yield


@post_migrate.connect
def all_are_applied(**_kwargs: object) -> None:
    """No test is the one whose first change asks for it, and so has one more query."""
    schema.missing()


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """What makes a stolen password costly to guess makes a test that logs in wait."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture
def new_tables(db: None) -> None:
    """The shop's tables without what earlier tests have left in their files: PostgreSQL plans by it."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE orders_store CASCADE")


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[SandboxProcess]:
    """One sandbox gateway for the whole run, with the instance `flowlog`."""
    with sandbox("flowlog") as gateway:
        yield gateway


@pytest.fixture
def gateway(running_sandbox: SandboxProcess, settings: Any) -> Iterator[SandboxProcess]:
    """The sandbox, healthy and without messages, as the gateway of the settings."""
    running_sandbox.clear()
    running_sandbox.forget_webhooks()
    settings.EVOLUTION_API_URL = running_sandbox.base_url
    settings.EVOLUTION_API_KEY = running_sandbox.api_key
    healthy = running_sandbox.options()
    yield running_sandbox
    # Without a licence it would take nothing else.
    running_sandbox.options(licensed=True)
    running_sandbox.set_webhook("flowlog", "")
    healthy.pop("instances")
    running_sandbox.options(**healthy, disconnected={"flowlog": False})


@pytest.fixture
def empty_queues() -> Iterator[None]:
    """Nothing of earlier tests waits in the broker, and nothing of this one for later ones."""
    purge("default", "whatsapp")
    yield
    purge("default", "whatsapp")
