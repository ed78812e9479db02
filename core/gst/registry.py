"""What is registered: names of components, each with the class it stands for and the plugin that brought it.

Targets are strings ("module:Class") and are imported when they are asked for, so that listing everything costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gst.entry import CORE, KIND_NAMES, BrokenPlugin, Entry, Plugin, RecipeFolder, Weights
from gst.errors import OptionError, PluginError, Problem, UsageError
from gst.naming import SUPPLIERS, describe, normal, suggest

if TYPE_CHECKING:
    from gst.component import Component

__all__ = [
    "CORE",
    "KIND_NAMES",
    "SUPPLIERS",
    "BrokenPlugin",
    "Entry",
    "Plugin",
    "RecipeFolder",
    "Registrar",
    "Registry",
    "Weights",
    "describe",
    "normal",
    "suggest",
]

_NAME = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_FOLDER = re.compile(r"[A-Za-z_][\w.]*:[^:]+")


class Registrar:
    """What a plugin's `gst_register` is given: adds to the registry in that plugin's name.

    Nothing is added before the hook has returned, so a plugin that fails half way leaves nothing behind.
    """

    def __init__(self, plugin: Plugin) -> None:
        self.plugin = plugin
        self.entries: list[Entry] = []
        self.recipes: list[RecipeFolder] = []
        self.weights: list[Weights] = []

    def add(self, kind: str, name: str, target: str, *, summary: str, aliases: Sequence[str] = ()) -> None:
        """Register a component.

        Args:
            kind: one of `gst.registry.KIND_NAMES`.
            name: lower-case letters and digits, joined by "-" or ".".
            target: "module:Class"; imported when it is first used.
            summary: one line that says what it is.
            aliases: other names it answers to.
        """
        if kind not in KIND_NAMES:
            raise ValueError(f"there is no kind '{kind}'; kinds are {', '.join(KIND_NAMES)}")
        for each in (name, *aliases):
            if not _NAME.fullmatch(each):
                raise ValueError(f"'{each}' is no name: lower-case letters and digits, joined by '-' or '.'")
            if any(e.kind == kind and each in (e.name, *e.aliases) for e in self.entries):
                raise ValueError(f"{kind}/{each} is registered twice")
        if not _TARGET.fullmatch(target):
            raise ValueError(f"the target of {kind}/{name} must look like 'module:Class', not '{target}'")
        owner = self.plugin
        self.entries.append(Entry(kind, name, target, summary, owner.dist, owner.version, owner.origin, tuple(aliases)))

    def add_recipes(self, folder: str) -> None:
        """Register a folder of recipes inside an importable package: "package:folder"."""
        path = _inside(folder, "a folder of recipes")
        if not path.is_dir():
            package, _, inside = folder.partition(":")
            raise ValueError(f"package '{package}' has no folder '{inside}'")
        self.recipes.append(RecipeFolder(self.plugin.dist, path))

    def add_weights(self, name: str, folder: str, *, summary: str) -> None:
        """Register an exported pipeline under a name for `gst.load` and `gst sample`.

        Args:
            name: lower-case letters and digits, joined by "-" or ".".
            folder: "package:folder", inside an importable package.
            summary: one line that says what it draws.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"'{name}' is no name: lower-case letters and digits, joined by '-' or '.'")
        self.weights.append(Weights(name, self.plugin.dist, _inside(folder, "a folder of weights"), summary))


def _inside(folder: str, what: str) -> Path:
    """The path of "package:folder"."""
    if not _FOLDER.fullmatch(folder):
        raise ValueError(f"{what} must look like 'package:folder', not '{folder}'")
    package, _, inside = folder.partition(":")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"'{package}' is not a package")
    return (Path(next(iter(spec.submodule_search_locations))) / inside).resolve()


class Registry:
    """All components by kind and name.

    Attributes:
        plugins: every plugin that was found, in order of distribution, the broken ones too.
        recipes: folders of recipes, core's first.
        weights: exported pipelines by name.
    """

    def __init__(self) -> None:
        self.plugins: list[Plugin] = []
        self.recipes: list[RecipeFolder] = []
        self.weights: dict[str, Weights] = {}
        self._names: dict[tuple[str, str], list[Entry]] = {}

    @property
    def broken(self) -> list[BrokenPlugin]:
        """Plugins that could not be loaded, with their cause."""
        return [plugin for plugin in self.plugins if plugin.cause is not None]

    @property
    def conflicts(self) -> dict[str, list[Entry]]:
        """ "kind/name" -> the entries of different distributions that claim it; none answers to the bare name."""
        return {f"{kind}/{name}": found for (kind, name), found in sorted(self._names.items()) if len(found) > 1}

    def accept(self, registrar: Registrar) -> None:
        """Take over what a plugin registered. Raises ValueError where it claims a name of core."""
        for entry in registrar.entries:
            for name in (entry.name, *entry.aliases):
                if any(other.dist == CORE for other in self._names.get((entry.kind, name), ())):
                    raise ValueError(f"it claims {entry.kind}/{name}, which belongs to {CORE}")
        for each in registrar.weights:
            if each.name in self.weights:
                raise ValueError(f"it claims the weights '{each.name}', which {self.weights[each.name].dist} brings")
        self.weights.update({each.name: each for each in registrar.weights})
        for entry in registrar.entries:
            for name in (entry.name, *entry.aliases):
                self._names.setdefault((entry.kind, name), []).append(entry)
        self.recipes += registrar.recipes
        self.plugins.append(registrar.plugin)

    def entries(self, kind: str | None = None) -> list[Entry]:
        """What is registered, in the order of kinds, then of names."""
        unique = {(e.kind, e.name, e.dist): e for found in self._names.values() for e in found}
        order = {name: i for i, name in enumerate(KIND_NAMES)}
        picked = [e for e in unique.values() if kind in (None, e.kind)]
        return sorted(picked, key=lambda e: (order[e.kind], e.name, e.dist))

    def get(self, kind: str, name: str) -> Entry:
        """The entry of a name, an alias, or "distribution:name".

        Raises:
            PluginError: nobody registered it (with the nearest names, and the distribution to install where that is
                known), its plugin is broken (with the cause), or two distributions claim it.
            UsageError: there is no such kind.
        """
        if kind not in KIND_NAMES:
            raise UsageError(f"There is no kind '{kind}'.{suggest(kind, KIND_NAMES)}", hint=_known("Kinds", KIND_NAMES))
        dist, _, bare = name.rpartition(":")
        found = [e for e in self._names.get((kind, bare), ()) if not dist or normal(e.dist) == normal(dist)]
        if len(found) == 1:
            return found[0]
        if found:
            owners = " and ".join(f"{e.dist} {e.version}" for e in found)
            ways = " or ".join(f"{e.dist}:{bare}" for e in found)
            raise PluginError(f"{kind} '{bare}' is claimed by {owners}.", hint=f"Say which one: {ways}")
        raise self._unknown(kind, dist, bare)

    def create(
        self, kind: str, name: str, options: Mapping[str, Any], bound: Mapping[str, Any] | None = None
    ) -> Component:
        """Build a component.

        Args:
            kind: its kind.
            name: its name, an alias, or "distribution:name".
            options: its options; other components, splits and artifacts as objects.
            bound: all that is known of other components; the component gets those that it declares.

        Raises:
            OptionError: an option is unknown, missing or of the wrong type, or a bound argument is missing.
            PluginError: see `get` and `Entry.load`.
        """
        from gst import schema

        entry = self.get(kind, name)
        cls = entry.load()
        clean, problems = schema.validate(cls, options, entry.name, entry.name)
        known, missing = schema.fill_bound(cls, bound or {}, entry.name)
        if problems or missing:
            raise OptionError([*problems, *missing], hint=f"gst info {entry.key} shows all options.")
        try:
            component = cls(**clean, **known)
        except ValueError as error:
            raise OptionError([Problem("", f"{entry.name}: {error}")]) from error
        ambiguous = len(self._names[kind, entry.name]) > 1
        component.use = f"{entry.dist}:{entry.name}" if ambiguous else entry.name
        component.options, component.bound = clean, known
        return component

    def _unknown(self, kind: str, dist: str, name: str) -> PluginError:
        asked = f"{kind} '{dist + ':' if dist else ''}{name}'"
        supplier = dist or SUPPLIERS.get(f"{kind}/{name}")
        for plugin in self.broken:
            if f"{kind}/{name}" in plugin.claimed or (supplier and normal(plugin.dist) == normal(supplier)):
                error = PluginError(
                    f"{asked} needs {plugin.dist} {plugin.version}, which is broken: {plugin.cause}",
                    hint=f"Repair it with pip install --force-reinstall {plugin.dist}, or remove it.",
                )
                error.__cause__ = plugin.error
                return error
        names = sorted({known for k, known in self._names if k == kind})
        message = f"There is no {asked}.{suggest(name, names)}"
        if supplier and not any(normal(plugin.dist) == normal(supplier) for plugin in self.plugins):
            return PluginError(
                f"{message} {supplier} brings it and is not installed.",
                hint=f"pip install {supplier} (in a checkout of gst: pip install -e plugins/{supplier})",
            )
        if self.broken:
            causes = "; ".join(f"{p.dist} {p.version}: {p.cause}" for p in self.broken)
            message += f" A broken plugin may have brought it ({causes})."
        return PluginError(message, hint=_known(f"Registered under {kind}", names))


def _known(what: str, names: Sequence[str]) -> str:
    return f"{what}: {', '.join(names) or 'nothing'}."
