"""Metrics of gst, the classifier they read, and baselines. This module is the entry point and imports nothing heavy."""

from gst import hookimpl


@hookimpl
def gst_register(registry):  # type: ignore[no-untyped-def]
    """Registers this distribution's scorer, metrics and baseline steps."""
    add = registry.add
    add(
        "scorer",
        "character-classifier",
        "gst_metrics.classifier:CharacterClassifier",
        summary="Who is in a frame (and where, and which place), on a timm backbone; trained on real frames",
    )
    metrics = {
        "char-f1": ("char_f1:CharF1", "Characters drawn against characters meant: micro F1, and of each character"),
        "char-acc": ("char_acc:CharAcc", "Frames in which every character is right (exact match)"),
        "place-acc": ("place_acc:PlaceAcc", "Frames drawn at the right place"),
        "position-acc": ("position_acc:PositionAcc", "Characters that are there, drawn where they should stand"),
        "fid-clf": ("fid_clf:FidClf", "Fréchet distance to the real frames on the classifier's features; not FID"),
        "frame-consistency": (
            "frame_consistency:FrameConsistency",
            "Likeness of neighbouring frames; neither up nor down",
        ),
        "psnr": ("psnr:PSNR", "Peak signal-to-noise ratio against the real frames, in dB"),
        "ssim": ("ssim:SSIM", "Structural similarity to the real frames"),
        "codebook-use": ("codebook_use:CodebookUse", "Share of a codebook that pictures use, and perplexity"),
    }
    for name, (target, summary) in metrics.items():
        add("metric", name, f"gst_metrics.{target}", summary=summary)
    add(
        "step",
        "unigram",
        "gst_metrics.unigram:Unigram",
        summary="Pictures drawn token by token from the training tokens' frequencies: a floor that reads no caption",
    )
    add(
        "step",
        "character-masks",
        "gst_metrics.character_masks:CharacterMasks",
        summary="Stories with masks of their characters, found by Grad-CAM on a classifier of its own",
    )
    add(
        "step",
        "retrieve",
        "gst_metrics.retrieve:Retrieve",
        summary="Baseline: the training frame with the nearest caption (TF-IDF)",
    )
    add(
        "step",
        "copy-frame",
        "gst_metrics.copy_frame:CopyFrame",
        summary="Baseline: the real frame before this one, once more",
    )
