"""The API over HTTP as its own description has it: whatever that allows, and much that it does not, by schemathesis.

`SCHEMATHESIS_EXAMPLES` (as many for each address) and `SCHEMATHESIS_SEED` make a larger run of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from integrations.models import NotificationLog
from orders.models import Order, Store
from tests.api.client import make_token
from tests.factories import make_instance, make_order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(3600)]

EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "")
SEED = os.environ.get("SCHEMATHESIS_SEED", "7")
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method",
    "ignored_auth",
)  # fmt: skip


def test_nothing_answers_but_as_it_says(live_server: Any, settings: Any, tmp_path: Path) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1_000_000
    make_instance()
    others = make_order(store=Store.objects.create(name="Outra"), source="minha-loja", external_id="1")
    before = Order.objects.filter(pk=others.pk).values().get()
    _token, secret = make_token()
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{live_server.url}/api/v1/openapi.json",
        "--header", f"Authorization: Bearer {secret}", "--checks", ",".join(CHECKS), "--seed", SEED,
        "--phases", "examples,coverage,fuzzing" if EXAMPLES else "fuzzing", "--max-examples", EXAMPLES or "15",
        "--no-color", "--continue-on-failure", "--no-shrink",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 8\n" in done.stdout
    assert Order.objects.filter(pk=others.pk).values().get() == before
    assert not NotificationLog.objects.filter(order=others).exists()
    assert others.code not in done.stdout
