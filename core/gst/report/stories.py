"""Stories on the page: captions, whom the model was told, and rows of frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gst.pictures import Frames
from gst.report.html import Html, join, picture, tag

REAL = "real"
OPEN = 4


@dataclass(frozen=True)
class StoryCard:
    """One story of the gallery.

    Args:
        name: its id.
        captions: T strings.
        rows: label -> frames uint8 (T, 3, H, W); `REAL` is the label of real frames, the model's own are last.
        told: per frame, whom the captions tell of; empty if that is not known.
        truth: per frame, who is to be seen in the real frame; empty if that is not known.
    """

    name: str
    captions: Sequence[str]
    rows: Mapping[str, Frames] = field(default_factory=dict)
    told: Sequence[Sequence[str]] = ()
    truth: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class Growth:
    """What one training step drew of one story on the way.

    Args:
        step: name of the training step.
        captions: T strings.
        rows: (share of the training done, frames uint8 (T, 3, H, W)), in order.
        real: the real frames, or None.
    """

    step: str
    captions: Sequence[str]
    rows: Sequence[tuple[float, Frames]]
    real: Frames | None = None


def hero(stories: Sequence[StoryCard]) -> Html | None:
    """The first story, large: as the model drew it once it has, else the real one."""
    if not stories:
        return None
    first = stories[0]
    label = model_row(first)
    says = "A story of the data set: what this run learns to draw" if label == REAL else "Drawn by this run"
    figures = [
        tag("figure", picture(frame, caption), tag("figcaption", caption))
        for frame, caption in zip(first.rows[label], first.captions, strict=True)
    ]
    inner = join(tag("p", says, class_="label"), tag("div", *figures, class_="frames"))
    return _scroll(len(first.captions), inner, "hero card")


def model_row(item: StoryCard) -> str:
    """The label of the model's own row: the last but what is real."""
    return [REAL, *(label for label in item.rows if label != REAL)][-1]


def gallery(stories: Sequence[StoryCard]) -> Html:
    """The stories; all but the first four are folded."""
    first, rest = stories[:OPEN], stories[OPEN:]
    more = tag("details", tag("summary", f"{len(rest)} more"), _stack(rest), class_="more") if rest else None
    return join(_stack(first), more)


def _stack(stories: Sequence[StoryCard]) -> Html:
    return tag("div", *map(story, stories), class_="stories")


def story(item: StoryCard) -> Html:
    """All rows of one story, then its captions with the characters they tell of."""
    rows, own = [], model_row(item)
    for label, frames in item.rows.items():
        images = [picture(f, f"{label}: {c}") for f, c in zip(frames, item.captions, strict=True)]
        line = tag("div", *images, class_="frames")
        kind = "row drawn" if label == own != REAL else "row"
        rows.append(tag("div", tag("p", label, class_="label"), line, class_=kind))
    captions = [
        tag("figure", tag("figcaption", caption), _chips(item, frame)) for frame, caption in enumerate(item.captions)
    ]
    inner = join(tag("p", item.name, class_="name"), *rows, tag("div", *captions, class_="frames"))
    return _scroll(len(item.captions), inner, "story card")


def grown(growth: Sequence[Growth]) -> Html:
    """Small rows, one for each tenth of a training step."""
    return tag("div", *map(_grown, growth), class_="two")


def _grown(item: Growth) -> Html:
    rows = [_small(tag("div", tag("b", f"{100 * share:.0f} %")), frames, item.captions) for share, frames in item.rows]
    if item.real is not None:
        rows.append(_small(tag("span", "real"), item.real, item.captions))
    return tag("div", tag("p", item.step, class_="label"), *rows, class_="card", style=f"--n:{len(item.captions)}")


def _small(label: Html, frames: Frames, captions: Sequence[str]) -> Html:
    return tag("div", label, *(picture(f, c) for f, c in zip(frames, captions, strict=True)), class_="small")


def _chips(item: StoryCard, frame: int) -> Html | None:
    told = item.told[frame] if item.told else []
    truth = item.truth[frame] if item.truth else told
    chips = [
        tag("li", name, class_=None if name in truth else "extra", title="told by the captions") for name in told
    ] + [
        tag("li", name, class_="missed", title="to be seen, but the captions do not tell of it")
        for name in truth
        if name not in told
    ]
    return tag("ul", *chips, class_="chips") if chips else None


def _scroll(count: int, inner: Html, class_: str) -> Html:
    box = tag("div", tag("div", inner, class_="inner"), class_="scroll")
    return tag("article", box, class_=class_, style=f"--n:{count}")
