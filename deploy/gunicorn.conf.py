"""gunicorn's settings in production. The number of processes is WEB_CONCURRENCY, which gunicorn reads itself."""

import gc
import os
from typing import Any

from gunicorn import systemd

wsgi_app = "flowlog.wsgi"
# Under systemd the socket comes from flowlog-web.socket, and this address is not used.
bind = "127.0.0.1:8000"
# Imported once, in memory once, and before anything says that it is ready.
preload_app = True
worker_class = "gthread"
threads = 4
# A worker that hangs is replaced. No page waits for the gateway, so nothing takes long.
timeout = 60
# How long a stopping worker goes on with the requests that it has. Shorter than TimeoutStopSec of the unit.
graceful_timeout = 30
# Behind nginx, which opens a connection for each request: none is left that could break in a restart.
keepalive = 5
max_requests = 20_000
max_requests_jitter = 2_000
# In memory: a slow disk must not make a worker look dead.
worker_tmp_dir = "/dev/shm"
control_socket_disable = True
# nginx writes the access log; errors go to the journal.
errorlog = "-"


# gunicorn itself would say to systemd that it is ready while nobody takes requests yet. A unit of before, which listens
# to the main process alone, does not ask for this: until install.sh brings the new one, gunicorn says it.
_notify_socket = os.environ.pop("NOTIFY_SOCKET", "") if os.environ.get("READY_BY") == "workers" else ""


def when_ready(_server: object) -> None:
    """What all workers share is looked through by none of their garbage collections, which would copy it."""
    gc.collect()
    gc.freeze()


def post_worker_init(worker: Any) -> None:
    """From now on somebody takes requests."""
    if _notify_socket:
        os.environ["NOTIFY_SOCKET"] = _notify_socket
        systemd.sd_notify("READY=1", worker.log, unset_environment=True)
