"""Trained components as folders: what they are (component.json), what they learned, and a manifest with hashes.

component.json       format, kind, use, options, bound, the distribution and its version
model.safetensors    or whatever `Component.save_state` writes
options/<name>/      components among the options, each saved in the same way
conditioner/         of a prior: conditioner.json, and its text component in text/
MANIFEST.json        sha256 and size of every file; in the outermost folder only
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from gst.cast import Cast
from gst.checkpoint import check_manifest, write_manifest
from gst.component import Component
from gst.condition import TextSpec
from gst.conditioner import Conditioner
from gst.errors import CheckpointError, PluginError, UsageError
from gst.kinds import Prior, TextEncoder, Trainable
from gst.latents import LatentSpec
from gst.plugins import registry

FORMAT = 1
COMPONENT = "component.json"
_VALUES: dict[str, type[LatentSpec | TextSpec | Cast]] = {
    "LatentSpec": LatentSpec,
    "TextSpec": TextSpec,
    "Cast": Cast,
}


def save_component(
    component: Component, folder: Path, *, dtype: Literal["bf16"] | None = None, whole: bool = False
) -> None:
    """Write a component into `folder`, which is made, or empty.

    Args:
        component: built by the registry (`gst.build`, a recipe), so that it knows its name and options.
        folder: where.
        dtype: "bf16" stores floating-point weights in bfloat16, half the size, to be handed out; they are read back as
            the model's own type, rounded. None stores them as they are.
        whole: also copy, as it is, what is otherwise saved by name and hash only (a pre-trained text encoder), so that
            the folder can be opened anywhere.

    Raises:
        UsageError: the component does not know its name, or an option cannot be saved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[tuple[Component, Path]] = []
    _write(component, folder, written)
    if dtype == "bf16":
        for path in folder.rglob("*.safetensors"):
            _shrink(path)
    if whole:
        for each, place in written:
            each.save_sources(place)
    write_manifest(folder, {"kind": component.kind, "use": component.use})


def load_component(folder: Path) -> Component:
    """Build the component that `save_component` wrote to `folder`; modules come in eval mode.

    Raises:
        CheckpointError: a file is missing, truncated, changed, or of another format.
        PluginError: the plugin that brings the component is missing or broken.
    """
    check_manifest(folder)
    return _read(folder)


def component_hash(folder: Path) -> str:
    """sha256 (hex) over all that was learned: every file of a saved component but its descriptions."""
    total = hashlib.sha256()
    for name, entry in sorted(check_manifest(folder)["files"].items()):
        if not name.endswith(COMPONENT):
            total.update(f"{name}\0{entry['sha256']}\n".encode())
    return total.hexdigest()


def _write(component: Component, folder: Path, written: list[tuple[Component, Path]]) -> None:
    """Write it and what is inside it; each is added to `written` with its folder."""
    if not component.use:
        raise UsageError(
            f"this {component.kind} ({type(component).__name__}) cannot be saved: it does not know its registered name",
            hint="Build it with gst.build(kind, name, ...).",
        )
    entry = registry().get(component.kind, component.use)
    nested: dict[str, Component] = {}
    unneeded = component.training_only if isinstance(component, Trainable) else ()
    options = {name: None if name in unneeded else value for name, value in component.options.items()}
    about = {
        "format": FORMAT,
        "kind": component.kind,
        "use": component.use,
        "options": {name: _plain(value, name, nested) for name, value in options.items()},
        "bound": {name: _plain(value, name, nested) for name, value in component.bound.items()},
        "dist": entry.dist,
        "version": entry.version,
    }
    component.save_state(folder)
    written.append((component, folder))
    (folder / COMPONENT).write_text(json.dumps(about, indent=1), encoding="utf-8")
    for path, inner in nested.items():
        target = folder / "options" / path
        target.mkdir(parents=True)
        _write(inner, target, written)
    if isinstance(component, Prior) and component.conditioner is not None:
        _write_conditioner(component.conditioner, folder / "conditioner", written)


def _read(folder: Path) -> Component:
    about = _json(folder / COMPONENT)
    if about.get("format") != FORMAT:
        raise CheckpointError(
            f"{folder / COMPONENT} has format {about.get('format')}; this gst reads format {FORMAT}",
            hint="It was written by a newer gst: update gst-story.",
        )
    try:
        kind, use, dist, version = about["kind"], about["use"], about["dist"], about["version"]
        options = {name: _value(value, folder) for name, value in about["options"].items()}
        bound = {name: _value(value, folder) for name, value in about["bound"].items()}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / COMPONENT} is damaged: {error!r}") from error
    try:
        component = registry().create(kind, use, options, bound)
    except PluginError as error:
        message = f"{folder} needs {dist} (it was written by {version}). {error.message}"
        raise PluginError(message, hint=error.hint) from error
    component.load_state(folder)
    if isinstance(component, Prior) and (folder / "conditioner").is_dir():
        component.conditioner = _read_conditioner(folder / "conditioner")
    if isinstance(component, torch.nn.Module):
        component.eval()
    return component


def _write_conditioner(conditioner: Conditioner, folder: Path, written: list[tuple[Component, Path]]) -> None:
    folder.mkdir()
    about = {
        "cast": conditioner.cast.to_json(),
        "characters_from": conditioner.characters_from,
        "resolve": conditioner.resolve,
        "text": conditioner.text is not None,
    }
    (folder / "conditioner.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    if conditioner.text is not None:
        (folder / "text").mkdir()
        _write(conditioner.text, folder / "text", written)


def _read_conditioner(folder: Path) -> Conditioner:
    about = _json(folder / "conditioner.json")
    text = _read(folder / "text") if about["text"] else None
    if text is not None and not isinstance(text, TextEncoder):
        raise CheckpointError(f"{folder / 'text'} holds a {text.kind}, not a text component")
    return Conditioner(text, Cast.from_json(about["cast"]), about["characters_from"], about["resolve"])


def _plain(value: Any, path: str, nested: dict[str, Component]) -> Any:
    """`value` as JSON; what JSON cannot say is tagged with "$", components are put into `nested` under their path."""
    if isinstance(value, Component):
        nested[path] = value
        return {"$": "component", "path": path}
    for name, cls in _VALUES.items():
        if isinstance(value, cls):
            return {"$": name, "value": value.to_json()}
    if isinstance(value, Path):
        return {"$": "Path", "value": str(value)}
    if isinstance(value, tuple):
        return {"$": "tuple", "value": [_plain(item, f"{path}/{i}", nested) for i, item in enumerate(value)]}
    if isinstance(value, list):
        return [_plain(item, f"{path}/{i}", nested) for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {"$": "dict", "value": {key: _plain(item, f"{path}/{key}", nested) for key, item in value.items()}}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise UsageError(f"option '{path}' holds a {type(value).__name__}, which cannot be saved with the component")


def _value(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [_value(item, folder) for item in value]
    if not isinstance(value, dict):
        return value
    match value["$"]:
        case "component":
            return _read(folder / "options" / value["path"])
        case "tuple":
            return tuple(_value(item, folder) for item in value["value"])
        case "dict":
            return {key: _value(item, folder) for key, item in value["value"].items()}
        case "Path":
            return Path(value["value"])
        case name:
            return _VALUES[name].from_json(value["value"])


def _json(path: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    return data


def _shrink(path: Path) -> None:
    """Store the floats of a safetensors file in bfloat16. Its metadata (names of tied weights) stays."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    save_file({k: v.bfloat16() if v.is_floating_point() else v for k, v in tensors.items()}, path, metadata)
