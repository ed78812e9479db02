"""Numbers that others have published, as data: each table with its source, its protocol, and how surely it was read.

They lie in `published/TASK_DATASET.yaml`. Figures of different papers were measured by different protocols, also where
the metric has the same name, so they are shown beside our numbers and never in a column with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import yaml

from gst.errors import UsageError
from gst.naming import suggest

CONFIDENCE = {
    "full-text": "read in the full text of the source",
    "readme": "read in the README of the authors' repository",
    "repository": "read in a file of the authors' repository",
    "listing": "read on a leaderboard page, not in the paper itself",
    "second-hand": "taken from notes; not checked against the source",
}
DIFFERS = "Protocols differ from ours and from each other: these numbers are context, not a comparison."
_ABOUT_ROW = ("model", "family", "params", "note")


@dataclass(frozen=True)
class PublishedRow:
    """One line of a table.

    Args:
        model: its name, with what tells its variants apart.
        values: metric -> number, as printed.
        family: kind of generator, where it is told.
        params: millions of parameters, where they are told.
        note: what else must be known of this line.
    """

    model: str
    values: Mapping[str, float]
    family: str | None = None
    params: float | None = None
    note: str | None = None


@dataclass(frozen=True)
class PublishedTable:
    """One table of one source.

    Args:
        id: its own name.
        task: visualization (n captions in, n frames out), continuation (the first frame is given) or referential
            (names become pronouns).
        dataset: on what.
        split: of the data set.
        source: who published it, when and as what.
        where: which table there, or which text.
        confidence: how surely the figures were read; a key of `CONFIDENCE`.
        protocol: what is known of how it was measured.
        metrics: name -> "up" (more is better), "down" or None.
        rows: its lines.
        url: an address of the source.
    """

    id: str
    task: str
    dataset: str
    split: str
    source: str
    where: str
    confidence: str
    protocol: Mapping[str, Any]
    metrics: Mapping[str, str | None]
    rows: tuple[PublishedRow, ...]
    url: str | None = None

    @property
    def place(self) -> str:
        """TASK/DATASET."""
        return f"{self.task}/{self.dataset}"

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "rows": [asdict(row) for row in self.rows]}


def published(what: str | None = None, word: str | None = None) -> list[PublishedTable]:
    """Published tables.

    Args:
        what: "TASK/DATASET", a data set, a task, or the name of one table; by default all.
        word: keep rows only that hold all these words, in any case, in the model's name, its family, its note, or the
            table's source; and tables only that have such rows.

    Raises:
        UsageError: there is nothing of that name.
    """
    found = list(_read())
    if what is not None:
        places = sorted({table.place for table in found})
        known = [*places, *sorted({name for table in found for name in (table.task, table.dataset, table.id)})]
        if what.lower() not in known:
            raise UsageError(
                f"nothing is published here for '{what}'.{suggest(what, known)}", hint=f"There is: {', '.join(places)}."
            )
        found = [table for table in found if what.lower() in (table.place, table.dataset, table.task, table.id)]
    if word is None:
        return found
    kept = [(table, tuple(row for row in table.rows if _holds(table, row, word))) for table in found]
    return [PublishedTable(**{**vars(table), "rows": rows}) for table, rows in kept if rows]


def _read() -> Iterator[PublishedTable]:
    folder = files("gst.comparison").joinpath("published")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        for table in data["tables"]:
            rows = tuple(
                PublishedRow(
                    values={name: float(value) for name, value in row.items() if name not in _ABOUT_ROW},
                    **{key: row[key] for key in _ABOUT_ROW if key in row},
                )
                for row in table["rows"]
            )
            yield PublishedTable(**{**table, "task": data["task"], "dataset": data["dataset"], "rows": rows})


def _holds(table: PublishedTable, row: PublishedRow, word: str) -> bool:
    text = " ".join(filter(None, (row.model, row.family, row.note, table.source))).lower()
    return all(part in text for part in word.lower().split())
