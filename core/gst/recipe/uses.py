"""What a `use` stands for."""

from __future__ import annotations

from collections.abc import Sequence

from gst.errors import PluginError
from gst.registry import KIND_NAMES, SUPPLIERS, Entry, Registry, suggest


def find_use(use: str, kinds: Sequence[str], registry: Registry) -> Entry | str:
    """The entry that `use` ("name", "kind/name" or "distribution:name") stands for, or what is wrong with it.

    Args:
        use: as the recipe has it.
        kinds: the kinds that may stand here.
        registry: where to look.

    Raises:
        PluginError: the plugin that brings it is missing or broken, or two distributions claim the name.
    """
    kind, _, name = use.rpartition("/")
    if kind and kind not in KIND_NAMES:
        return f"there is no kind '{kind}'.{suggest(kind, KIND_NAMES)} Kinds: {', '.join(KIND_NAMES)}"
    if kind and kind not in kinds:
        return f"'{use}' cannot stand here; wanted is a {' or '.join(kinds)}"
    wanted = [kind] if kind else list(kinds)
    bare = name.rpartition(":")[2]
    found = [k for k in wanted if any(bare in (e.name, *e.aliases) for e in registry.entries(k))]
    if len(found) > 1:
        ways = " or ".join(f"{k}/{name}" for k in found)
        return f"'{use}' is the name of a {' and of a '.join(found)}; write {ways}"
    if found:
        return registry.get(found[0], name)
    for k in wanted:
        claimed = any(f"{k}/{bare}" in plugin.claimed for plugin in registry.broken)
        if claimed or f"{k}/{bare}" in SUPPLIERS or ":" in name:
            return registry.get(k, name)  # raises, and says what to install or to repair
    return _unknown(use, bare, wanted, registry)


def _unknown(use: str, bare: str, wanted: list[str], registry: Registry) -> str:
    elsewhere = [e.key for e in registry.entries() if bare in (e.name, *e.aliases)]
    if elsewhere:
        return f"'{use}' is {' and '.join(elsewhere)}; wanted is a {' or '.join(wanted)}"
    names = sorted({e.name for k in wanted for e in registry.entries(k)})
    message = f"there is no {wanted[0] if len(wanted) == 1 else 'component'} '{use}'.{suggest(bare, names)}"
    if registry.broken:
        causes = "; ".join(f"{p.dist} {p.version}: {p.cause}" for p in registry.broken)
        raise PluginError(
            f"{message} A broken plugin may have brought it ({causes}).",
            hint="gst list-plugins shows all plugins.",
        )
    where = f"gst list {wanted[0]}" if len(wanted) == 1 else "gst list"
    return f"{message} `{where}` shows all of them."
