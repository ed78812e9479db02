"""CSV: one line for each number, with everything that belongs to it; made to be read by programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from gst.comparison.table import Comparison

COLUMNS = (
    *("block", "row", "runs", "seeds", "n", "oracle", "metric", "direction"),
    *("value", "low", "high", "sd", "floor", "ceiling", "best"),
    *("against", "difference", "difference_low", "difference_high", "p", "seed_error", "source", "confidence"),
)


def render(comparison: Comparison) -> str:
    """Lines of `COLUMNS`; block is run, end or published. What is not known is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_lines(comparison))
    return out.getvalue()


def _lines(comparison: Comparison) -> Iterator[dict[str, Any]]:
    gaps = {(gap.row, gap.column): gap for gap in comparison.differences}
    directions = {column.name: column.direction for column in comparison.columns}
    for block, rows in (("run", comparison.rows), ("end", comparison.ends)):
        for row in rows:
            for name, cell in row.cells.items():
                line = {
                    "block": block,
                    "row": row.label,
                    "runs": " ".join(row.runs),
                    "seeds": " ".join(row.seeds),
                    "oracle": row.oracle,
                    "metric": name,
                    "direction": directions[name],
                    **vars(cell),
                }
                if (gap := gaps.get((row.label, name))) is not None:
                    line |= {"against": comparison.against, "difference": gap.value, "p": gap.p}
                    line |= {"difference_low": gap.low, "difference_high": gap.high, "seed_error": gap.seed_error}
                yield line
    for table in comparison.published:
        for published in table.rows:
            for metric, value in published.values.items():
                yield {
                    "block": "published",
                    "row": published.model,
                    "metric": metric,
                    "direction": table.metrics[metric],
                    "value": value,
                    "source": f"{table.source}, {table.where}",
                    "confidence": table.confidence,
                }
