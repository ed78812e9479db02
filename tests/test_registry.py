"""Names, owners, and what is said when a name leads nowhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

import gst
from gst import plugins
from gst.component import Bound
from gst.condition import Condition
from gst.errors import OptionError, PluginError, UsageError
from gst.kinds import KINDS, Branch, Guidance
from gst.latents import LatentSpec
from gst.registry import KIND_NAMES, SUPPLIERS, Plugin, Registrar, Registry


class Half(Guidance):
    """Half of everything.

    Args:
        share: how much of it.
        inner: another guidance.
        latents: what the model draws.
    """

    def __init__(self, share: float = 0.5, inner: Guidance | None = None, *, latents: Bound[LatentSpec | None] = None):
        if share == 0.25:
            raise ValueError("a quarter is not a half")
        self.share, self.inner, self.latents = share, inner, latents

    def branches(self, condition: Condition, progress: float) -> list[Branch]:
        return [Branch("text", 1.0, condition)]


class NeedsLatents(Half):
    def __init__(self, *, latents: Bound[LatentSpec]):
        super().__init__(latents=latents)


HALF = f"{__name__}:Half"


def registry_of(*owners: tuple[str, Sequence[tuple[str, ...]]]) -> Registry:
    """A registry with the guidances that some distributions bring, each as (name, *aliases)."""
    registry = Registry()
    for dist, names in owners:
        registrar = Registrar(Plugin(dist, dist, "1.0", "index"))
        for name, *aliases in names:
            registrar.add("guidance", name, HALF, summary="Half", aliases=aliases)
        registrar.add("guidance", f"{dist}-needs", f"{__name__}:NeedsLatents", summary="Needs latents")
        registry.accept(registrar)
    return registry


def test_kind_names_are_the_kinds() -> None:
    assert tuple(KINDS) == KIND_NAMES


def test_importing_gst_imports_nothing_heavy() -> None:
    code = "import sys, gst; print([m for m in ('torch', 'numpy', 'pydantic', 'click', 'rich') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize("name", ["Upper", "under_score", "-x", "x-", "a--b", "", "a:b", "a/b", "ä", "a b", "a\n"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        registry_of(("gst-a", [(name,)]))
    with pytest.raises(ValueError, match="is no name"):
        registry_of(("gst-a", [("good", name)]))


@pytest.mark.parametrize("name", ["x", "story-world", "resnet18.a1", "3d", "v1.0-b"])
def test_good_names(name: str) -> None:
    assert registry_of(("gst-a", [(name,)])).get("guidance", name).name == name


def test_bad_kinds_targets_and_recipe_folders_are_refused() -> None:
    registrar = Registrar(Plugin("a", "gst-a", "1.0", "index"))
    with pytest.raises(ValueError, match="no kind 'guide'"):
        registrar.add("guide", "x", HALF, summary="")
    for target in ("gst.kinds", "gst/kinds.py:Prior", ":x", "gst:", "os:system()"):
        with pytest.raises(ValueError, match="must look like"):
            registrar.add("guidance", "x", target, summary="")
    folders = {"gst": "must look like", "nowhere_at_all:x": "not a package", "gst:nothing": "no folder"}
    for folder, message in folders.items():
        with pytest.raises(ValueError, match=message):
            registrar.add_recipes(folder)


def test_one_plugin_cannot_register_a_name_twice() -> None:
    with pytest.raises(ValueError, match="guidance/x is registered twice"):
        registry_of(("gst-a", [("x",), ("x",)]))
    with pytest.raises(ValueError, match="guidance/y is registered twice"):
        registry_of(("gst-a", [("x", "y"), ("y",)]))


def test_a_name_of_two_distributions_is_refused_and_both_are_named() -> None:
    registry = registry_of(("gst-a", [("x",), ("mine",)]), ("gst-b", [("y", "x")]))
    with pytest.raises(PluginError, match=r"claimed by gst-a 1\.0 and gst-b 1\.0") as caught:
        registry.get("guidance", "x")
    assert caught.value.hint is not None
    assert "gst-a:x or gst-b:x" in caught.value.hint
    assert registry.get("guidance", "gst-a:x").dist == "gst-a"
    assert registry.get("guidance", "GST_B:x").dist == "gst-b"
    assert registry.get("guidance", "mine").dist == "gst-a"
    assert registry.get("guidance", "y").dist == "gst-b"
    assert [entry.dist for entry in registry.conflicts["guidance/x"]] == ["gst-a", "gst-b"]
    assert registry.create("guidance", "gst-a:x", {}).use == "gst-a:x"


def test_a_name_of_core_cannot_be_claimed() -> None:
    registry = registry_of(("gst-story", [("x", "also-x")]))
    for names in ([("x",)], [("other", "also-x")]):
        registrar = Registrar(Plugin("a", "gst-a", "1.0", "index"))
        for name, *aliases in names:
            registrar.add("guidance", name, HALF, summary="", aliases=aliases)
        with pytest.raises(ValueError, match="belongs to gst-story"):
            registry.accept(registrar)
    assert registry.get("guidance", "x").dist == "gst-story"
    assert not registry.conflicts


def test_aliases_lead_to_the_name() -> None:
    registry = registry_of(("gst-a", [("half", "demi")]))
    component = registry.create("guidance", "demi", {"share": 1})
    assert (component.kind, component.use, component.options) == ("guidance", "half", {"share": 1.0, "inner": None})
    assert len(registry.entries("guidance")) == 2


def test_an_unknown_name_says_what_is_near_and_what_is_there() -> None:
    registry = registry_of(("gst-a", [("half",), ("character",)]))
    with pytest.raises(PluginError, match=r"no guidance 'charcter'\. Did you mean 'character'\?") as caught:
        registry.get("guidance", "charcter")
    assert caught.value.exit_code == 4
    assert "half" in str(caught.value.hint)
    with pytest.raises(UsageError, match=r"no kind 'guidence'\. Did you mean 'guidance'\?"):
        registry.get("guidence", "half")


def test_an_unknown_name_of_ours_says_what_to_install() -> None:
    with pytest.raises(PluginError, match="gst-maskgst brings it and is not installed") as caught:
        registry_of().get("prior", "maskgst")
    assert "pip install gst-maskgst" in str(caught.value.hint)
    with pytest.raises(PluginError, match="gst-mine brings it and is not installed"):
        registry_of().get("prior", "gst-mine:thing")


def test_a_name_that_a_broken_plugin_would_bring_fails_with_its_cause() -> None:
    registry = registry_of(("gst-a", [("half",)]))
    cause = ImportError("No module named 'xformers'")
    registry.plugins.append(Plugin("b", "gst-b", "2.1", "index", "ImportError: x", ("prior/big",), cause))
    with pytest.raises(PluginError, match=r"prior 'big' needs gst-b 2\.1, which is broken: ImportError: x") as caught:
        registry.get("prior", "big")
    assert caught.value.__cause__ is cause
    with pytest.raises(PluginError, match=r"which is broken"):
        registry.get("prior", "gst-b:anything")
    with pytest.raises(PluginError, match=r"A broken plugin may have brought it \(gst-b 2\.1: ImportError: x\)"):
        registry.get("prior", "other")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("gst_no_such_module:X", "ModuleNotFoundError"),
        (f"{__name__}:Nothing", "AttributeError"),
        ("gst.story:Story", "is not a Guidance"),
        (f"{__name__}:registry_of", "is not a Guidance"),
    ],
)
def test_targets_that_do_not_load_name_their_owner(target: str, message: str) -> None:
    registrar = Registrar(Plugin("a", "gst-a", "1.0", "index"))
    registrar.add("guidance", "x", target, summary="")
    registry = Registry()
    registry.accept(registrar)
    with pytest.raises(PluginError, match=message) as caught:
        registry.get("guidance", "x").load()
    assert "guidance/x of gst-a 1.0" in caught.value.message


def test_create_fills_what_the_component_declares() -> None:
    registry = registry_of(("gst-a", [("half",)]))
    spec = LatentSpec("ids", (4, 4), vocab=8)
    inner = registry.create("guidance", "half", {})
    outer = registry.create("guidance", "half", {"inner": inner}, {"latents": spec, "cast": "not declared"})
    assert isinstance(outer, Half)
    assert outer.inner is inner
    assert outer.latents is spec
    assert outer.bound == {"latents": spec}


def test_create_reports_every_wrong_option() -> None:
    registry = registry_of(("gst-a", [("half",)]))
    with pytest.raises(OptionError) as caught:
        registry.create("guidance", "half", {"share": "much", "shre": 1, "inner": "half", "latents": 3})
    text = caught.value.message
    assert "half.share  should be a number, got 'much'" in text
    assert "half has no option 'shre'. Did you mean 'share'?" in text
    assert "half.inner  should be a guidance, written as $name, got 'half'" in text
    assert "half gets 'latents' from the step" in text
    assert "gst info guidance/half" in str(caught.value.hint)
    with pytest.raises(OptionError, match="half: a quarter is not a half"):
        registry.create("guidance", "half", {"share": 0.25})


def test_create_reports_missing_and_wrong_bound_arguments() -> None:
    registry = registry_of(("gst-a", []))
    with pytest.raises(OptionError, match="'latents' has to be given"):
        registry.create("guidance", "gst-a-needs", {})
    with pytest.raises(OptionError, match="'latents' cannot be a Half"):
        registry.create("guidance", "gst-a-needs", {}, {"latents": Half()})


def test_build_is_create_for_python_users() -> None:
    with pytest.raises(PluginError, match=r"no step 'trian'\. Did you mean 'train'"):
        gst.build("step", "trian")
    report = gst.build("step", "report")
    assert (report.kind, report.use) == ("step", "report")


def test_the_list_of_suppliers_is_what_our_plugins_register() -> None:
    registered = {entry.key: entry.dist for entry in plugins.registry().entries()}
    assert {key: registered.get(key) for key in SUPPLIERS} == SUPPLIERS
    ours = set(SUPPLIERS.values())
    assert {key for key, dist in registered.items() if dist in ours} == set(SUPPLIERS)


def test_core_brings_its_steps_and_recipes() -> None:
    registry = plugins.registry()
    core = {entry.name for entry in registry.entries("step") if entry.dist == "gst-story"}
    assert {"fit", "train", "tokenize", "sample", "reconstruct", "evaluate", "report"} <= core
    assert registry.recipes[0].dist == "gst-story"
    assert registry.recipes[0].path.is_dir()
