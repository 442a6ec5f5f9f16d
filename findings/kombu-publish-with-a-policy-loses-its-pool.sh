#!/usr/bin/env bash
# kombu 5.7.0, `Producer.publish(..., retry=True, retry_policy={...})`: the policy is not only used for this message, it
# is written into the `transport_options` of the connection, which all of its pool share with the connection by which the
# pool was found. `kombu.pools` finds a pool by its connection's address and options, so the very same Connection object
# is another one from then on: the next look-up opens a second pool, with connections of its own, and `limit` holds for
# each. A publish with `retry=True` alone, or without it, changes nothing.
# Whoever keeps a Connection to find its pool by must give it the policy's entries from the beginning.
# Shown with the broker in memory, without any server.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check kombu==5.7.0 packaging==26.3
cat > "$folder/publish.py" <<'PYTHON'
from kombu import Connection, Exchange, Producer, pools


def published(options, **how):
    """Whether a connection finds its pool again after a message, how many pools there are, and its options."""
    pools.reset()
    named = Connection("memory://", transport_options=dict(options))
    pool = pools.connections[named]
    with pool.acquire(block=True) as connection:
        Producer(connection).publish({"order": 1}, exchange=Exchange(""), routing_key="orders", **how)
    return pools.connections[named] is pool, len(pools.connections), named.transport_options


POLICY = {"max_retries": 3}
seen = [
    published({}),
    published({}, retry=True),
    published({}, retry=True, retry_policy=POLICY),
    published(POLICY, retry=True, retry_policy=POLICY),
]
for line in seen:
    print(*line)
assert seen == [(True, 1, {}), (True, 1, {}), (False, 2, POLICY), (True, 1, POLICY)], seen
PYTHON
"$folder/venv/bin/python" "$folder/publish.py"
