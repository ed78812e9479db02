"""Step `character-masks`: where the characters are, as a classifier sees it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from torch import Tensor

from gst.batch import collate
from gst.extended import ExtendedStories
from gst.kinds import Estimate, Step, StorySet
from gst.steps.chunks import arrays_in_chunks, count_stories
from gst.story import Story
from gst.training.source import cached
from gst_metrics.classifier import CharacterClassifier
from gst_metrics.grad_cam import heat_map

if TYPE_CHECKING:
    from gst.context import StepContext

EXTRA = "grad_cam"
_MEANING = "bool (T, H, W): where the Grad-CAM of a character that the classifier sees reaches the threshold"
_TRUTH = "mask"


class CharacterMasks(Step):
    """Gives the stories of a split masks of their characters, found by Grad-CAM (MaskGST thesis, section 8.7.3).

    The stories come out as they were, with one more extra, "grad_cam": True where the heat map (see `heat_map`: in
    [0, 1], over all characters that the classifier sees) is at least `threshold`; all else is background. They stand
    wherever a split does.

    What is trained on these masks has seen this classifier. Metrics need another one, with another seed.

    Where the data set tells the truth in its extra "mask" (T, H, W), it logs `mask_iou`, the mean over frames of
    intersection over union (frames where both are empty left out), and how large a share of a frame is masked, found
    (`mask_share`) and in truth (`mask_share_true`).

    Args:
        classifier: a trained character classifier.
        data: the split.
        threshold: h. The finer the classifier's feature map (its option `stage`), the smaller the spots that speak for
            a character, and the lower h must be: on story-world 0.3 fits stage 3, and 0.1 fits stage 2.
        stories: how many, from the split's start; all by default.
        batch_size: stories a micro-batch; the last one is filled up, so that shapes never vary.
    """

    outputs: ClassVar[dict[str, type]] = {"stories": ExtendedStories}

    def __init__(
        self,
        *,
        classifier: CharacterClassifier,
        data: StorySet,
        threshold: Annotated[float, Field(gt=0, le=1)] = 0.3,
        stories: PositiveInt | None = None,
        batch_size: PositiveInt = 16,
    ) -> None:
        self.classifier, self.data, self.threshold = classifier, data, threshold
        self.stories, self.batch_size = stories, batch_size

    def run(self, context: StepContext) -> dict[str, Any]:
        """Find them. A killed run goes on after the last finished micro-batch."""
        data = self.data.dataset
        _, masks = arrays_in_chunks(
            context,
            cached(self.data),
            doing="finding characters",
            total=count_stories(self.data, self.stories),
            size=self.batch_size,
            shape=(data.frames_per_story, *data.frame_size),
            dtype=np.dtype(np.bool_),
            make=lambda stories: self._find(context, stories),
        )
        if _TRUTH in data.extras:
            context.tracker.rewind(-1)
            context.tracker.log(0, self._compare(masks))
        return {"stories": ExtendedStories(self.data, EXTRA, _MEANING, masks)}

    def probe(self, context: StepContext) -> Estimate:
        """Time of one story, times their number."""
        total = count_stories(self.data, self.stories)
        started = time.monotonic()
        masks = self._find(context, [self.data[0]])
        return Estimate(seconds=(time.monotonic() - started) * total, disk=2 * masks[0].numel() * total)

    def stand_in(self, context: StepContext) -> dict[str, Any]:
        """Empty masks."""
        data = self.data.dataset
        shape = (count_stories(self.data, self.stories), data.frames_per_story, *data.frame_size)
        return {"stories": ExtendedStories(self.data, EXTRA, _MEANING, np.broadcast_to(np.False_, shape))}

    def _find(self, context: StepContext, stories: Sequence[Story]) -> Tensor:
        batch = collate(stories, length=self.data.dataset.frames_per_story)
        assert batch.frames is not None  # collate always gives frames
        classifier = self.classifier.to(context.runtime.device).eval()
        heat = heat_map(classifier, batch.frames.flatten(0, 1).to(context.runtime.device))
        found = (heat >= self.threshold).cpu().view(*batch.frame_mask.shape, *heat.shape[1:])
        return found & batch.frame_mask[:, :, None, None]

    def _compare(self, masks: NDArray[np.bool_]) -> dict[str, float]:
        data = cached(self.data)
        ious, found, true, frames = [], 0.0, 0.0, 0
        for index, mask in enumerate(masks):
            truth = torch.from_numpy(np.asarray(data[index].extras[_TRUTH]))
            mask = torch.from_numpy(np.asarray(mask[: len(truth)]))
            union = (mask | truth).sum((1, 2))
            ious.append(((mask & truth).sum((1, 2)) / union)[union > 0])
            found, true, frames = found + float(mask.sum()), true + float(truth.sum()), frames + len(truth)
        area = masks.shape[2] * masks.shape[3]
        numbers = {"mask_share": found / (frames * area), "mask_share_true": true / (frames * area)}
        overlap = torch.cat(ious)
        return {"mask_iou": float(overlap.mean()), **numbers} if len(overlap) else numbers
