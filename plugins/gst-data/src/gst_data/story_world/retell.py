"""A script told a second time: the same facts in other words and other sentences.

Told again is exactly what the first telling told, caption by caption: who is there, whose position, whether the place,
the weather and the night. So a story may mix captions of both tellings. Names and pronouns are chosen anew by the rules
of `grammar`: a pronoun is used only for somebody of the frame before, whom nobody around could be confused with.
Everyone who is there is told in every caption of either telling, so a pronoun finds whom it means in any mixture.
"""

from __future__ import annotations

import re

from gst.cast import Discourse
from gst_data.story_world.characters import CAST
from gst_data.story_world.draw import Draw
from gst_data.story_world.grammar import Telling
from gst_data.story_world.plots import Frame, Script

# Third person, "-ing" form, plural.
_VERBS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "stand": (
        ("is standing still", "standing still", "are standing still"),
        ("does not move", "not moving", "do not move"),
        ("rests", "resting", "rest"),
        ("stands quietly", "standing quietly", "stand quietly"),
    ),
    "wave": (
        ("is waving", "waving", "are waving"),
        ("greets everyone", "greeting everyone", "greet everyone"),
        ("raises a hand", "raising a hand", "raise a hand"),
    ),
    "jump": (
        ("is jumping", "jumping", "are jumping"),
        ("bounces up high", "bouncing up high", "bounce up high"),
        ("makes a big jump", "making a big jump", "make a big jump"),
    ),
    "sing": (
        ("is singing", "singing", "are singing"),
        ("lets a song ring out", "letting a song ring out", "let a song ring out"),
        ("sings out loud", "singing out loud", "sing out loud"),
    ),
    "sleep": (
        ("is asleep", "fast asleep", "are asleep"),
        ("is sleeping", "sleeping", "are sleeping"),
        ("lies there asleep", "lying there asleep", "lie there asleep"),
    ),
    "hold": (
        ("is holding {}", "holding {}", "are holding {}"),
        ("has got {}", "with {}", "have got {}"),
        ("is carrying {}", "carrying {}", "are carrying {}"),
    ),
}
_THINGS = {
    "ball": ("a ball", "a ball with stripes"),
    "balloon": ("a balloon", "a balloon on a string"),
    "cake": ("a cake", "a big cake"),
    "lantern": ("a lantern", "a bright lantern"),
    "book": ("a book", "a big book"),
    "flower": ("a flower", "a flower with pink petals"),
    "umbrella": ("an umbrella", "a green umbrella"),
}
_AT = (
    ("on the left", "over on the left", "at the left side"),
    ("in the middle", "right in the middle", "in the center"),
    ("on the right", "over on the right", "at the right side"),
    ("at the back", "further back", "in the distance"),
)
_TO = (("to the left",), ("to the middle", "into the center"), ("to the right",), ("to the back", "further back"))
_COME = ("comes along", "joins in", "is new here")
_GO = ("goes", "heads", "steps")
_TRAVEL = (("moves on", "move on"), ("makes a trip", "make a trip"), ("wanders", "wander"))
_NOUN = {
    "beach": ("beach",),
    "forest": ("forest", "woods"),
    "desert": ("desert",),
    "town": ("town", "street"),
    "castle": ("castle",),
    "farm": ("farm",),
    "glacier": ("ice", "igloo"),
    "volcano": ("volcano",),
    "harbor": ("harbor", "pier"),
}
_IN = {
    "beach": ("down at the {}beach", "on the {}beach"),
    "forest": ("among the trees of the {}forest", "in the {}forest"),
    "desert": ("out in the {}desert", "in the {}desert"),
    "town": ("on a street of the {}town", "in the {}town"),
    "castle": ("near the {}castle", "at the {}castle"),
    "farm": ("out on the {}farm", "at the {}farm"),
    "glacier": ("out on the {}ice", "near the {}igloo"),
    "volcano": ("near the {}volcano", "at the {}volcano"),
    "harbor": ("down at the {}harbor", "at the {}harbor"),
}
_TOWARDS = {
    "beach": "to the {}beach",
    "forest": "into the {}forest",
    "desert": "out into the {}desert",
    "town": "into the {}town",
    "castle": "over to the {}castle",
    "farm": "over to the {}farm",
    "glacier": "out onto the {}ice",
    "volcano": "over to the {}volcano",
    "harbor": "down to the {}harbor",
}
_SAID_SKY = {
    "clear": ("sunny", "bright"),
    "rain": ("rainy", "wet"),
    "snow": ("snowy", "snow-covered"),
    "wind": ("windy", "breezy"),
}
_SKY = {
    "clear": ("sunny ", "sunlit "),
    "rain": ("rainy ", "rain-soaked "),
    "snow": ("snowy ", "snowed-in "),
    "wind": ("windy ", "wind-swept "),
}
_CHANGE = {
    "clear": ("The weather gets better.", "The sky is clear again."),
    "rain": ("Now there is rain.", "Rain comes down."),
    "snow": ("Now there is snow.", "Snow comes down."),
    "wind": ("The wind gets strong.", "Now a strong wind is blowing."),
    "night": ("Now night has come.", "The day is over, and the moon is out."),
    "day": ("The night is over.", "Now day has come.", "The sun is up again."),
}
_NIGHT = ("at night", "by night", "under the moon")


def retell(draw: Draw, script: Script, told: Telling) -> Telling:
    """Tells a script again.

    Args:
        draw: choices of words and sentences.
        script: what happens.
        told: the first telling; the second tells the same facts in each caption.
    """
    teller = _Reteller(draw)
    before: Frame | None = None
    for t, frame in enumerate(script.frames):
        teller.frame(frame, before, told.captions[t], told.positioned[t], told.place_told[t])
        before = frame
    return Telling(tuple(teller.captions), tuple(teller.named), told.positioned, told.place_told)


class _Reteller:
    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.discourse = Discourse(CAST)
        self.captions: list[str] = []
        self.named: list[frozenset[int]] = []

    def frame(
        self, now: Frame, before: Frame | None, caption: str, positioned: frozenset[int], place_told: bool
    ) -> None:
        self._named: set[int] = set()
        self._old = set(before.position) if before else set()
        self._around = self._old | set(now.position)
        self._now, self._before, self._positioned = now, before, positioned
        sentences = self._changes(now, before)
        scene = self._sky(now, caption) if place_told else None
        night = f" {self.draw.one(_NIGHT)}" if place_told and "at night" in caption else ""
        stay = [w for w in now.position if w in self._old]
        come = [w for w in now.position if w not in self._old]
        if scene is not None and before is not None and now.place != before.place and stay and self.draw.chance(0.6):
            travel = self.draw.one(_TRAVEL)[len(stay) > 1]
            where = _TOWARDS[now.place].format(scene)
            sentences.append(f"{self._group(stay)} {travel} {where}{night}")
            scene = None
        clauses = self._clauses(stay) + [self._clause(who) for who in come]
        if scene is not None:
            place = self.draw.one(_IN[now.place]).format(scene) + night
            clauses[0] = f"{place}, {clauses[0]}"
        self.captions.append(" ".join(self._sentence(s) for s in [*sentences, *self._joined(clauses)]))
        self.named.append(frozenset(self._named))
        self.discourse.end_caption()

    def _changes(self, now: Frame, before: Frame | None) -> list[str]:
        """What changed in the sky, which the first telling always tells."""
        sentences = []
        if before is not None and now.night != before.night:
            sentences.append(self.draw.one(_CHANGE["night" if now.night else "day"]))
        if before is not None and now.weather != before.weather:
            sentences.append(self.draw.one(_CHANGE[now.weather]))
        return sentences

    def _sky(self, now: Frame, caption: str) -> str:
        """A word for the weather where the first telling has one."""
        said = "|".join(_SAID_SKY[now.weather])
        places = "|".join(_NOUN[now.place])
        return self.draw.one(_SKY[now.weather]) if re.search(rf"\b(?:{said}) (?:{places})\b", caption) else ""

    def _clauses(self, stay: list[int]) -> list[str]:
        """Those who were there before: in one clause if they do the same and their positions are not told."""
        actions = {self._now.action[w] for w in stay}
        if len(stay) > 1 and len(actions) == 1 and not self._positioned.intersection(stay):
            return [f"{self._group(stay)} {self._verb(stay[0])[2]}"]
        return [self._clause(who) for who in stay]

    def _clause(self, who: int) -> str:
        """Where one character is, if that was told, and what it does."""
        slot, was = self._now.position[who], self._before.position.get(who) if self._before else None
        does, doing, _ = self._verb(who)
        if who not in self._positioned:
            return f"{self._subject(who)} {does}"
        at = self.draw.one(_AT[slot])
        if was is not None and was != slot:
            return f"{self._subject(who)} {self.draw.one(_GO)} {self.draw.one(_TO[slot])} and {does}"
        if was is None and self._before is not None and self.draw.chance(0.5):
            if self.draw.chance(0.5):
                return f"now {self._subject(who)} is {at} and {does}"
            return f"{self._subject(who)} {self.draw.one(_COME)} {at}, {doing}"
        plan = self.draw.below(3)
        if plan == 0:
            return f"{at} there is {self._subject(who, pronoun=False)}, {doing}"
        if plan == 1:
            return f"{self._subject(who)} is {at} and {does}"
        return f"{at} {self._subject(who)} {does}"

    def _verb(self, who: int) -> tuple[str, str, str]:
        action = self._now.action[who]
        if not action.startswith("hold "):
            return self.draw.one(_VERBS[action])
        thing = self.draw.one(_THINGS[action[5:]])
        one, doing, many = self.draw.one(_VERBS["hold"])
        return one.format(thing), doing.format(thing), many.format(thing)

    def _subject(self, who: int, pronoun: bool = True) -> str:
        """The word for one character, and the record of having said it."""
        character = CAST.characters[who]
        word = character.pronouns[0]
        rivals = [w for w in self._around if w != who and word in CAST.characters[w].pronouns]
        clear = who in self._old and not rivals and self.discourse.refer(word) == (who,)
        self.discourse.mention((who,))
        if pronoun and clear and self.draw.chance(0.6):
            return word
        self._named.add(who)
        return f"the {character.aliases[0]} {character.name}" if self.draw.chance(0.25) else character.name

    def _group(self, group: list[int]) -> str:
        if len(group) > 1 and set(self.discourse.refer("they")) == set(group):
            self.discourse.mention(group)
            return "they" if self.draw.chance(0.7) or len(group) > 2 else "the two of them"
        names = [self._subject(who, pronoun=len(group) == 1) for who in group]
        return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]

    def _joined(self, clauses: list[str]) -> list[str]:
        """Now and then two clauses in one sentence."""
        out: list[str] = []
        joined = False
        for clause in clauses:
            if out and not joined and self.draw.chance(0.3):
                out[-1] += self.draw.one(("; ", ", and ")) + clause
                joined = True
            else:
                out.append(clause)
                joined = False
        return out

    @staticmethod
    def _sentence(text: str) -> str:
        return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")
