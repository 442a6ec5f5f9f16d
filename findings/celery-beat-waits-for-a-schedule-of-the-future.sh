#!/usr/bin/env bash
# celery 5.7.0, `celery beat` with its default scheduler: it keeps in a file when each task last ran, and believes it.
# If the clock of the machine was ahead once (a dead battery, a wrong time zone, a restored snapshot) and has been set
# right since, the times in the file lie in the future, and beat publishes nothing until they are past: for a task of
# every second and a clock that was an hour ahead, an hour of nothing. A restart changes nothing, and no line is logged.
# `--scheduler celery.beat:Scheduler`, which keeps no file, publishes at once.
# Shown with a broker in files, without any server. The file is written by Celery's own scheduler, with the clock of
# that process an hour ahead.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check celery==5.7.0 kombu==5.7.0 packaging==26.3
cd "$folder"
mkdir queue
cat > tick.py <<'PYTHON'
import celery

app = celery.Celery(broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": "queue", "data_folder_out": "queue"}
app.conf.beat_schedule = {"tick": {"task": "tick", "schedule": 1.0}}
PYTHON
cat > ahead.py <<'PYTHON'
from datetime import timedelta

from celery.beat import PersistentScheduler

import tick

now = tick.app.now
tick.app.now = lambda: now() + timedelta(hours=1)
scheduler = PersistentScheduler(app=tick.app, schedule_filename="schedule")
scheduler.tick()
scheduler.close()
PYTHON
published() {  # how many messages `celery beat` with these options publishes within eight seconds
    rm -f queue/*
    timeout --signal TERM 8 venv/bin/celery -A tick beat --pidfile= "$@" >beat.log 2>&1 || true
    find queue -type f | wc -l
}
fresh=$(published --schedule fresh)
venv/bin/python ahead.py
after=$(published --schedule schedule)
restarted=$(published --schedule schedule)
without=$(published --scheduler celery.beat:Scheduler)
echo "published in 8 s: $fresh with a new file, $after with one of the future, $restarted after a restart, $without without a file"
[ "$fresh" -ge 3 ] && [ "$after" = 0 ] && [ "$restarted" = 0 ] && [ "$without" -ge 3 ]
