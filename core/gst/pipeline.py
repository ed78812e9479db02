"""From captions to frames: a trained tokenizer, a trained prior and a sampler, as one callable."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from gst.batch import to_uint8
from gst.cast import Cast
from gst.condition import Condition
from gst.conditioner import Conditioner
from gst.errors import DataError, UsageError
from gst.kinds import Prior, Sampler, Tokenizer
from gst.matching import check_sampler
from gst.noise import Noise
from gst.pictures import Frames, strip, write_png
from gst.recognition import Recognised, recognise
from gst.runtime import Runtime
from gst.signatures import describe, weights_hash


@dataclass(frozen=True)
class DrawnStory:
    """Frames drawn for captions.

    Args:
        captions: T strings.
        frames: uint8 (T, 3, H, W).
        recognised: per caption, whom the model recognised.
        seed: the sampling seed.
        about: what drew it.
    """

    captions: tuple[str, ...]
    frames: Frames
    recognised: tuple[Recognised, ...]
    seed: int
    about: Mapping[str, Any] = field(default_factory=dict)

    def image(self) -> Image:
        """The frames in a strip, each with its caption under it."""
        return strip(self.frames, self.captions)

    def save(self, path: str | Path) -> None:
        """Write `image()` as PNG, with captions and seed as text inside. Raises `StoreError` where that fails."""
        about = {**self.about, "Software": "gst", "captions": "\n".join(self.captions), "seed": self.seed}
        write_png(Path(path), self.image(), about)


class StoryPipeline:
    """Draws stories: `story = pipe(["Bobo is in the forest.", "It sleeps."], seed=3)`.

    Args:
        tokenizer: trained; decodes what the sampler draws.
        prior: trained; its `conditioner` turns captions into what it is told.
        sampler: of the prior's family; its guidance comes with it.
        runtime: device and precision.
        places: words for the places this model knows, for help texts.
        examples: captions of whole stories that it can draw, for help texts.
        frames: frames of the longest story it was trained on, beyond which it does not draw; None if that is not known.
        about: what it is (recipe, run), written into the pictures it draws.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        prior: Prior,
        sampler: Sampler,
        *,
        runtime: Runtime | None = None,
        places: Sequence[str] = (),
        examples: Sequence[Sequence[str]] = (),
        frames: int | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        if prior.conditioner is None:
            raise UsageError(
                f"prior '{prior.use}' does not know how captions become conditions (it has no conditioner)",
                hint="Set prior.conditioner = gst.conditioner.Conditioner(text, cast); training does this.",
            )
        if prior.latents != tokenizer.spec:
            raise UsageError(f"the prior models {prior.latents}, the tokenizer decodes {tokenizer.spec}")
        check_sampler(prior, sampler)
        self.runtime = runtime or Runtime()
        self.tokenizer, self.prior, self.sampler = tokenizer, prior, sampler
        self.conditioner: Conditioner = prior.conditioner
        self.frames = min((n for n in (frames, prior.max_frames) if n is not None), default=None)
        self.places, self.examples = tuple(places), tuple(tuple(e) for e in examples)
        self.about = dict(about or {})

    @property
    def cast(self) -> Cast:
        """Whom captions may name."""
        return self.conditioner.cast

    def signature(self) -> dict[str, Any]:
        """What decides its pictures besides captions and seed."""
        guidance = self.sampler.options.get("guidance")
        return {
            "prior": self.prior.use,
            "tokenizer": self.tokenizer.use,
            "sampler": describe(self.sampler),
            "guidance": None if guidance is None else describe(guidance),
            "characters_from": self.conditioner.describe(),
            "weights": {"prior": weights_hash(self.prior), "tokenizer": weights_hash(self.tokenizer)},
            "precision": self.runtime.precision,
        }

    def recognise(self, captions: Sequence[str]) -> list[Recognised]:
        """Per caption, whom the model recognises and which words it has never seen."""
        return recognise(self.conditioner, captions)

    def check(self, captions: Sequence[str], *, any_text: bool = False) -> None:
        """Raise `DataError` for captions that cannot be drawn.

        Args:
            captions: the story.
            any_text: also accept a story in which no character is known.
        """
        if not captions:
            raise DataError("there is no caption", hint="Write one line a frame.")
        if self.frames is not None and len(captions) > self.frames:
            raise DataError(
                f"{len(captions)} captions, but this model draws stories of at most {self.frames} frames",
                hint=f"Cut the story into parts of up to {self.frames} lines.",
            )
        text = self.conditioner.text
        for number, caption in enumerate(captions, 1):
            if not caption.strip():
                raise DataError(f"caption {number} is empty", hint="Every frame needs one line of text.")
            if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in caption.replace("\t", " ")):
                raise DataError(
                    f"caption {number} is not plain text: {caption[:60]!r}", hint="Remove what is not text."
                )
            if text is not None and (rows := text.count(caption)) > text.spec.length:
                raise DataError(
                    f"caption {number} is too long: {rows} tokens, the model reads {text.spec.length}",
                    hint=f"Shorten it, or give its end a line (and so a frame) of its own: {caption[:60]!r}",
                )
        if not any_text and len(self.cast) and not any(r.characters for r in self.recognise(captions)):
            raise DataError("no line names a character of this world", hint=self.help())

    def help(self) -> str:
        """The cast, the places and a story to copy."""
        lines = ["The cast:"]
        for c in self.cast.characters:
            names = " or ".join([c.name, *c.aliases])
            lines.append(f"  {names}: {c.description}" if c.description else f"  {names}")
        if self.places:
            lines.append(f"The places: {', '.join(self.places)}.")
        if self.examples:
            lines += ["A story to copy:", *(f"  {line}" for line in self.examples[0])]
        return "\n".join(lines)

    def __call__(
        self,
        captions: Sequence[str],
        *,
        seed: int = 0,
        characters: Sequence[Sequence[str]] | None = None,
        any_text: bool = False,
    ) -> DrawnStory:
        """Draw one story, one frame a caption.

        The noise of a frame depends on the seed and the frame's number alone: changing one caption leaves the noise of
        the others as it was.

        Args:
            captions: T strings, in order.
            seed: another seed, another drawing.
            characters: per frame, the names of those the model is told instead of what the captions say.
            any_text: draw even if no line names a known character.

        Raises:
            DataError: for captions that `check` refuses, or names that are not in the cast.
        """
        if isinstance(captions, str):
            raise UsageError("captions is one string", hint="Give a list of strings, one a frame.")
        self.check(captions, any_text=any_text or characters is not None)
        recognised = self.recognise(captions)
        told = self.conditioner.characters(captions) if characters is None else self._told(captions, characters)
        condition = self.conditioner(
            ["story"], [list(captions)], torch.ones(1, len(captions), dtype=torch.bool), labels=told[None]
        )
        if characters is not None:
            condition = replace(condition, characters=told[None])
            names = self.cast.names
            recognised = [
                replace(r, characters=tuple(names[i] for i in row.nonzero().flatten().tolist()))
                for r, row in zip(recognised, told, strict=True)
            ]
        frames = self.draw(condition, seed)[0].numpy()
        return DrawnStory(tuple(captions), frames, tuple(recognised), seed, self.about)

    def draw(self, condition: Condition, seed: int) -> Tensor:
        """condition of B stories of T frames -> uint8 (B, T, 3, H, W) on the CPU; padding frames are zero."""
        prior, tokenizer = self.prior.to(self.runtime.device), self.tokenizer.to(self.runtime.device)
        modes = prior.training, tokenizer.training
        prior.eval()
        tokenizer.eval()
        try:
            with torch.no_grad(), self.runtime.autocast():
                condition = condition.to(self.runtime.device)
                noise = Noise(seed, condition.ids, condition.frames, self.runtime.device)
                frames = tokenizer.decode(self.sampler.sample(prior, condition, noise))
        finally:
            prior.train(modes[0])
            tokenizer.train(modes[1])
        drawn = to_uint8(frames).cpu()
        return drawn * condition.frame_mask.cpu()[:, :, None, None, None]

    def _told(self, captions: Sequence[str], characters: Sequence[Sequence[str]]) -> Tensor:
        if self.conditioner.characters_from == "none":
            raise UsageError("this model was trained without characters; characters= cannot be given")
        if len(characters) != len(captions):
            raise UsageError(f"characters has {len(characters)} entries for {len(captions)} captions")
        told = np.zeros((len(captions), len(self.cast)), bool)
        for frame, names in enumerate(characters):
            for name in names:
                try:
                    told[frame, self.cast.index(name)] = True
                except KeyError:
                    raise DataError(
                        f"frame {frame + 1}: nobody is called {name!r}", hint=f"The cast: {', '.join(self.cast.names)}."
                    ) from None
        return torch.from_numpy(told)
