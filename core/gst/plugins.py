"""Finds the installed plugins and loads them one by one, so that a broken one spoils nothing but itself."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

from gst import __version__, builtin, hookspecs
from gst.registry import CORE, Plugin, Registrar, Registry, describe, normal

GROUP = "gst"
VARIABLE = "GST_PLUGINS"
_log = logging.getLogger("gst")


def registry() -> Registry:
    """Everything that core and the installed plugins register; loaded once a process.

    The environment variable GST_PLUGINS (distributions, separated by commas) restricts it to those; an empty value
    loads none.
    """
    return _load()[0]


def hooks() -> Any:
    """The hooks of all plugins that work, to be called as in `hooks().gst_run_start(run=run)`."""
    return _load()[1].hook


def call_each(hook: str, report: Callable[[str], None], **arguments: Any) -> None:
    """Call one hook of every plugin, one by one; what one of them raises is reported and the others go on."""
    manager = _load()[1]
    for name, plugin in manager.list_name_plugin():
        try:
            _call_one(manager, hook, plugin, **arguments)
        except Exception as error:
            report(f"plugin {name} failed in {hook}: {describe(error)}")


@cache
def _load() -> tuple[Registry, pluggy.PluginManager]:
    found = Registry()
    manager = pluggy.PluginManager("gst")
    manager.add_hookspecs(hookspecs)
    _register(found, manager, Plugin("gst", CORE, __version__, _origin_of_core()), lambda: builtin)
    chosen = _chosen()
    for point in _points():
        if chosen is None or normal(_dist(point).name) in chosen:
            dist = _dist(point)
            _register(found, manager, Plugin(point.name, dist.name, dist.version, origin(dist)), point.load)
    for missing in sorted((chosen or set()) - {normal(plugin.dist) for plugin in found.plugins}):
        cause = f"{VARIABLE} names it, but no such plugin is installed"
        found.plugins.append(Plugin(missing, missing, "", "", cause))
    for plugin in found.broken:
        _log.warning("plugin %s %s is broken and was left out: %s", plugin.dist, plugin.version, plugin.cause)
    for key, entries in found.conflicts.items():
        owners = " and ".join(f"{e.dist} {e.version}" for e in entries)
        _log.warning("%s is claimed by %s; write it as distribution:name", key, owners)
    return found, manager


def _register(found: Registry, manager: pluggy.PluginManager, plugin: Plugin, load: Callable[[], ModuleType]) -> None:
    registrar = Registrar(plugin)
    module = None
    try:
        module = load()
        manager.register(module, name=f"{plugin.dist}:{plugin.name}")
        _call_one(manager, "gst_register", module, registry=registrar)
        found.accept(registrar)
    except (Exception, SystemExit) as error:
        if module is not None and manager.is_registered(module):
            manager.unregister(module)
        claimed = tuple(entry.key for entry in registrar.entries)
        found.plugins.append(replace(plugin, cause=describe(error), claimed=claimed, error=error))


def _call_one(manager: pluggy.PluginManager, hook: str, plugin: object, **arguments: Any) -> None:
    others = [each for each in manager.get_plugins() if each is not plugin]
    manager.subset_hook_caller(hook, others)(**arguments)


def _points() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda p: (normal(_dist(p).name), p.name))


def _dist(point: EntryPoint) -> Distribution:
    assert point.dist is not None  # entry points found through `entry_points` always know it
    return point.dist


def _chosen() -> set[str] | None:
    value = os.environ.get(VARIABLE)
    return None if value is None else {normal(name.strip()) for name in value.split(",") if name.strip()}


def _origin_of_core() -> str:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return origin(distribution(CORE))
    except PackageNotFoundError:
        return "not installed"


def origin(dist: Distribution) -> str:
    """Where a distribution was installed from (PEP 610): "index", or the kind of place and its address."""
    text = dist.read_text("direct_url.json")
    if text is None:
        return "index"
    source = json.loads(text)
    url = str(source["url"]).removeprefix("file://")
    if "vcs_info" in source:
        return f"{source['vcs_info'].get('vcs', 'git')} {url}@{source['vcs_info'].get('commit_id', '')[:12]}"
    if "archive_info" in source:
        return f"archive {url}"
    return f"{'editable' if source.get('dir_info', {}).get('editable') else 'local'} {url}"
