#!/usr/bin/env bash
# celery 5.7.0 (kombu 5.7.0) with redis-py 8.1.0: one address of Redis, and two parsers that read it differently.
#   redis://host:6379/shop     redis-py: database 0, without a word     kombu: ValueError
#   redis://host:6379/6?db=6   redis-py: database 6                     kombu: TypeError
# kombu raises only when it first needs a connection, and for the second not one of its own exceptions. So an application
# that checks its broker with a redis-py ping starts happily, and fails at its first `apply_async`.
# Needs no server: both say so before they connect.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check celery==5.7.0 kombu==5.7.0 redis==8.1.0 packaging==26.3
"$folder/venv/bin/python" - <<'PYTHON'
import celery
import redis

seen = {}
for path in ("/shop", "/6?db=6"):
    url = f"redis://127.0.0.1:1{path}"
    pool = redis.Redis.from_url(url).connection_pool
    app = celery.Celery(broker=url)  # nobody listens at that port: what comes now comes before any connection
    try:
        app.connection_for_write().connect()
        failure = None
    except Exception as error:
        failure = type(error).__name__
    seen[path] = (pool.connection_kwargs.get("db", 0), failure)
print(seen)
assert seen == {"/shop": (0, "ValueError"), "/6?db=6": (6, "TypeError")}, "the two parsers read these differently now"
PYTHON
