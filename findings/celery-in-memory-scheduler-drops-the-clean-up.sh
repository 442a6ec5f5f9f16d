#!/usr/bin/env bash
# celery 5.7.0, `celery beat`: with a result backend that does not expire results by itself (a database, files), beat adds
# an entry of its own, `celery.backend_cleanup` at four each morning, that deletes what is older than `result_expires`.
# `--scheduler celery.beat:Scheduler`, which keeps its schedule in memory, adds that entry and takes it away again at once,
# whatever `beat_schedule` holds: results are kept for ever, and no line is logged. The default scheduler, which
# keeps a file, has it.
# Shown with results in files and a broker in memory, without any server.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check celery==5.7.0 kombu==5.7.0 packaging==26.3
cd "$folder"
mkdir results
cat > entries.py <<'PYTHON'
import celery
from celery.beat import PersistentScheduler, Scheduler


def entries(schedule, kind, **options):
    app = celery.Celery(broker="memory://", backend="file://results")
    app.conf.beat_schedule = schedule
    scheduler = kind(app=app, **options)
    found = sorted(scheduler.schedule)
    scheduler.close()
    return " ".join(found)


tick = {"tick": {"task": "tick", "schedule": 60.0}}
print("file:", entries(tick, PersistentScheduler, schedule_filename="one"))
print("memory, no schedule:", entries({}, Scheduler))
print("memory:", entries(tick, Scheduler))
PYTHON
found=$(venv/bin/python entries.py)
echo "$found"
[ "$found" = "file: celery.backend_cleanup tick
memory, no schedule: 
memory: tick" ]
