"""What a table says of how its numbers came about, and what its marks mean."""

from __future__ import annotations

from collections.abc import Sequence

from gst.comparison.columns import fits
from gst.comparison.groups import Group
from gst.comparison.signature import brief, differences
from gst.comparison.table import Column, Row

_DATA = ("data", "data_hash", "stories", "frames", "gst")
_SAID = ("metric", "direction", *_DATA, "resize", "weights")


def protocol(groups: Sequence[Group], columns: Sequence[Column]) -> list[str]:
    """How everything was measured: data, extractors, what is counted, intervals, seeds; a sentence each."""
    members = [member for one in groups for member in one.members]
    data, extractors, intervals = _By(), _By(), _By()
    for column in columns:
        data.add(_data(column), column.name)
        extractors.add(_extractor(column), column.name)
        for row in (member.rows[column.metric] for member in members if fits(column, member)):
            intervals.add(row["signature"].get("interval") or "none", column.name)
    counted = "; ".join(f"{column.name}: {said}" for column in columns if (said := _settings(column)))
    seeds = "; ".join(f"{one.label}: {', '.join(one.seeds)}" for one in groups)
    return [
        data.sentence("Data"),
        extractors.sentence("Extractor"),
        *([f"Counted: {counted}."] if counted else []),
        intervals.sentence("Intervals: percentile bootstrap,"),
        f"Seeds: {seeds}.",
    ]


def notes(rows: Sequence[Row], baseline: Group | None, groups: Sequence[Group]) -> list[str]:
    """What the marks mean, and what to keep in mind."""
    said = []
    if any(cell.best for row in rows for cell in row.cells.values()):
        said.append("Marked: best of its column.")
    if any(row.oracle for row in rows):
        said.append(
            "† oracle: the model is told the characters by the labels, the truth; it competes with no other row."
        )
    if any(cell.sd is not None for row in rows for cell in row.cells.values()):
        said.append(
            "±: standard deviation over seeds; its interval is that of the mean over seeds, for resampled stories."
        )
    single = [one.label for one in groups if len(one.members) == 1]
    if single and len(single) < len(groups):
        said.append(f"One seed only: {', '.join(single)}.")
    smoke = [row.label for row in rows if row.smoke]
    if smoke:
        said.append(f"Smoke runs, whose numbers mean nothing: {', '.join(smoke)}.")
    for one in groups:
        made = differences([(member.path.name, member.made) for member in one.members])
        if made:
            said.append(f"The runs of '{one.label}' were made with different versions: {'; '.join(made)}.")
    if baseline is not None:
        said.append(
            "Differences are paired over the same stories; p is two-sided, of the same bootstrap, not corrected for "
            "the number of comparisons, and knows nothing of the spread over seeds (se: standard error over seeds)."
        )
    return said


def _data(column: Column) -> str:
    how = column.how
    counts = [f"{int(how[key]):,} {key}" for key in ("stories", "frames") if how.get(key, "").isdigit()]
    name = how.get("data", "not told") + (f" ({brief(how['data_hash'])})" if "data_hash" in how else "")
    return ", ".join([name, *counts, *([f"gst {how['gst']}"] if "gst" in how else [])])


def _extractor(column: Column) -> str:
    """The network that reads the pictures, with the hash of its weights, and how they come to its size."""
    how, said = column.how, []
    if "extractor.use" in how:
        model = how.get("extractor.model")
        said.append(how["extractor.use"] + (f" on {model}" if model else ""))
    said += [f"{key} {brief(how[key])}" for key in ("weights", "resize") if key in how]
    return ", ".join(said) or "none"


def _settings(column: Column) -> str:
    """The metric's own settings."""
    said = {key: value for key, value in column.how.items() if key not in _SAID and "." not in key and value != "null"}
    return ", ".join(f"{key} {value}" for key, value in said.items())


class _By:
    """What is said of columns, and of which."""

    def __init__(self) -> None:
        self.columns: dict[str, list[str]] = {}

    def add(self, said: str, column: str) -> None:
        columns = self.columns.setdefault(said, [])
        if column not in columns:
            columns.append(column)

    def sentence(self, what: str) -> str:
        """What holds for most columns, then the others by name."""
        first, *others = sorted(self.columns, key=lambda said: -len(self.columns[said]))
        rest = "".join(f"; {', '.join(self.columns[said])}: {said}" for said in others)
        return f"{what} {first}{rest}."
