"""From captions to frames: a trained tokenizer, a trained prior and a sampler, as one callable."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gst.batch import to_float, to_uint8
from gst.cast import Cast
from gst.condition import Condition
from gst.conditioner import Conditioner
from gst.drawn import DrawnStory
from gst.editing import Kept, Region, at, given_frames, keep_first, keep_outside
from gst.errors import DataError, PluginError, UsageError
from gst.kinds import Prior, Sampler, Tokenizer, Trainable
from gst.latents import Latents
from gst.matching import check_given, check_keeps, check_sampler
from gst.noise import Noise
from gst.pictures import Frames
from gst.recognition import Recognised, recognise
from gst.runtime import Runtime
from gst.signatures import describe, weights_hash


class StoryPipeline:
    """Draws stories: `story = pipe(["Bobo is in the forest.", "It sleeps."], seed=3)`.

    Args:
        tokenizer: trained; decodes what the sampler draws.
        prior: trained; its `conditioner` turns captions into what it is told.
        sampler: of the prior's family; its guidance comes with it.
        stages: the pipelines before this one, by the name under which the prior is given their latents ("low" for
            super-resolution).
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
        stages: Mapping[str, StoryPipeline] | None = None,
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
        self.stages = dict(stages or {})
        check_given(prior, self.stages)
        self.runtime = runtime or Runtime()
        self.tokenizer, self.prior, self.sampler = tokenizer, prior, sampler
        self.conditioner: Conditioner = prior.conditioner
        if self.conditioner.text is not None:
            self.conditioner.text.to(self.runtime.device)
        most = (frames, prior.max_frames, *(stage.frames for stage in self.stages.values()))
        self.frames: int | None = min((n for n in most if n is not None), default=None)
        if any(stage.cast.names != self.cast.names for stage in self.stages.values()):
            raise UsageError("the stages of a pipeline were trained on different casts")
        self.places, self.examples = tuple(places), tuple(tuple(e) for e in examples)
        self.about = dict(about or {})

    @property
    def cast(self) -> Cast:
        """Whom captions may name."""
        return self.conditioner.cast

    @property
    def sees_frames(self) -> bool:
        """Whether any stage sees other frames while it draws one; if not, given frames change nothing in the others."""
        return self.prior.sees_frames or any(stage.sees_frames for stage in self.stages.values())

    def signature(self) -> dict[str, Any]:
        """What decides its pictures besides captions and seed."""
        guidance = self.sampler.options.get("guidance")
        learned = {name: part for name, part in self.sampler.options.items() if isinstance(part, Trainable)}
        learned = {"prior": self.prior, "tokenizer": self.tokenizer, **learned}
        return {
            "prior": self.prior.use,
            "tokenizer": self.tokenizer.use,
            "sampler": describe(self.sampler),
            "guidance": None if guidance is None else describe(guidance),
            "characters_from": self.conditioner.describe(),
            "weights": {name: weights_hash(part) for name, part in learned.items()},
            "precision": self.runtime.precision,
            **({"given": {name: stage.signature() for name, stage in self.stages.items()}} if self.stages else {}),
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
        for stage in self.stages.values():
            stage.check(captions, any_text=True)
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
        given: Sequence[Frames] | Frames = (),
        seed: int = 0,
        characters: Sequence[Sequence[str]] | None = None,
        any_text: bool = False,
    ) -> DrawnStory:
        """Draw one story, one frame a caption.

        The noise of a frame depends on the seed and the frame's number alone: changing one caption leaves the noise of
        the others as it was.

        Args:
            captions: T strings, in order.
            given: the first k frames, k < T, uint8 (k, 3, H, W) or a list of (3, H, W): the story goes on from there.
                They come back as they are. `gst.given.read_frames` reads pictures.
            seed: another seed, another drawing.
            characters: per frame, the names of those the model is told instead of what the captions say.
            any_text: draw even if no line names a known character.

        Raises:
            DataError: for captions that `check` refuses, given frames that do not fit, or names that are not in the
                cast.
            UsageError: frames are given, and the sampler cannot keep them.
        """
        if isinstance(captions, str):
            raise UsageError("captions is one string", hint="Give a list of strings, one a frame.")
        self.check(captions, any_text=any_text or characters is not None)
        kept, about = None, self.about
        if len(given):
            first = given_frames(given, len(captions), self.tokenizer.spec.frame_size)
            rest = first.new_zeros(len(captions) - len(first), *first.shape[1:])
            kept, about = keep_first(torch.cat([first, rest])[None], len(first)), {**about, "given_frames": len(first)}
        return self._draw(captions, seed, characters, kept, about)

    def redraw(
        self,
        story: DrawnStory,
        frame: int,
        caption: str | None = None,
        *,
        region: Region | None = None,
        seed: int = 0,
        any_text: bool = False,
    ) -> DrawnStory:
        """Draw one frame of a story again, or a region of it, with all that is kept in the model's sight.

        What the model is told comes from the captions as they are now. Kept pixels come back as they are; their tokens
        are those that the tokenizer gives for them.

        Args:
            story: drawn before, or read by `DrawnStory.open`.
            frame: which frame, from 0.
            caption: what it shows now; None leaves its caption as it was.
            region: what of it is drawn again: (x0, y0, x1, y1) in pixels, x1 and y1 being the first outside, or bool
                (H, W). It grows to whole tokens. None: the whole frame.
            seed: another seed, another drawing.
            any_text: draw even if no line names a known character.

        Returns:
            a story with the other frames, and all outside the grown region, as they were to the bit.

        Raises:
            DataError: for captions that `check` refuses, a frame that is not there, frames of another size than this
                model's, or a region that is empty or not inside the frame.
            UsageError: the sampler cannot keep what is there.
        """
        if not 0 <= frame < len(story.frames):
            raise DataError(f"there is no frame {frame}: the story has {len(story.frames)}, counted from 0")
        captions = list(story.captions)
        captions[frame] = captions[frame] if caption is None else caption
        self.check(captions, any_text=any_text)
        size = self.tokenizer.spec.frame_size
        if story.frames.shape[2:] != size:
            raise DataError(f"the story has frames of shape {story.frames.shape[2:]}; this model's have {size}")
        kept = keep_outside(torch.from_numpy(np.array(story.frames)), frame, region, self._grids())
        where = "" if region is None else " inside {},{},{},{}".format(*kept.drawn_box(frame))
        redrawn = [story.about.get("redrawn"), f"frame {frame + 1}{where} with seed {seed}"]
        about = {**story.about, "redrawn": "; ".join(filter(None, redrawn))}
        return replace(self._draw(captions, seed, None, kept, about), seed=story.seed)

    def _grids(self) -> list[tuple[int, int]]:
        """The latent grids of all stages."""
        return [self.tokenizer.spec.grid, *(grid for stage in self.stages.values() for grid in stage._grids())]

    def _draw(
        self,
        captions: Sequence[str],
        seed: int,
        characters: Sequence[Sequence[str]] | None,
        kept: Kept | None,
        about: Mapping[str, Any],
    ) -> DrawnStory:
        recognised = self.recognise(captions)
        told = self.conditioner.characters(captions) if characters is None else self._told(captions, characters)
        condition = self.condition(
            ["story"],
            [list(captions)],
            torch.ones(1, len(captions), dtype=torch.bool),
            seed=seed,
            labels=told[None],
            characters=None if characters is None else told[None],
            kept=kept,
        )
        if characters is not None:
            names = self.cast.names
            recognised = [
                replace(r, characters=tuple(names[i] for i in row.nonzero().flatten().tolist()))
                for r, row in zip(recognised, told, strict=True)
            ]
        frames = self.draw(condition, seed, kept)[0].numpy()
        return DrawnStory(tuple(captions), frames, tuple(recognised), seed, about)

    def condition(
        self,
        ids: Sequence[str],
        captions: Sequence[Sequence[str]],
        frame_mask: Tensor,
        *,
        seed: int,
        labels: Tensor | None = None,
        characters: Tensor | None = None,
        kept: Kept | None = None,
    ) -> Condition:
        """What the model is told of B stories of T frames, with the latents that the stages before it draw for them.

        Args:
            ids: the stories' ids.
            captions: T strings each, "" at padding.
            frame_mask: bool (B, T).
            seed: of the stages before.
            labels: bool (B, T, C), the truth; read by a model that is an oracle only.
            characters: bool (B, T, C), told instead of what the captions say.
            kept: what the stages before keep.
        """
        condition = self.conditioner(ids, captions, frame_mask, labels)
        if characters is not None and condition.characters is not None:
            condition = replace(condition, characters=characters)
        given = {}
        for name, stage in self.stages.items():
            told = stage.condition(
                ids, captions, frame_mask, seed=seed, labels=labels, characters=characters, kept=kept
            )
            given[name] = stage.latents(told, seed, kept)
        return replace(condition, given=given)

    def draw(self, condition: Condition, seed: int, kept: Kept | None = None) -> Tensor:
        """condition of B stories of T frames -> uint8 (B, T, 3, H, W) on the CPU; padding frames are zero.

        `kept` is there already: it comes back as it is.
        """
        drawn = self.decode(self.latents(condition, seed, kept), condition.frame_mask)
        return drawn if kept is None else kept.over(drawn)

    def latents(self, condition: Condition, seed: int, kept: Kept | None = None) -> Latents:
        """condition of B stories of T frames -> their latents, on the device; those of `kept` are the tokenizer's.

        Raises:
            UsageError: the prior is not given what it draws on, or the sampler cannot keep anything.
            PluginError: the sampler says that it keeps, and did not.
        """
        check_given(self.prior, condition.given, complete=True)
        known = keep = None
        if kept is not None:
            check_keeps(self.sampler)
            if kept.frames.shape[-2:] != self.tokenizer.spec.frame_size:
                raise UsageError("a stage of this pipeline draws frames of another size: nothing can be kept for it")
            known, keep = self.encode(kept.frames), kept.tokens(self.tokenizer.spec.grid).to(self.runtime.device)
        with self._evaluating(self.prior), self.runtime.autocast():
            condition = condition.to(self.runtime.device)
            # Stages must not draw the same numbers twice: a stage would then know how the one before it drew.
            stage = " ".join(f"{name} {condition.given[name].spec.grid}" for name in sorted(condition.given))
            noise = Noise(seed, condition.ids, condition.frames, self.runtime.device, stage=stage)
            latents = self.sampler.sample(self.prior, condition, noise, known=known, keep=keep)
        if known is not None and keep is not None and not torch.equal(at(latents, keep), at(known, keep)):
            raise PluginError(f"sampler '{self.sampler.use}' did not keep what it was given to keep")
        return latents

    def encode(self, frames: Tensor) -> Latents:
        """uint8 (B, T, 3, H, W) -> the tokenizer's latents of them, on the device."""
        with self._evaluating(self.tokenizer), self.runtime.autocast():
            return self.tokenizer.encode(to_float(frames).to(self.runtime.device))

    def decode(self, latents: Latents, frame_mask: Tensor) -> Tensor:
        """latents of B stories of T frames -> uint8 (B, T, 3, H, W) on the CPU; padding frames are zero."""
        with self._evaluating(self.tokenizer), self.runtime.autocast():
            drawn = to_uint8(self.tokenizer.decode(latents.to(self.runtime.device))).cpu()
        return drawn * frame_mask.cpu()[:, :, None, None, None]

    @contextmanager
    def _evaluating(self, model: Trainable) -> Iterator[None]:
        """Within it the model is on the device and in eval mode, and nothing is recorded for gradients."""
        mode = model.to(self.runtime.device).training
        model.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            model.train(mode)

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
