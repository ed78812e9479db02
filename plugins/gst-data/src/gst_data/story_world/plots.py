"""What happens: ten plots of five frames, and the drawing of one story from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gst_data.story_world.draw import Draw
from gst_data.story_world.places import PLACES
from gst_data.story_world.weather import WEATHERS

POSITIONS = ("left", "middle", "right", "back")
PROPS = ("ball", "balloon", "cake", "lantern", "book", "flower", "umbrella")
ACTIONS = ("stand", "wave", "jump", "sing", "sleep", *(f"hold {p}" for p in PROPS))
# What somebody does when the plot does not say; standing and waving more often than the rest.
_ANY = ("stand", "stand", "wave", "wave", "jump", "jump", "sing", "sleep", "prop", "prop", "prop")


@dataclass(frozen=True)
class Beat:
    """One frame of a plot.

    Args:
        who: Roles in the picture, as letters.
        where: 0 for the first place of the story, 1 for the second.
        sky: "" as before, else "night", "day", "rain", "clear" (of weather) or "any" (some other weather).
        do: Action of a role, or of all with the key "*"; "prop" is the prop of this story.
    """

    who: str
    where: int = 0
    sky: str = ""
    do: dict[str, str] = field(default_factory=dict)


PLOTS: dict[str, tuple[Beat, ...]] = {
    "meeting": (Beat("A"), Beat("A"), Beat("AB"), Beat("AB", do={"*": "wave"}), Beat("ABC")),
    "journey": (Beat("AB"), Beat("AB", 1), Beat("AB", 1), Beat("ABC", 1), Beat("ABC", 1)),
    "search": (Beat("AB"), Beat("A"), Beat("A", 1), Beat("AB", 1, do={"B": "sleep"}), Beat("AB", 1, do={"*": "jump"})),
    "gift": (
        Beat("A", do={"A": "prop"}),
        Beat("AB", do={"A": "prop"}),
        Beat("AB", do={"B": "prop", "A": "stand"}),
        Beat("B", do={"B": "prop"}),
        Beat("AB", do={"*": "jump"}),
    ),
    "bedtime": (
        Beat("ABC"),
        Beat("ABC", sky="night"),
        Beat("AB", do={"A": "sleep"}),
        Beat("AB", do={"*": "sleep"}),
        Beat("AB", sky="day", do={"A": "jump"}),
    ),
    "storm": (
        Beat("AB", do={"*": "jump"}),
        Beat("AB", sky="rain"),
        Beat("B", do={"B": "hold umbrella"}),
        Beat("B", sky="clear"),
        Beat("AB", do={"*": "wave"}),
    ),
    "parade": (Beat("A"), Beat("AB"), Beat("ABC"), Beat("ABCD"), Beat("ABCD", do={"*": "sing"})),
    "farewell": (Beat("ABC"), Beat("ABC", do={"C": "wave"}), Beat("AB"), Beat("A"), Beat("A", 1)),
    "concert": (
        Beat("A", do={"A": "sing"}),
        Beat("AB", do={"A": "sing"}),
        Beat("AB", sky="any", do={"*": "sing"}),
        Beat("ABC", do={"C": "jump"}),
        Beat("ABC", do={"*": "wave"}),
    ),
    "outing": (Beat("A"), Beat("A", 1), Beat("AB", 1), Beat("ABC", 1, sky="any"), Beat("BC", 1)),
}
PLOT_NAMES = tuple(PLOTS)
CAST_SIZE = {name: len(set("".join(b.who for b in beats))) for name, beats in PLOTS.items()}


@dataclass(frozen=True)
class Frame:
    """The world at one moment.

    Args:
        place: Name of the place.
        night: Whether it is night.
        weather: Name of the weather.
        position: Character -> index into `POSITIONS`; its keys are who is there, in telling order.
        action: Character -> name of its action.
    """

    place: str
    night: bool
    weather: str
    position: dict[int, int]
    action: dict[int, str]


@dataclass(frozen=True)
class Script:
    """One story before it is told and drawn."""

    plot: str
    cast: tuple[int, ...]
    frames: tuple[Frame, ...]


def write_script(draw: Draw, plot: str, cast: Sequence[int], place: str) -> Script:
    """Fills a plot with a cast (role A first) and its first place."""
    roles = dict(zip("ABCD", cast, strict=False))
    second = draw.one([p for p in PLACES if p != place])
    prop = "hold " + draw.one(PROPS)
    night = plot not in ("bedtime", "storm") and draw.chance(0.25)
    weather = "clear" if plot == "storm" or draw.chance(0.6) else draw.one(WEATHERS[1:])
    position: dict[int, int] = {}
    frames: list[Frame] = []
    for beat in PLOTS[plot]:
        if beat.sky in ("night", "day"):
            night = beat.sky == "night"
        elif beat.sky == "any":
            weather = draw.one([w for w in WEATHERS if w != weather])
        elif beat.sky:
            weather = beat.sky
        here = [roles[r] for r in beat.who]
        position = _places(draw, position, here)
        last = frames[-1].action if frames else {}
        action = {who: _action(draw, beat, role, last.get(who), prop) for role, who in zip(beat.who, here, strict=True)}
        order = draw.shuffled(here)
        where = second if beat.where else place
        frames.append(Frame(where, night, weather, {w: position[w] for w in order}, {w: action[w] for w in order}))
    return Script(plot, tuple(cast), tuple(frames))


def _places(draw: Draw, before: dict[int, int], here: Sequence[int]) -> dict[int, int]:
    """Who stays keeps its position, or hops to a free one now and then; who comes takes a free one."""
    now = {who: before[who] for who in here if who in before}
    for who in list(now):
        if draw.chance(0.22):
            free = _free(now)
            if free:
                now[who] = draw.one(free)
    for who in here:
        if who not in now:
            now[who] = draw.one(_free(now))
    return now


def _free(taken: dict[int, int]) -> list[int]:
    """Free positions; the back only now and then, or when the front is full."""
    front = [p for p in (0, 1, 2) if p not in taken.values()]
    # Listing the front twice makes the back the rarer choice.
    return front * 2 + ([3] if 3 not in taken.values() else [])


def _action(draw: Draw, beat: Beat, role: str, last: str | None, prop: str) -> str:
    told = beat.do.get(role, beat.do.get("*"))
    if told is None:
        told = draw.one(_ANY)
        if told == "prop":
            return "hold " + draw.one(PROPS)
        # The same again would make two frames of a story alike.
        return "stand" if told == last else told
    return prop if told == "prop" else told
