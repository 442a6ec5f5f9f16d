"""How quiet the machine is just now."""

from __future__ import annotations

import os
import statistics
import time

from tests.bench.figures import Machine

PIECES = 200


def look() -> Machine:
    """Takes less than a second on a quiet machine."""
    times = sorted(_piece() for _ in range(PIECES))
    median = statistics.median(times)
    late = times[int(PIECES * 0.95)]
    return Machine(os.cpu_count() or 1, os.getloadavg()[0], median * 1000, late / median - 1)


def _piece() -> float:
    started = time.perf_counter()
    total = 0
    for each in range(20_000):
        total += each * each % 7
    return time.perf_counter() - started
