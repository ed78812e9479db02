"""Real distributions, installed into a folder that only a child process sees: working, broken and quarrelling ones."""

from __future__ import annotations

import json
from typing import Any

GOOD = """
from gst import hookimpl

@hookimpl
def gst_register(registry):
    registry.add("tracker", "{name}", "{module}:Thing", summary="A tracker of {module}")
"""
BROKEN_IMPORT = "import a_module_that_is_not_there\n"
BROKEN_EXIT = "raise SystemExit(7)\n"
BROKEN_HALF_WAY = """
from gst import hookimpl

@hookimpl
def gst_register(registry):
    registry.add("tracker", "half-way", "x:Y", summary="")
    raise RuntimeError("the licence file\\nis missing")
"""
WRONG_HOOK = """
from gst import hookimpl

@hookimpl
def gst_register(registry, something_else):
    pass
"""
STEALS = """
from gst import hookimpl

@hookimpl
def gst_register(registry):
    registry.add("step", "train", "x:Y", summary="")
    registry.add("tracker", "stolen", "x:Y", summary="")
"""


def good(module: str, name: str) -> str:
    return GOOD.format(module=module, name=name)


def plugins_of(output: str) -> dict[str, dict[str, Any]]:
    return {plugin["distribution"]: plugin for plugin in json.loads(output)}


def test_broken_plugins_spoil_nothing_but_themselves(site: Any, gst_command: Any) -> None:
    site.install("gst-fine", good("gst_fine", "fine"), version="1.2")
    site.install("gst-import", BROKEN_IMPORT, version="0.3")
    site.install("gst-exit", BROKEN_EXIT)
    site.install("gst-half", BROKEN_HALF_WAY)
    site.install("gst-hook", WRONG_HOOK)
    site.install("gst-steals", STEALS)
    done = gst_command("list-plugins", "--json", env=site.env)
    assert done.returncode == 0
    found = plugins_of(done.stdout)
    assert found["gst-fine"]["state"] == "ok"
    assert (found["gst-fine"]["version"], found["gst-fine"]["components"]) == ("1.2", 1)
    assert "No module named 'a_module_that_is_not_there'" in found["gst-import"]["cause"]
    assert found["gst-half"]["cause"] == "RuntimeError: the licence file is missing"
    assert found["gst-steals"]["cause"].endswith("it claims step/train, which belongs to gst-story")
    assert "something_else" in found["gst-hook"]["cause"]
    for dist in ("gst-import", "gst-exit", "gst-half", "gst-hook", "gst-steals"):
        assert (found[dist]["state"], found[dist]["components"]) == ("broken", 0), dist
        assert done.stderr.count(f"plugin {dist} ") == 1, "each is reported once"
    assert "Traceback" not in done.stderr

    listed = json.loads(gst_command("list", "tracker", "--json", env=site.env).stdout)
    assert "fine" in {entry["name"] for entry in listed}
    assert not {"half-way", "stolen"} & {entry["name"] for entry in listed}

    asked = gst_command("info", "tracker/half-way", env=site.env)
    assert asked.returncode == 4
    assert "needs gst-half 1.0, which is broken: RuntimeError: the licence file is missing" in asked.stderr
    assert "Traceback" not in asked.stderr
    assert "the licence file" in gst_command("info", "tracker/half-way", "--debug", env=site.env).stderr


def test_a_broken_plugin_of_ours_is_named_by_what_it_would_have_brought(site: Any, gst_command: Any) -> None:
    site.install("gst-maskgst", BROKEN_IMPORT, version="9.9")
    asked = gst_command("info", "prior/maskgst", env={**site.env, "GST_PLUGINS": "gst-maskgst"})
    assert asked.returncode == 4
    assert "prior 'maskgst' needs gst-maskgst 9.9, which is broken" in asked.stderr


def test_two_plugins_that_claim_one_name(site: Any, gst_command: Any) -> None:
    site.install("gst-one", good("gst_one", "same"))
    site.install("gst-two", good("gst_two", "same"))
    site.install("gst-three", good("gst_three", "own"))
    done = gst_command("list-plugins", "--json", env=site.env)
    found = plugins_of(done.stdout)
    assert found["gst-one"]["cause"] == "tracker/same is also claimed by gst-two 1.0"
    assert found["gst-two"]["cause"] == "tracker/same is also claimed by gst-one 1.0"
    assert found["gst-three"]["state"] == "ok"
    assert done.stderr.count("tracker/same is claimed by gst-one 1.0 and gst-two 1.0") == 1
    asked = gst_command("info", "tracker/same", env=site.env)
    assert asked.returncode == 4
    assert "claimed by gst-one 1.0 and gst-two 1.0" in asked.stderr
    chosen = gst_command("info", "tracker/gst-two:same", env=site.env)
    assert "gst_two:Thing" in chosen.stderr, "the name is resolved; this test's plugin has no such class"


def test_gst_plugins_chooses(site: Any, gst_command: Any) -> None:
    site.install("gst-one", good("gst_one", "one"))
    site.install("gst-two", good("gst_two", "two"))

    def loaded(value: str) -> dict[str, Any]:
        return plugins_of(gst_command("list-plugins", "--json", env={**site.env, "GST_PLUGINS": value}).stdout)

    assert set(loaded("")) == {"gst-story"}
    assert set(loaded("gst_One")) == {"gst-story", "gst-one"}
    assert set(loaded("gst-two, gst-one")) == {"gst-story", "gst-one", "gst-two"}
    missing = loaded("gst-one,gst-nine")["gst-nine"]
    assert missing["state"] == "broken"
    assert "no such plugin is installed" in missing["cause"]


def test_origins(site: Any, gst_command: Any) -> None:
    commit = {"vcs": "git", "commit_id": "a" * 40}
    places = {
        "gst-index": (None, "index"),
        "gst-git": ({"url": "https://x/y", "vcs_info": commit}, "git https://x/y@aaaaaaaaaaaa"),
        "gst-edit": ({"url": "file:///src/p", "dir_info": {"editable": True}}, "editable /src/p"),
        "gst-local": ({"url": "file:///src/p", "dir_info": {}}, "local /src/p"),
        "gst-zip": ({"url": "https://x/p.zip", "archive_info": {}}, "archive https://x/p.zip"),
    }
    for dist, (direct, _) in places.items():
        site.install(dist, "", direct_url=None if direct is None else json.dumps(direct))
    found = plugins_of(gst_command("list-plugins", "--json", env=site.env).stdout)
    assert {dist: found[dist]["origin"] for dist in places} == {dist: origin for dist, (_, origin) in places.items()}
