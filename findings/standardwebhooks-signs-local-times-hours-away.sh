#!/usr/bin/env bash
# standardwebhooks 1.1.0 (Python): `Webhook.sign(msg_id, timestamp, data)` takes a datetime, and signs its digits as if they
# were UTC whatever zone it carries. An aware time of São Paulo (what Django's `localtime()` gives) is signed three hours
# away from the moment that it is. Whoever then sends that very moment as `webhook-timestamp` sends a signature that never
# verifies, with the same secret and the same library; and nothing is said when signing. The same moment in UTC verifies.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check standardwebhooks==1.1.0 tzdata==2025.2
"$folder/venv/bin/python" - <<'PYTHON'
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook("whsec_" + "A" * 43 + "=")
now = datetime.now(UTC).replace(microsecond=0)
seen = {}
for zone in ("UTC", "America/Sao_Paulo"):
    local = now.astimezone(ZoneInfo(zone))
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(local.timestamp())),
        "webhook-signature": webhook.sign("evt_1", local, '{"a":1}'),
    }
    try:
        seen[zone] = webhook.verify('{"a":1}', headers)
    except WebhookVerificationError as error:
        seen[zone] = str(error)
print(seen)
assert seen == {
    "UTC": {"a": 1}, "America/Sao_Paulo": "No matching signature found"
}, "standardwebhooks takes a time's zone differently now"
PYTHON
