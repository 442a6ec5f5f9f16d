"""`celery -A tests.flowlog.loaded …`: Flowlog's worker or beat, which tells what is loaded into it in the end, and into
the process that runs its tasks after each of them: the names of modules, a file for each in the folder LOADED.
"""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path
from typing import Any

from celery.signals import task_postrun

from flowlog.celery import app

__all__ = ["app"]


def tell(process: str) -> None:
    Path(os.environ["LOADED"], process).write_text("\n".join(sys.modules))


@task_postrun.connect
def tell_of_the_child(**_kwargs: Any) -> None:
    tell("child")


atexit.register(tell, "main")
