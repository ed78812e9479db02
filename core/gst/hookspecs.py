"""The hooks a plugin may implement. Their docstrings are their documentation.

A plugin is a distribution with an entry point in the group "gst" that names a light module (it must not import torch):

    [project.entry-points.gst]
    mine = "gst_mine"

and in `gst_mine/__init__.py`:

    from gst import hookimpl

    @hookimpl
    def gst_register(registry):
        registry.add("sampler", "mine", "gst_mine.sampler:Mine", summary="Draws tokens in my order")

Each hook may be left out, and may leave out arguments it does not use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pluggy import HookspecMarker

if TYPE_CHECKING:
    from gst.cli.main import Commands
    from gst.kinds.tracker import Tracker
    from gst.registry import Registrar

hookspec = HookspecMarker("gst")


@hookspec
def gst_register(registry: Registrar) -> None:
    """Register components and recipes.

    Called once, when the registry is first needed. Nothing heavy may be imported here: targets are strings.

    Args:
        registry: `registry.add(kind, name, "module:Class", summary="...", aliases=())` registers a component,
            `registry.add_recipes("package:folder")` a folder of recipes inside a package.
    """


@hookspec
def gst_commands(cli: Commands) -> None:
    """Add commands to `gst`.

    Called for `gst --help` and for a command that core does not know.

    Args:
        cli: `cli.add(name, "module:command", summary)` adds a click command, imported when it is used. Names of core's
            commands are refused.
    """


@hookspec
def gst_run_start(run: Any) -> None:
    """A run is about to execute its first step.

    Args:
        run: the run: its folder is `run.dir`, its resolved recipe `run.recipe`.
    """


@hookspec
def gst_step_end(run: Any, step: str, result: Mapping[str, Any]) -> None:
    """A step of a run is finished, or was found in the store.

    Args:
        run: as in `gst_run_start`.
        step: the step's name in the recipe.
        result: the step's artifacts by port.
    """


@hookspec(firstresult=True)
def gst_open_tracker(name: str, run: Any) -> Tracker | None:
    """Open a tracker by name, where a registered component of the kind "tracker" is not enough.

    Args:
        name: what the recipe or the command line asked for.
        run: as in `gst_run_start`.

    Returns:
        the tracker, or None where this plugin does not know the name; the first answer is taken.
    """
