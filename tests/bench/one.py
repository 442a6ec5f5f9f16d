"""Runs one script in a process of its own: `python -m tests.bench.one NAME FILE [--quick] [--set name=value …]`.

Its figures go to the file, a line each as they are found; `tests/bench/__main__.py` has set all the rest up.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import django


def sized(script: Any, *, quick: bool, changes: dict[str, str]) -> Any:
    """The sizes that the script works with; those of `changes` that it has none of do not concern it."""
    sizes = script.QUICK if quick else script.FULL
    return replace(sizes, **{each.name: int(changes[each.name]) for each in fields(sizes) if each.name in changes})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("script")
    parser.add_argument("file", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    django.setup()
    script = importlib.import_module(f"tests.bench.{options.script}")
    sizes = sized(script, quick=options.quick, changes=dict(each.split("=") for each in options.set))
    with options.file.open("w", buffering=1) as file:
        file.write(json.dumps(asdict(sizes)) + "\n")
        for figure in script.measure(sizes):
            file.write(json.dumps(asdict(figure)) + "\n")
            sys.stdout.write(f"  {' · '.join(filter(None, figure.cells()))}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
