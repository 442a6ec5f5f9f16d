"""The command line: `python -m tests.bench [SCRIPT …] [--quick] [--json FILE] [--results] [--set name=value …]`."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import SCRIPTS, machine
from tests.bench.figures import Figure, Run, table, write_results
from tests.bench.surroundings import BASE_DIR, Surroundings, surroundings


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What was asked for. Exits with a sentence for what cannot be."""
    parser = argparse.ArgumentParser(prog="make bench", description=importlib.import_module("tests.bench").__doc__)
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", help=f"of {', '.join(SCRIPTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it works, not how fast it is")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was found there")
    parser.add_argument("--results", action="store_true", help="write the tables into RESULTS.md")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=NUMBER", help="another size, such as orders=1000000"
    )
    options = parser.parse_args(arguments)
    if strange := sorted(set(options.scripts) - {*SCRIPTS}):
        parser.error(f"There is no script {', '.join(strange)}: there are {', '.join(SCRIPTS)}.")
    if wrong := [each for each in options.set if not each.partition("=")[2].isdigit()]:
        parser.error(f"Not a size: {', '.join(wrong)}.")
    if options.quick and options.results:
        parser.error("Quick sizes are none to keep.")
    options.scripts = options.scripts or list(SCRIPTS)
    return options


def measure(around: Surroundings, script: str, arguments: list[str]) -> Run:
    """One script's run, whether or not it came to its end."""
    run = Run(script, machine.look())
    sys.stdout.write(f"\n{script} ({run.machine})\n")
    sys.stdout.flush()
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        path = Path(file.name)
        code, run.seconds = around.run(script, path, arguments)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    run.sizes, run.figures = lines[0] if lines else {}, [Figure(**each) for each in lines[1:]]
    run.error = f"exit code {code}" if code else ""
    return run


def main() -> int:
    options = parse(sys.argv[1:])
    arguments = [*(["--quick"] if options.quick else []), *(f"--set={each}" for each in options.set)]
    with surroundings() as around:
        runs = [measure(around, script, arguments) for script in options.scripts]
    now, revision = datetime.now(UTC), _revision()
    sys.stdout.write(f"\n{table(runs)}\n")
    if options.json:
        found = {"at": now.isoformat(), "revision": revision, "quick": options.quick}
        options.json.write_text(json.dumps(found | {"runs": [run.as_dict() for run in runs]}, indent=1) + "\n")
    if options.results:
        write_results(BASE_DIR / "RESULTS.md", runs, f"{now:%Y-%m-%d %H:%M} UTC", revision)
    return 1 if any(run.error for run in runs) else 0


def _revision() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
