"""How a script is told: one caption a frame, each at most a few short sentences.

The rules that make the captions sufficient. Every character in the picture is told, by name, by alias or by a pronoun
that `gst.cast.Discourse` binds to it, and nobody else is. A position is told when it is new and mostly otherwise;
place, time and weather are told when they change. So a reader who remembers the story so far knows what to draw.
"""

from __future__ import annotations

from dataclasses import dataclass

from gst.cast import Discourse
from gst_data.story_world.characters import CAST, EPITHETS
from gst_data.story_world.draw import Draw
from gst_data.story_world.plots import Frame, Script

# Singular, plural.
_VERBS: dict[str, tuple[tuple[str, str], ...]] = {
    "stand": (("stands", "stand"), ("waits", "wait"), ("looks around", "look around"), ("stays still", "stay still")),
    "wave": (("waves", "wave"), ("says hello", "say hello"), ("waves a hand", "wave a hand")),
    "jump": (("jumps", "jump"), ("leaps into the air", "leap into the air"), ("jumps for joy", "jump for joy")),
    "sing": (("sings", "sing"), ("sings a song", "sing a song"), ("hums a tune", "hum a tune")),
    "sleep": (("sleeps", "sleep"), ("takes a nap", "take a nap"), ("dozes", "doze")),
    "hold": (("holds", "hold"), ("carries", "carry"), ("shows", "show"), ("has", "have")),
}
_THINGS = {
    "ball": ("a ball", "a striped ball"),
    "balloon": ("a balloon", "an orange balloon"),
    "cake": ("a cake", "a birthday cake"),
    "lantern": ("a lantern", "a glowing lantern"),
    "book": ("a book", "an open book"),
    "flower": ("a flower", "a big pink flower"),
    "umbrella": ("an umbrella", "a green umbrella"),
}
_AT = (
    ("on the left", "on the left side", "at the left"),
    ("in the middle", "in the centre"),
    ("on the right", "on the right side", "at the right"),
    ("at the back", "in the background", "far behind"),
)
_TO = (
    ("over to the left", "to the left side"),
    ("to the middle", "to the centre"),
    ("over to the right", "to the right side"),
    ("to the back", "far to the back"),
)
_ENTER = ("turns up", "arrives", "shows up", "appears")
_MOVE = ("hops", "walks", "runs", "moves")
_TRAVEL = (("goes", "go"), ("travels", "travel"), ("walks", "walk"))
_IN = {
    "beach": ("at the {}beach", "on the {}beach"),
    "forest": ("in the {}forest", "in the {}woods"),
    "desert": ("in the {}desert",),
    "town": ("in the {}town", "in the {}street"),
    "castle": ("at the {}castle", "by the {}castle"),
    "farm": ("on the {}farm", "at the {}farm"),
    "glacier": ("on the {}ice", "by the {}igloo"),
    "volcano": ("at the {}volcano", "by the {}volcano"),
    "harbor": ("at the {}harbor", "on the {}pier"),
}
_SKY = {
    "clear": ("sunny ", "bright "),
    "rain": ("rainy ", "wet "),
    "snow": ("snowy ", "snow-covered "),
    "wind": ("windy ", "breezy "),
}
_CHANGE = {
    "clear": ("The sky clears up.", "The weather is fine again."),
    "rain": ("Rain starts to fall.", "Rain pours down."),
    "snow": ("Snow starts to fall.", "Snowflakes drift down."),
    "wind": ("A strong wind blows.", "Leaves fly in the wind."),
    "night": ("Night falls.", "The moon comes up.", "Darkness falls."),
    "day": ("The sun rises.", "Morning comes.", "A new day begins."),
}


@dataclass(frozen=True)
class Telling:
    """The captions of a story and what they said.

    Args:
        captions: T strings.
        named: For each frame, who is told by name or alias.
        positioned: For each frame, whose position is told.
        place_told: For each frame, whether the place is.
    """

    captions: tuple[str, ...]
    named: tuple[frozenset[int], ...]
    positioned: tuple[frozenset[int], ...]
    place_told: tuple[bool, ...]


def tell(draw: Draw, script: Script) -> Telling:
    """Writes the captions of a script."""
    teller = _Teller(draw)
    before: Frame | None = None
    for frame in script.frames:
        teller.frame(frame, before)
        before = frame
    return Telling(tuple(teller.captions), tuple(teller.named), tuple(teller.positioned), tuple(teller.place_told))


class _Teller:
    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.discourse = Discourse(CAST)
        self.met: set[int] = set()
        self.captions: list[str] = []
        self.named: list[frozenset[int]] = []
        self.positioned: list[frozenset[int]] = []
        self.place_told: list[bool] = []

    def frame(self, now: Frame, before: Frame | None) -> None:
        self._named: set[int] = set()
        self._positioned: set[int] = set()
        self._travelled: set[int] = set()
        old = self._old = list(before.position) if before else []
        # Who was there before is told first: that is what keeps a pronoun close to its name.
        stay = [w for w in now.position if w in old]
        come = [w for w in now.position if w not in old]
        moved_on = before is not None and now.place != before.place
        sentences, scene = self._scene(now, before)
        # Everyone whom a pronoun could be confused with is in the picture now or was a moment ago.
        self._around = set(old) | set(now.position)
        clauses: list[str] = []
        if moved_on and stay and self.draw.chance(0.5):
            sentences += self._join([self._journey(stay, scene)])
            scene = ""
            self._travelled = set(stay)
        together = self._together(now, before, stay)
        if together:
            clauses.append(together)
            stay = []
        for who in stay + come:
            clauses.append(self._clause(now, before, who))
        if scene:
            clauses[0] = self._set(clauses[0], scene)
        sentences += self._join(clauses)
        self.captions.append(" ".join(sentences))
        self.named.append(frozenset(self._named))
        self.positioned.append(frozenset(self._positioned))
        self.met |= set(now.position)
        self.discourse.end_caption()

    def _scene(self, now: Frame, before: Frame | None) -> tuple[list[str], str]:
        """Sentences about what changed in the sky, and a phrase that tells the place ("" if it stays untold)."""
        sentences = []
        new_place = before is None or now.place != before.place
        if before is not None:
            if now.night != before.night:
                sentences.append(self.draw.one(_CHANGE["night" if now.night else "day"]))
            if now.weather != before.weather:
                sentences.append(self.draw.one(_CHANGE[now.weather]))
        told = new_place or self.draw.chance(0.22)
        self.place_told.append(told)
        if not told:
            return sentences, ""
        # At the start what is not a clear day must be said; later only changes must, and they are sentences.
        say_weather = (before is None and now.weather != "clear") or self.draw.chance(0.3)
        say_night = now.night and (before is None or (not sentences and self.draw.chance(0.3)))
        if now.weather == "clear" and now.night:
            say_weather = False
        adjective = self.draw.one(_SKY[now.weather]) if say_weather else ""
        phrase = self.draw.one(_IN[now.place]).format(adjective)
        return sentences, f"{phrase} at night" if say_night else phrase

    def _journey(self, stay: list[int], scene: str) -> str:
        """Those who travel, on their way: "They go to ..."."""
        one, many = self.draw.one(_TRAVEL)
        to = "to " + scene.split(" ", 1)[1]
        return f"{self._subject_of(stay)} {one if len(stay) == 1 else many} {to}"

    def _subject_of(self, group: list[int]) -> str:
        if len(group) == 1:
            return self._subject(group[0])
        if set(self.discourse.refer("they")) == set(group):
            self.discourse.mention(group)
            return "they"
        names = [self._subject(w, pronoun=False) for w in group]
        return ", ".join(names[:-1]) + " and " + names[-1]

    def _together(self, now: Frame, before: Frame | None, stay: list[int]) -> str:
        """One clause for all who stay and do the same, where nobody moves: "They both wave"."""
        if (
            before is None
            or len(stay) < 2
            or len({now.action[w] for w in stay}) > 1
            or now.action[stay[0]].startswith("hold")
        ):
            return ""
        if any(now.position[w] != before.position[w] for w in stay) or not self.draw.chance(0.7):
            return ""
        many = self._verb(now.action[stay[0]])[1]
        if set(self.discourse.refer("they")) == set(stay):
            self.discourse.mention(stay)
            both = ("they", "both of them", "they both") if len(stay) == 2 else ("they", "all of them", "they all")
            return f"{self.draw.one(both)} {many}"
        subject = self._subject_of(stay)
        return f"{subject} {many}"

    def _verb(self, action: str) -> tuple[str, str]:
        if action.startswith("hold "):
            thing = self.draw.one(_THINGS[action[5:]])
            one, many = self.draw.one(_VERBS["hold"])
            return f"{one} {thing}", f"{many} {thing}"
        return self.draw.one(_VERBS[action])

    def _subject(self, who: int, pronoun: bool = True) -> str:
        """The word for one character, and the record of having said it."""
        character = CAST.characters[who]
        word = character.pronouns[0]
        rivals = [w for w in self._around if w != who and word in CAST.characters[w].pronouns]
        clear = who in self._old and not rivals and self.discourse.refer(word) == (who,)
        if pronoun and clear and (who in self._travelled or self.draw.chance(0.8)):
            self.discourse.mention((who,))
            return word
        self.discourse.mention((who,))
        self._named.add(who)
        if who not in self.met and who not in self._named_before() and self.draw.chance(0.4):
            return f"{character.name} {EPITHETS[who]}"
        if who in self.met and self.draw.chance(0.15):
            return f"the {character.aliases[0]}"
        return character.name

    def _named_before(self) -> frozenset[int]:
        return self.named[-1] if self.named else frozenset()

    def _clause(self, now: Frame, before: Frame | None, who: int) -> str:
        """Where one character is and what it does."""
        slot = now.position[who]
        verb = self._verb(now.action[who])[0]
        was = before.position.get(who) if before else None
        subject = self._subject(who)
        if was is not None and was != slot:
            self._positioned.add(who)
            return f"{subject} {self.draw.one(_MOVE)} {self.draw.one(_TO[slot])} and {verb}"
        if was is not None and self.draw.chance(0.12):
            return f"{subject} {'still ' if before and before.action[who] == now.action[who] else ''}{verb}"
        self._positioned.add(who)
        if self.draw.chance(0.2):
            return f"{self.draw.one(_AT[slot])} {subject} {verb}"
        at = self._relative(now, who) or self.draw.one(_AT[slot])
        if was is None and before is not None and self.draw.chance(0.6):
            return f"{subject} {self.draw.one(_ENTER)} {at} and {verb}"
        return f"{subject} {verb} {at}"

    def _relative(self, now: Frame, who: int) -> str:
        """A position told by a neighbour whom this caption has named already, if there is one."""
        slot = now.position[who]
        for other in now.position:
            near = max(now.position[other], slot) < 3 and abs(now.position[other] - slot) == 1
            if other != who and other in self._named and near and self.draw.chance(0.35):
                side = "right" if slot > now.position[other] else "left"
                self.discourse.mention((other,))
                return f"just to the {side} of {CAST.characters[other].name}"
        return ""

    def _set(self, clause: str, scene: str) -> str:
        after = clause.startswith(tuple(at for slot in _AT for at in slot)) or self.draw.chance(0.5)
        return f"{clause} {scene}" if after else f"{scene}, {clause}"

    def _join(self, clauses: list[str]) -> list[str]:
        """Clauses as sentences: mostly one each, two joined now and then."""
        out: list[str] = []
        joined = False
        for clause in clauses:
            if out and not joined and self.draw.chance(0.4):
                out[-1] += self.draw.one((" and ", ", while ", ", and ")) + clause
                joined = True
            else:
                out.append(clause)
                joined = False
        return [s[0].upper() + s[1:] + "." for s in out]
