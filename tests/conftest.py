"""What all tests share: one thread a process, a store, seeds, the command line, and plugins made on the fly."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("COLUMNS", "120")

import copy
import importlib.util
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# The same examples on every machine, and no deadline: what is slow there is the machine.
settings.register_profile("gst", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("gst")


@pytest.fixture(scope="session", autouse=True)
def gst_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The store of this test run, shared by its processes. The user's own is never touched."""
    shared = tmp_path_factory.getbasetemp()
    folder = (shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared) / "store"
    folder.mkdir(exist_ok=True)
    before = os.environ.get("GST_STORE")
    os.environ["GST_STORE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["GST_STORE"]
    else:
        os.environ["GST_STORE"] = before


@pytest.fixture(autouse=True)
def seeds() -> None:
    """Global generators start every test in the same state; gst itself draws from none of them."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """`real_data("codraw_sv")`: a folder under $GST_DATA or beside the checkout; skips where there is none."""

    def find(name: str) -> Path:
        places = [Path(os.environ[v]) for v in ("GST_DATA",) if v in os.environ] + [ROOT.parent / "shared" / "data"]
        for place in places:
            if (place / name).is_dir():
                return place / name
        pytest.skip(f"no {name}: set GST_DATA to the folder that holds it")

    return find


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`toy_model("t5")`: the folder of a pre-trained model of toy size ("t5", "bert", "gpt2"); tests only read it."""
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            source = ROOT / "tests" / "toys" / "toy_pretrained.py"
            spec = importlib.util.spec_from_file_location("toy_pretrained", source)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            made[kind] = module.toy_model(kind, tmp_path_factory.mktemp("pretrained") / kind)
        return made[kind]

    return make


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def gst_command(tmp_path: Path) -> Command:
    """`gst_command("list", "--json", env={...})`: `gst` in a process of its own, in an empty folder."""

    def call(
        *arguments: str, env: Mapping[str, str] | None = None, cwd: Path = tmp_path, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gst", *arguments],
            env={**os.environ, **(env or {})},
            cwd=cwd,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return call


class Site:
    """A folder on the path of a new process, to install plugins into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def env(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self.folder)}

    def install(self, dist: str, source: str, version: str = "1.0", direct_url: str | None = None) -> None:
        """Install a distribution with one module, `source`, as its entry point in the group "gst"."""
        module = dist.replace("-", "_")
        (self.folder / f"{module}.py").write_text(source)
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[gst]\n{dist} = {module}\n")
        if direct_url is not None:
            (info / "direct_url.json").write_text(direct_url)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A place for plugins that only this test's processes see."""
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder)


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The plugin of tiny components in `tests/toys`, found like any plugin, for this test only."""
    from gst import plugins

    folder = ROOT / "tests" / "toys"
    monkeypatch.syspath_prepend(folder)
    plugins._load.cache_clear()
    yield folder
    plugins._load.cache_clear()


@pytest.fixture
def step_context(tmp_path: Path) -> Callable[..., Any]:
    """`step_context("train", seed=1)`: what a step gets when it runs, in folders of this test; fp32, one thread."""
    from gst.context import StepContext
    from gst.progress import Progress
    from gst.runtime import Runtime
    from gst.tracking import Tracking

    def make(name: str = "train", seed: int = 0, folder: Path = tmp_path) -> StepContext:
        work = folder / "work" / name
        work.mkdir(parents=True, exist_ok=True)
        return StepContext(
            name=name,
            seed=seed,
            work=work,
            run_dir=folder / "run",
            runtime=Runtime(device="cpu", precision="fp32"),
            tracker=Tracking(folder / "run", name, history=work / "metrics.jsonl"),
            progress=Progress(),
            smoke=False,
            results={},
            graph=None,  # type: ignore[arg-type]  # no step of core looks at it but the report
        )

    return make


TINY = {
    "gst": 1,
    "title": "A tiny run",
    "output": "$sample.pictures",
    "runtime": {"device": "cpu", "precision": "fp32"},
    "components": {
        "data": {"use": "story-world", "size": 16, "train": 24, "val": 4, "test": 8},
        "tokenizer": {"use": "vqvae", "downsample": 8, "widths": [8, 16], "codebook_size": 16, "code_dim": 8},
        "text": {"use": "bpe", "vocab_size": 400, "length": 96},
        "prior": {"use": "maskgst", "dim": 16, "heads": 2, "head_dim": 8, "layers": ["full", "self"], "max_frames": 6},
        "sampler": {"use": "maskgit", "steps": 3, "guidance": {"use": "character", "scale": 0.3}},
    },
    "steps": {
        "bpe": {"use": "fit", "text": "$text", "data": "$data.train"},
        "vqvae": {
            "use": "train",
            "model": "$tokenizer",
            "data": "$data.train",
            "unit": "frame",
            "steps": 4,
            "batch_size": 8,
            "log_every": 1,
            "preview": "$data.test",
        },
        "tokens": {"use": "tokenize", "tokenizer": "$vqvae.model", "data": "$data.train"},
        "train": {
            "use": "train",
            "model": "$prior",
            "data": "$tokens.tokens",
            "text": "$bpe.text",
            "steps": 4,
            "batch_size": 4,
            "log_every": 1,
            "preview": "$data.test",
            "preview_tokenizer": "$vqvae.model",
            "preview_sampler": "$sampler",
        },
        "rebuild": {"use": "reconstruct", "tokenizer": "$vqvae.model", "data": "$data.test", "stories": 5},
        "sample": {
            "use": "sample",
            "prior": "$train.model",
            "tokenizer": "$vqvae.model",
            "sampler": "$sampler",
            "data": "$data.test",
            "stories": 5,
            "batch_size": 2,
        },
        "report": {
            "use": "report",
            "data": "$data.test",
            "pictures": {"rebuilt": "$rebuild.pictures", "drawn": "$sample.pictures"},
            "tokens": "$tokens.tokens",
        },
    },
}


@pytest.fixture
def tiny_recipe() -> dict[str, Any]:
    """A recipe with everything from captions to the report, for seconds; each test may change its own."""
    return copy.deepcopy(TINY)


@pytest.fixture(scope="session")
def tiny_recipe_once() -> dict[str, Any]:
    """The same for fixtures that live as long as the session."""
    return copy.deepcopy(TINY)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, gst_store: Path) -> Any:
    """The finished run of that recipe; tests only read it."""
    from gst.progress import Progress
    from gst.run import run_recipe

    out = tmp_path_factory.mktemp("runs") / "tiny"
    return run_recipe(TINY, out=out, probe=False, progress=Progress(quiet=True))


@pytest.fixture
def tiny_pipe(tiny_run: Any) -> Any:
    """A pipeline of `tiny_run` with weights so loud that every condition and every draw changes the picture; fp32."""
    import torch

    from gst.loading import of_run
    from gst.runtime import Runtime

    pipe = of_run(tiny_run, Runtime(device="cpu", precision="fp32"))
    generator = torch.Generator().manual_seed(0)
    for part in (pipe.prior, pipe.tokenizer):
        for parameter in part.parameters():
            with torch.no_grad():
                parameter.normal_(0.0, 0.3, generator=generator)
    return pipe
