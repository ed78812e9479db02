"""The nine inhabitants of story-world."""

from __future__ import annotations

from gst.cast import Cast, Character

HE = ("he", "him", "his")
SHE = ("she", "her", "hers")
IT = ("it", "its")

CAST = Cast(
    (
        Character("Bobo", ("bear",), HE, "a round brown bear"),
        Character("Pim", ("girl",), SHE, "a girl in a pointed red hood"),
        Character("Zuki", ("rabbit",), SHE, "a pink rabbit with long ears"),
        Character("Tolo", ("frog",), HE, "a wide green frog"),
        Character("Ovvi", ("octopus",), IT, "a purple octopus"),
        Character("Krix", ("robot",), IT, "a square teal robot"),
        Character("Wumo", ("ghost",), IT, "a white ghost"),
        Character("Lurra", ("star",), SHE, "a yellow star"),
        Character("Doff", ("penguin",), HE, "a tall blue penguin"),
    )
)

EPITHETS = (
    "the round bear",
    "the little girl",
    "the pink rabbit",
    "the green frog",
    "the purple octopus",
    "the square robot",
    "the white ghost",
    "the yellow star",
    "the blue penguin",
)

# Never together in a story of train, val or test; every compositional story has one of these pairs in a frame.
HELD_OUT_PAIRS = ((0, 7), (2, 5), (4, 8), (1, 3))
