"""What is compared with what, and what is wanted of the ratios."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gst.runtime import Runtime

from .clock import Run, Spread, in_turns, timed
from .decoder import Decoder
from .muse import MODES, Mode, Muse
from .ours import Ours
from .size import Size

FIRST = "gst, text first"
_FP32: tuple[Mode, ...] = ("as released", "fp32")


@dataclass(frozen=True)
class Ratio:
    """How many times longer one side takes than another.

    Args:
        name: which two, in words.
        spread: the ratio, one value a round.
        wanted: what it is to be at least; None where nothing is asked.
        most: what it may be at most.
    """

    name: str
    spread: Spread
    wanted: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Group:
    """Sides that were measured in turns.

    Args:
        title: what was measured.
        seconds: of each side.
        ratios: what follows.
    """

    title: str
    seconds: Mapping[str, Spread]
    ratios: list[Ratio]

    def to_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "seconds": {name: spread.to_json() for name, spread in self.seconds.items()},
            "ratios": {r.name: {**r.spread.to_json(), "wanted": r.wanted, "most": r.most} for r in self.ratios},
        }


def compare(size: Size, rounds: int, say: Callable[[str], None]) -> list[Group]:
    """Training steps and drawn stories of all sides at one size."""
    ours = {"gst": Ours(size), FIRST: Ours(size, prior="maskgst-textfirst")}
    muse = Muse(size)
    groups = [training(size, ours, muse, rounds, say), sampling(size, ours, muse, rounds, say)]
    return [*groups, branches(size, rounds, say)]


def training(size: Size, ours: Mapping[str, Ours], muse: Muse, rounds: int, say: Callable[[str], None]) -> Group:
    """One training step: forward, backward, AdamW (fused on all sides, except where the peer runs as released)."""
    steps: dict[Mode, Run] = {mode: muse.training(mode) for mode in MODES}
    equal, best = fastest(steps, _FP32), fastest(steps, MODES)
    own = best_precision()
    runs: dict[str, Run] = {}
    for precision in sorted({"fp32", own}, reverse=True):
        runs |= {f"{name}, {precision}": side.training(precision) for name, side in ours.items()}
    runs |= {f"muse, {mode}": steps[mode] for mode in MODES if mode in {equal, best, "as released"}}
    title = f"one training step (a story of {size.frames} frames, AdamW)"
    seconds = in_turns(runs, rounds, warm=runs, say=say)
    pairs: list[tuple[str, str, float | None]] = []
    for name in ours:
        pairs.append((f"{name}, fp32", f"muse, {equal}", 1.0))
        pairs.append((f"{name}, {own}", f"muse, {best}", 2.0))
        pairs.append((f"{name}, {own}", "muse, as released", None))
    return Group(title, seconds, ratios(seconds, pairs))


def sampling(size: Size, ours: Mapping[str, Ours], muse: Muse, rounds: int, say: Callable[[str], None]) -> Group:
    """One story of text features in, ids out, with classifier-free guidance in two passes a step."""
    steps: dict[Mode, Run] = {mode: muse.sampling(mode, 1) for mode in MODES}
    equal, best = fastest(steps, _FP32), fastest(steps, MODES)
    own = best_precision()
    fewer = round(size.steps * 2 / 3)
    runs: dict[str, Run] = {}
    warm: dict[str, Run] = {}

    def add(name: str, draw: Callable[[int], Run], count: int) -> None:
        runs[name], warm[name] = draw(count), draw(1)

    for precision, count in sorted({("fp32", size.steps), (own, size.steps), (own, fewer)}, reverse=True):
        for name, side in ours.items():
            add(f"{name}, {precision}, {count} steps", lambda n, s=side, p=precision: s.sampling(p, n), count)
    for mode in MODES:
        if mode in {equal, best}:
            add(f"muse, {mode}, {size.steps} steps", lambda n, m=mode: muse.sampling(m, n), size.steps)
    for dtype in sorted({"fp32", own}, reverse=True):
        decoder = Decoder(size, bf16=dtype == "bf16")
        for guided in (True, False):
            name = f"GPT-2 with a cache, {dtype}, {'' if guided else 'no '}guidance"
            add(name, lambda n, d=decoder, g=guided: d.sampling(n, guided=g), size.grid**2)

    seconds = in_turns(runs, rounds, warm=warm, say=say)
    pairs: list[tuple[str, str, float | None]] = []
    for name in ours:
        pairs.append((f"{name}, fp32, {size.steps} steps", f"muse, {equal}, {size.steps} steps", 1.5))
        for count, wanted in ((size.steps, 3.0), (fewer, None)):
            mine = f"{name}, {own}, {count} steps"
            pairs.append((mine, f"muse, {best}, {size.steps} steps", wanted))
            pairs.append((mine, f"muse, {equal}, {size.steps} steps", None))
            rival = f"GPT-2 with a cache, {own}, guidance"
            pairs.append((mine, rival, 1.0 if name == FIRST and count == fewer else None))
    return Group(f"one story of {size.frames} frames, guidance", seconds, ratios(seconds, pairs))


def branches(size: Size, rounds: int, say: Callable[[str], None]) -> Group:
    """What the three branches of CG+- cost, with as many characters as Pororo-SV has, against one branch."""
    ours, own = Ours(size, characters=9), best_precision()
    runs: dict[str, Run] = {}
    warm: dict[str, Run] = {}
    for precision in sorted({"fp32", own}, reverse=True):
        for guidance in ("none", "character"):
            name = f"gst, {precision}, {'CG+-, three branches' if guidance == 'character' else 'one branch'}"
            runs[name] = ours.sampling(precision, size.steps, guidance)
            warm[name] = ours.sampling(precision, 1, guidance)
    seconds = in_turns(runs, rounds, warm=warm, say=say)
    found = [
        Ratio(f"{three} / {one}", seconds[three].over(seconds[one]), most=2.4)
        for one, three in zip(list(runs)[::2], list(runs)[1::2], strict=True)
    ]
    return Group(f"one story, {size.words} text and 9 character rows a frame, {size.steps} steps", seconds, found)


def ratios(seconds: Mapping[str, Spread], pairs: list[tuple[str, str, float | None]]) -> list[Ratio]:
    """Each pair (faster, slower, wanted) as slower / faster; a pair that comes twice counts once."""
    wanted: dict[tuple[str, str], float | None] = {}
    for fast, slow, least in pairs:
        known = wanted.get((fast, slow))
        wanted[fast, slow] = max(known or 0.0, least or 0.0) or None
    return [
        Ratio(f"{slow} / {fast}", seconds[slow].over(seconds[fast]), least) for (fast, slow), least in wanted.items()
    ]


def best_precision() -> Literal["fp32", "bf16"]:
    """What gst chooses by itself on this machine."""
    return Runtime("cpu", "auto").precision


def fastest(runs: Mapping[Mode, Run], modes: tuple[Mode, ...]) -> Mode:
    """The mode that takes least: the better of two calls, after a first one."""
    for mode in modes:
        runs[mode]()
    return min(modes, key=lambda mode: min(timed(runs[mode]) for _ in range(2)))
