"""Every answer of a language model, on disk at once: what was paid for is not asked for again."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any


class Journal:
    """The file answers.jsonl: a line for each answer, with the key of what was asked. Threads may share it.

    Args:
        folder: where the file is; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "answers.jsonl"
        self._lock = threading.Lock()
        self._captions: dict[str, tuple[str, ...]] = {}
        self._costs: dict[str, Counter[str]] = {}
        for line in self.path.read_bytes().splitlines() if self.path.exists() else []:
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError):
                continue  # cut short by a kill

    def captions(self, key: str) -> tuple[str, ...] | None:
        """The captions that were accepted for a key, or None."""
        return self._captions.get(key)

    def cost(self, key: str) -> Counter[str]:
        """What a key took so far: requests, tokens_in and tokens_out, answers that could not be used included."""
        return Counter(self._costs.get(key, {}))

    def add(self, key: str, captions: tuple[str, ...] | None, why: str, tokens_in: int, tokens_out: int) -> None:
        """Keep one answer: its captions, or None and why they could not be used."""
        entry = {"key": key, "captions": captions, "why": why, "tokens_in": tokens_in, "tokens_out": tokens_out}
        line = (json.dumps(entry, ensure_ascii=False) + "\n").encode()
        with self._lock:
            with self.path.open("ab") as file:
                # After a kill in the middle of a line the next one begins on its own.
                file.write(line if file.tell() == 0 or self._ends_well() else b"\n" + line)
            self._take(entry)

    def _ends_well(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, 2)
            return file.read() == b"\n"

    def _take(self, entry: dict[str, Any]) -> None:
        spent = Counter(requests=1, tokens_in=int(entry["tokens_in"]), tokens_out=int(entry["tokens_out"]))
        if entry["captions"] is not None:
            self._captions[entry["key"]] = tuple(entry["captions"])
        self._costs.setdefault(entry["key"], Counter()).update(spent)


def key_of(*asked: Any) -> str:
    """The key of what was asked: sha256 (hex) of it as JSON."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
