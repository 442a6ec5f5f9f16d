"""Who consumes the queues, and whether it is this revision of the code that does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from celery.utils.nodenames import gethostname, nodesplit
from django.conf import settings
from django.utils.translation import gettext as _

from flowlog import heartbeats
from flowlog.broker import QUEUES
from flowlog.celery import app
from flowlog.checklist import Item, Judge, failed, ok, warning
from notifications import capacity

# Not shorter than the transport's `brpop_timeout`, or the next question would lose its first answer.
_ASKED_FOR = 1.0
_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Node:
    """A worker that answered: the queues it consumes, its revision (empty if it cannot say), its uptime in seconds."""

    name: str
    queues: frozenset[str]
    revision: str
    uptime: float


def running() -> list[Node]:
    """All workers that answer over the broker within a second."""
    asked = app.control.inspect(timeout=_ASKED_FOR)
    # Each question waits its whole time, since nobody knows how many will answer. Each thread has answers of its own.
    with ThreadPoolExecutor() as pool:
        revisions, stats = pool.submit(_revisions), pool.submit(asked.stats)
        queues = asked.active_queues() or {}
    uptimes: Mapping[str, Any] = stats.result() or {}
    return [
        Node(
            name,
            frozenset(queue["name"] for queue in consumed),
            revisions.result().get(name, ""),
            float(uptimes.get(name, {}).get("uptime", 0)),
        )
        for name, consumed in sorted(queues.items())
    ]


def _revisions() -> Mapping[str, str]:
    answers = app.control.broadcast("revision", reply=True, timeout=_ASKED_FOR) or []
    return {name: str(said.get("revision", "")) for answer in answers for name, said in answer.items()}


def consumed_by_this_revision(timeout: float, own: frozenset[str] | None = None) -> Iterator[Item]:
    """Every queue has a worker of this revision, within `timeout` seconds; those of another are named.

    `own` are the queues that this machine serves, None for all there are. What is amiss on other machines, whose turn
    may come later, is a warning.
    """
    everywhere = {queue.name for queue in QUEUES}
    wanted, ends = everywhere if own is None else own, time.monotonic() + timeout
    while True:
        nodes = running()
        served = {queue for node in nodes if node.revision == settings.REVISION for queue in node.queues}
        if wanted <= served or time.monotonic() > ends:
            break
        time.sleep(_PAUSE)
    for queue in sorted(everywhere):
        yield _queue(queue, nodes, failed if queue in wanted else warning)
    for node in nodes:
        if node.queues & everywhere and node.revision != settings.REVISION:
            ours = own is None or (node.queues & own and nodesplit(node.name)[1] == gethostname())
            yield _old(node, failed if ours else warning)


def processes() -> Iterator[Item]:
    """The worker of `whatsapp` has as many processes as it takes for no instance to wait for another."""
    found, name = capacity.capacity(), "worker-whatsapp"
    numbers = {"processes": found.processes, "needed": found.needed}
    if found.processes >= found.needed:
        yield ok(name, _("%(processes)d processes, %(needed)d are needed.") % numbers)
        return
    words = _("%(processes)d processes, %(needed)d are needed: an instance that hangs can delay others.") % numbers
    yield warning(name, words, _("Give the server more memory, or set WHATSAPP_PROCESSES."))


def left_to_others(queue: str, own: frozenset[str] | None) -> bool:
    """Whether another machine serves the queue, and not yet with this revision: then nothing here is to blame."""
    if own is None or queue in own:
        return False
    return not any(queue in node.queues and node.revision == settings.REVISION for node in running())


def _queue(queue: str, nodes: list[Node], amiss: Judge) -> Item:
    name = _("queue %(queue)s") % {"queue": queue}
    consumers = [node for node in nodes if queue in node.queues]
    of_ours = [node.name for node in consumers if node.revision == settings.REVISION]
    if of_ours:
        return ok(name, _("Consumed by %(workers)s.") % {"workers": ", ".join(of_ours)})
    todo = f"sudo systemctl restart flowlog-worker-{queue}"
    if consumers:
        return amiss(name, _("Only workers of another revision consume it."), todo)
    return amiss(name, _("No worker consumes it."), todo)


def _old(node: Node, amiss: Judge) -> Item:
    return amiss(
        _("old worker"),
        _("%(worker)s runs another revision (%(revision)s).")
        % {"worker": node.name, "revision": node.revision[:12] or _("unknown")},
        _("Restart or stop it, on the machine that its name ends with."),
    )


class BeatWatch:
    """Whether the periodic tasks come, watched while other things are looked at: the most frequent of them, the sweep,
    is done once more between `begin` and the `end`.

    Begun once the workers run, who have then done what the beat before a restart had published.
    """

    _first: datetime | None = None

    def begin(self) -> Iterator[Item]:
        """From here on; nothing is said yet."""
        self._first = _last_sweep()
        yield from ()

    def end(self, timeout: float) -> Iterator[Item]:
        """Within `timeout` seconds from now, if not before."""
        ends = time.monotonic() + timeout
        while (latest := _last_sweep()) == self._first:
            if time.monotonic() > ends:
                yield warning(
                    "beat",
                    _("No periodic task came in %(seconds)d s.") % {"seconds": timeout},
                    "sudo systemctl status flowlog-beat flowlog-worker-default",
                )
                return
            time.sleep(_PAUSE)
        yield ok("beat", _("Periodic tasks come; the last at %(time)s.") % {"time": f"{latest:%H:%M:%S} UTC"})


def _last_sweep() -> datetime | None:
    return heartbeats.pulses()[heartbeats.SWEEP].beat_at
