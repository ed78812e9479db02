"""What a registry holds: plugins, and the components, recipes and weights they bring."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gst.errors import PluginError
from gst.naming import describe

if TYPE_CHECKING:
    from gst.component import Component

KIND_NAMES = (
    "dataset",
    "tokenizer",
    "text",
    "prior",
    "critic",
    "guidance",
    "sampler",
    "scorer",
    "metric",
    "writer",
    "step",
    "tracker",
)
CORE = "gst-story"


@dataclass(frozen=True)
class Plugin:
    """One entry point of the group "gst", loaded or not.

    Args:
        name: name of the entry point.
        dist: its distribution.
        version: the distribution's version.
        origin: where it was installed from: "index", "git URL@COMMIT", "archive URL", "local PATH", "editable PATH".
        cause: why it is broken, in one line; None where it works.
        claimed: "kind/name" of what a broken plugin had registered before it failed.
        error: what was raised, for `--debug`.
    """

    name: str
    dist: str
    version: str
    origin: str
    cause: str | None = None
    claimed: tuple[str, ...] = ()
    error: BaseException | None = field(default=None, repr=False, compare=False)


BrokenPlugin = Plugin


@dataclass(frozen=True)
class Entry:
    """One registered component.

    Args:
        kind: its kind, such as "prior".
        name: its name, unique in its kind.
        target: "module:Class", imported by `load`.
        summary: one line for lists.
        dist: distribution that brought it.
        version: the distribution's version.
        origin: where the distribution came from, see `Plugin`.
        aliases: other names it answers to.
    """

    kind: str
    name: str
    target: str
    summary: str
    dist: str
    version: str
    origin: str
    aliases: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.name}"

    def load(self) -> type[Component]:
        """Import the class. Raises `PluginError` where that fails or where it is no component of its kind."""
        module, _, attribute = self.target.partition(":")
        owner = f"{self.key} of {self.dist} {self.version}"
        try:
            cls: type[Component] = getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise PluginError(
                f"{owner} cannot be loaded from '{self.target}': {describe(error)}",
                hint=f"Reinstall {self.dist}, or report it to its authors with the output of --debug.",
            ) from error
        from gst.kinds import KINDS

        contract = KINDS[self.kind]
        if not (isinstance(cls, type) and issubclass(cls, contract)):
            raise PluginError(f"{owner}: '{self.target}' is not a {contract.__name__}")
        return cls


@dataclass(frozen=True)
class RecipeFolder:
    """A folder of recipes that a distribution brings."""

    dist: str
    path: Path


@dataclass(frozen=True)
class Weights:
    """An exported pipeline that a distribution brings; `gst.load(name)` opens it.

    Args:
        name: what `gst.load` and `gst sample` call it.
        dist: the distribution.
        path: its folder, as `gst.exporting.export` writes it.
        summary: one line that says what it draws.
    """

    name: str
    dist: str
    path: Path
    summary: str
