"""What `manage.py dev` tells the sandbox."""

from __future__ import annotations

import io
from typing import Any

import pytest
import requests

from flowlog.devtools.console import Console
from flowlog.devtools.prepare import set_webhook
from tests.integrations.sandbox import SandboxProcess


def test_the_sandbox_learns_where_flowlog_listens(gateway: SandboxProcess, settings: Any) -> None:
    settings.EVOLUTION_WEBHOOK_SECRET = "a-secret"
    output = io.StringIO()
    set_webhook("http://127.0.0.1:8123", Console(output))
    assert output.getvalue().startswith("  Webhook of the sandbox … ok (")
    url = f"{gateway.base_url}/webhook/find/flowlog"
    found = requests.get(url, headers={"apikey": gateway.api_key}, timeout=10).json()
    assert {name: found[name] for name in ("url", "headers", "enabled", "webhookByEvents", "events")} == {
        "url": "http://127.0.0.1:8123/webhooks/evolution/flowlog/",
        "headers": {"Authorization": "Bearer a-secret"},
        "enabled": True,
        "webhookByEvents": False,
        "events": [
            *("SEND_MESSAGE", "MESSAGES_UPDATE", "MESSAGES_UPSERT", "MESSAGES_EDITED", "MESSAGES_DELETE"),
            *("CONNECTION_UPDATE", "QRCODE_UPDATED", "STATUS_INSTANCE", "LOGOUT_INSTANCE"),
        ],
    }


def test_an_instance_that_the_sandbox_lacks_is_told(gateway: SandboxProcess, settings: Any) -> None:
    settings.EVOLUTION_INSTANCE = "nao-existe"
    with pytest.raises(SystemExit, match="The sandbox refuses the webhook of nao-existe: "):
        set_webhook("http://127.0.0.1:8123", Console(io.StringIO()))
