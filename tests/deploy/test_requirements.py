"""What is installed is known to the byte: the list with hashes is that of the pins, and pip refuses anything else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.embedded import BASE_DIR

PINS, HASHES = BASE_DIR / "requirements.txt", BASE_DIR / "requirements-hashes.txt"


def test_every_pin_has_its_hashes_and_there_is_nothing_else() -> None:
    pins = [line for line in PINS.read_text().splitlines() if "==" in line]
    entries = HASHES.read_text().replace(" \\\n", "").splitlines()[1:]
    found = [re.fullmatch(r"(\S+)(?:    --hash=sha256:[0-9a-f]{64})+", entry) for entry in entries]
    assert [entry and entry[1] for entry in found] == pins


def test_a_package_that_was_replaced_on_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "segno-1.6.6-py3-none-any.whl").write_bytes(b"not what was pinned")
    [entry] = re.findall(r"(?m)^segno==(?:.*\\\n)+.*$", HASHES.read_text())
    (tmp_path / "list.txt").write_text(entry)
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "download", "--no-index", "--no-deps", "--find-links", str(tmp_path),
            "--require-hashes", "--requirement", str(tmp_path / "list.txt"), "--dest", str(tmp_path / "got"),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "DO NOT MATCH THE HASHES" in done.stderr) == (1, True)
