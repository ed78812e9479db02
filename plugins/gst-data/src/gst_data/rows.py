"""JSON lines of a data set, read with care."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gst_data.findings import Findings


def json_lines(path: Path, findings: Findings) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (where, object) for each line of a .jsonl or .jsonl.gz file; what cannot be read goes to the findings."""
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                where = f"{path.name}:{number}"
                if not line.strip():
                    continue
                try:
                    row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
                except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
                    findings.error(f"{where}: not a line of JSON ({error})")
                    continue
                if isinstance(row, dict):
                    yield where, row
                else:
                    findings.error(f"{where}: expected an object {{...}}, found {type(row).__name__}")
    except FileNotFoundError:
        findings.error(f"{path.name} is missing")
    except (OSError, EOFError, zlib.error) as error:
        findings.error(f"{path.name}: cannot be read after line {number} ({error})")
